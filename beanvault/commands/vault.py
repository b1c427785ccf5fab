"""beanvault vault"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from templates.deployment import VaultHost
from templates.replicator import token_audience
from templates.vault import host_name

from .. import signals
from ..context import CommandContext
from ..errors import BeanvaultError, ConfigurationError
from ..replication import connection_secret
from ..replication.function import ReplicatorFunction
from ..vault import logins, policies, setup
from ..vault import server as vault_server
from ..vault.keys import KeyFile, Keys
from ..vault.server import MADE_ANEW, Shares, VaultError, VaultServer
from .options import FILE, ask, pass_context, secret, server, text_of, vault_options, yes


@click.group()
def command() -> None:
    """Vault's side of the deployment."""


EXAMPLES = """\b
Examples:
  beanvault vault init --vault-address https://vault:8200 --keys-file keys.json
  beanvault vault init --login aws --print-connection | beanvault connect -"""


@command.command(epilog=EXAMPLES)
@click.option(
    "--shares", type=int, default=5, show_default=True, help="Into how many the unseal key is split."
)
@click.option("--threshold", type=int, default=3, show_default=True, help="How many of them unseal.")
@click.option(
    "--pgp-key", "pgp_keys", multiple=True, type=FILE, help="A holder's public key (base64); one a share."
)
@click.option("--root-pgp-key", type=FILE, help="A public key (base64) to encrypt the root token with.")
@click.option(
    "--keys-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where root token and unseal keys are written (mode 600), or were; without it they are shown once.",
)
@click.option(
    "--vault-token-file", type=FILE, help="A file with a token that may change policies and mounts."
)
@click.option(
    "--login",
    type=click.Choice(["approle", "aws", "jwt", "token"]),
    default="approle",
    show_default=True,
    help="How the function logs in.",
)
@click.option("--login-mount", help="Where in Vault that login is; its method's name by default.")
@click.option(
    "--bound-cidr",
    "cidrs",
    multiple=True,
    help="approle: from where; the NAT gateways' addresses. Without it, what the role has stays.",
)
@click.option("--jwt-issuer", help="jwt: who signs; the account's own issuer by default.")
@click.option("--server-id", help="aws: what the signed login must name; Vault's host name by default.")
@click.option("--invisible", multiple=True, help="A mount, made where missing, that the login must not see.")
@click.option(
    "--function-address",
    help="Vault's https:// address for the function, where yours is a tunnel; the sample host's is known.",
)
@click.option(
    "--print-connection", is_flag=True, help="Print the connection's JSON (with its secret) for `connect -`."
)
@vault_options
@yes
@pass_context
def init(
    context: CommandContext,
    shares: int,
    threshold: int,
    pgp_keys: tuple[Path, ...],
    root_pgp_key: Path | None,
    keys_file: Path | None,
    vault_token_file: Path | None,
    login: str,
    login_mount: str | None,
    cidrs: tuple[str, ...],
    jwt_issuer: str | None,
    server_id: str | None,
    invisible: tuple[str, ...],
    function_address: str | None,
    print_connection: bool,
    vault_address: str | None,
    vault_ca_file: Path | None,
    vault_namespace: str | None,
    yes: bool,
) -> None:
    """Make a Vault ready for the deployment: initialise, unseal, mounts, policy, login; and prove it.

    Safe to repeat: what is there stays. The connection secret is written at the end, unless
    --print-connection.
    """
    if print_connection and sys.stdout.isatty():
        raise ConfigurationError(
            "the connection holds a secret and would show on the screen", "pipe it: | beanvault connect -"
        )
    if cidrs and login != "approle":
        raise ConfigurationError(f"--bound-cidr binds an AppRole, not a login by {login}", "leave it out")
    deployment = context.deployment
    reached = server(vault_address, vault_ca_file, vault_namespace)
    for_function = replace(reached, address=_function_address(context, reached, function_address))
    chosen = Shares(
        shares,
        threshold,
        tuple(text_of(path).strip() for path in pgp_keys),
        text_of(root_pgp_key).strip() if root_pgp_key else None,
    )
    keys = _opened(context, reached, chosen, keys_file, yes=yes)
    if keys and not keys.root_encrypted and vault_token_file is None:
        token = keys.root_token
    else:
        token = secret("token", vault_token_file, "VAULT_TOKEN", "Vault token")
    prepared = setup.prepare(
        reached,
        token,
        name=deployment.name,
        mounts=policies.configured(deployment.replicator.mounts),
        login=_login(context, for_function, login, login_mount or login, cidrs, jwt_issuer, server_id),
        invisible=invisible,
    )
    for proof in prepared.proofs:
        context.say(f"  proven: {proof}")
    if not prepared.by_login:
        context.say("  proven with a short-lived token of that policy: only the function itself can log in")
    for note in prepared.notes:
        context.say(f"note: {note}")
    text = connection_secret.content(for_function, prepared.auth)
    if print_connection:
        click.echo(text)
        return
    name = deployment.connection_secret
    function = ReplicatorFunction(context.aws, deployment.function_name, context.terminal())
    connection_secret.replace(context.aws, name, text, function)
    context.say(f"{name} is written; {function.name} logged in with it. Next: beanvault rotate")


def _opened(
    context: CommandContext, reached: VaultServer, shares: Shares, keys_file: Path | None, *, yes: bool
) -> Keys | None:
    """Bring the server to where it answers; return its keys if they are at hand."""
    state = vault_server.status(reached)
    if not state["initialized"]:
        question = (
            f"{reached.address} is empty. Initialise it with {shares.count} shares, of which any "
            f"{shares.threshold} unseal it?"
        )
        if not context.terminal(yes=yes).confirm(question):
            raise ConfigurationError("Vault isn't initialised", "agree, or initialise it by its own means")
        return _initialised(context, reached, shares, keys_file)
    keys = Keys.read(keys_file) if keys_file is not None and keys_file.exists() else None
    if state["sealed"]:
        vault_server.unseal(reached, _unseal_keys(keys, state))
    return keys


def _unseal_keys(keys: Keys | None, state: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys at hand, then what is typed in, until it is open; another seal needs none."""
    if state["type"] != "shamir":
        return
    given = keys.keys if keys and not keys.encrypted else ()
    yield from given
    for number in range(state["progress"] + len(given) + 1, state["t"] + 1):
        remedy = "unseal it by its own means, or pass --keys-file"
        yield ask(f"Unseal key {number} of {state['t']}", remedy, hide_input=True)


def _initialised(
    context: CommandContext, reached: VaultServer, shares: Shares, keys_file: Path | None
) -> Keys:
    if keys_file is None and not sys.stderr.isatty():
        raise ConfigurationError("nobody would see the unseal keys", "name a file for them with --keys-file")
    file = KeyFile.reserve(keys_file) if keys_file else None
    context.say("initialising; Ctrl-C waits until the keys are kept")
    with signals.deferred():
        try:
            keys = vault_server.initialise(reached, shares)
        except BaseException:
            if file is not None:
                file.release()
            raise
        _keep(context, reached, keys, file)
    if keys.encrypted:
        raise BeanvaultError(
            "the shares are encrypted for their holders, who have to unseal it now",
            "then run this again, which also asks for their decrypted shares",
        )
    vault_server.unseal(reached, () if keys.recovery else keys.keys)
    if keys.root_encrypted:
        raise BeanvaultError(
            "the root token is encrypted for its holder",
            "decrypt it, and run this again with --vault-token-file",
        )
    return keys


def _keep(context: CommandContext, reached: VaultServer, keys: Keys, file: KeyFile | None) -> None:
    """Write the keys, or show them where that fails or no file was named."""
    if file is not None:
        try:
            file.keep(keys)
        except OSError as error:
            failed = f"{file.path} can't be written ({error.strerror})"
            if not sys.stderr.isatty():
                raise VaultError(
                    f"{reached.address} is initialised, and its only keys are lost: {failed}", MADE_ANEW
                ) from error
            context.say(f"{failed}, so the keys are shown here")
        else:
            context.say(
                f"root token and keys are in {file.path}: give the shares to their holders, then delete it"
            )
            return
    click.echo(keys.as_json(), err=True)
    click.echo("These are shown once and kept nowhere. Note them now.", err=True)


def _function_address(context: CommandContext, reached: VaultServer, given: str | None) -> str:
    """Return where the function finds Vault: the sample host by its name, others where it is found here."""
    vault = context.deployment.vault
    if given is None and isinstance(vault, VaultHost):
        return f"https://{host_name(context.deployment)}:{vault.port}"
    return (given or reached.address).rstrip("/")


def _login(
    context: CommandContext,
    for_function: VaultServer,
    method: str,
    mount: str,
    cidrs: tuple[str, ...],
    issuer: str | None,
    server_id: str | None,
) -> logins.Login:
    role = f"{context.deployment.name}-replicator"
    host = urlsplit(for_function.address).hostname or ""
    match method:
        case "approle":
            return logins.AppRole(role, mount, cidrs)
        case "token":
            return logins.Token(role)
        case "aws":
            return logins.AwsIam(role, _function_role(context), server_id or host, mount)
        case _:
            issuer = issuer or _issuer(context)
            audience = token_audience(context.deployment)
            return logins.Jwt(role, issuer, audience, _function_role(context), mount)


def _issuer(context: CommandContext) -> str:
    """Return the issuer of the account's own tokens (sts:GetWebIdentityToken)."""
    info = context.aws.client("iam").get_outbound_web_identity_federation_info()
    if not info.get("JwtVendingEnabled"):
        raise ConfigurationError(
            "the account issues no tokens to its roles", "aws iam enable-outbound-web-identity-federation"
        )
    issuer: str = info["IssuerIdentifier"]
    return issuer


def _function_role(context: CommandContext) -> str:
    client = context.aws.client("lambda")
    arn: str = client.get_function_configuration(FunctionName=context.deployment.function_name)["Role"]
    return arn
