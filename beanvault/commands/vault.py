"""beanvault vault"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from templates.deployment_sections import VaultHost
from templates.replicator_layer import token_audience
from templates.vault_layer import host_name

from .. import signals
from ..command_context import CommandContext
from ..errors import BeanvaultError, ConfigurationError
from ..replication import connection_secret
from ..replication.function import ReplicatorFunction
from ..vault import logins, policies, setup
from ..vault import server as vault_server
from ..vault.errors import VaultError
from ..vault.keys import KeyFile, Keys
from ..vault.server import START_OVER, SealStatus, Shares, VaultServer
from .options import FILE, ask, pass_context, secret, server, text_of, vault_options, yes

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient


@click.group()
def command() -> None:
    """Prepare the deployment's Vault."""


EXAMPLES = """\b
Examples:
  beanvault vault init --vault-address https://vault:8200 --keys-file keys.json
  (umask 077; beanvault vault init --login aws --print-connection > connection.json)"""


@command.command(epilog=EXAMPLES)
@click.option(
    "--shares", type=int, default=5, show_default=True, help="The number of shares of the unseal key."
)
@click.option("--threshold", type=int, default=3, show_default=True, help="The number of shares that unseal.")
@click.option(
    "--pgp-key", "pgp_keys", multiple=True, type=FILE, help="A holder's public key (base64); one per share."
)
@click.option("--root-pgp-key", type=FILE, help="The public key (base64) that encrypts the root token.")
@click.option(
    "--keys-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of root token and unseal keys (mode 600), new or existing; by default they are printed.",
)
@click.option(
    "--vault-token-file", type=FILE, help="A file with a token that can change policies and mounts."
)
@click.option(
    "--login",
    type=click.Choice(["approle", "aws", "jwt", "token"]),
    default="approle",
    show_default=True,
    help="How the function logs in.",
)
@click.option("--login-mount", help="The mount of that auth method; the method's name by default.")
@click.option(
    "--bound-cidr",
    "cidrs",
    multiple=True,
    help="approle: addresses that can log in, the NAT gateways' for example; by default the role's stay.",
)
@click.option("--jwt-issuer", help="jwt: the issuer's URL; the account's own issuer by default.")
@click.option(
    "--server-id", help="aws: the server id that the login must sign; Vault's host name by default."
)
@click.option("--invisible", multiple=True, help="A mount, created if missing, that the login must not read.")
@click.option(
    "--function-address",
    help="Vault's https:// address for the function, if yours is a tunnel; the sample host's is known.",
)
@click.option(
    "--print-connection", is_flag=True, help="Print the connection as JSON, with its secret, for `connect`."
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
    """Prepare a Vault for the deployment: initialise, unseal, mounts, policy, login; and check the access.

    Safe to repeat: existing mounts and logins are kept. The connection secret is written at the end, unless
    --print-connection.
    """
    if print_connection and sys.stdout.isatty():
        raise ConfigurationError(
            "the connection holds a secret and would be shown on the screen",
            "write it to a file: (umask 077; … > connection.json)",
        )
    if cidrs and login != "approle":
        raise ConfigurationError(f"--bound-cidr restricts an AppRole, not a login by {login}", "omit it")
    deployment = context.deployment
    vault = server(vault_address, vault_ca_file, vault_namespace)
    for_function = replace(vault, address=_function_address(context, vault, function_address))
    key_shares = Shares(
        shares,
        threshold,
        tuple(text_of(path).strip() for path in pgp_keys),
        text_of(root_pgp_key).strip() if root_pgp_key else None,
    )
    keys = _unsealed(context, vault, key_shares, keys_file, yes=yes)
    if keys and not keys.root_encrypted and vault_token_file is None:
        token = keys.root_token
    else:
        token = secret("token", vault_token_file, "VAULT_TOKEN", "Vault token")
    prepared = setup.prepare(
        vault,
        token,
        name=deployment.name,
        mounts=policies.configured(deployment.replicator.mounts),
        login=_login(context, for_function, login, login_mount or login, cidrs, jwt_issuer, server_id),
        invisible=invisible,
    )
    for check in prepared.checks:
        context.say(f"  checked: {check}")
    if not prepared.used_login:
        context.say("  checked with a short-lived token of that policy: only the function itself can log in")
    for note in prepared.notes:
        context.say(f"note: {note}")
    text = connection_secret.content(for_function, prepared.auth)
    if print_connection:
        click.echo(text)
        return
    name = deployment.connection_secret
    function = ReplicatorFunction(context.aws, deployment.function_name, context.terminal())
    connection_secret.replace(context.aws, name, text, function)
    context.say(f"{name} is written; {function.name} logged in with it. Next: {context.call} rotate")


def _unsealed(
    context: CommandContext, vault: VaultServer, shares: Shares, keys_file: Path | None, *, yes: bool
) -> Keys | None:
    """Initialise and unseal the server as needed; return its keys if they are known."""
    status = vault_server.seal_status(vault)
    if not status.initialized:
        question = (
            f"{vault.address} is empty. Initialise it with {shares.count} shares, any {shares.threshold} of "
            "which unseal it?"
        )
        if not context.terminal(yes=yes).confirm(question):
            raise ConfigurationError(
                "Vault is not initialised", "confirm the question, or run `vault operator init`"
            )
        return _initialised(context, vault, shares, keys_file)
    keys = Keys.read(keys_file) if keys_file is not None and keys_file.exists() else None
    if status.sealed:
        vault_server.unseal(vault, _unseal_keys(keys, status))
    return keys


def _unseal_keys(keys: Keys | None, status: SealStatus) -> Iterator[str]:
    """Yield the known keys, then prompt for the missing ones; another seal than Shamir's needs none."""
    if not status.shamir:
        return
    known = keys.keys if keys and not keys.encrypted else ()
    yield from known
    for number in range(status.progress + len(known) + 1, status.threshold + 1):
        remedy = "run `vault operator unseal`, or pass --keys-file"
        yield ask(f"Unseal key {number} of {status.threshold}", remedy, hide_input=True)


def _initialised(context: CommandContext, vault: VaultServer, shares: Shares, keys_file: Path | None) -> Keys:
    if keys_file is None and not sys.stderr.isatty():
        raise ConfigurationError(
            "there is no terminal to show the unseal keys on", "name a file for them with --keys-file"
        )
    file = KeyFile.reserve(keys_file) if keys_file else None
    context.say("initialising; Ctrl-C takes effect after the keys are saved")
    with signals.deferred():
        try:
            keys = vault_server.initialise(vault, shares)
        except BaseException:
            if file is not None:
                file.remove()
            raise
        _save(context, vault, keys, file)
    if keys.encrypted:
        raise BeanvaultError(
            "the shares are encrypted for their holders, who have to unseal Vault now",
            "unseal it, and run the same command again; it also prompts for decrypted shares",
        )
    vault_server.unseal(vault, () if keys.recovery else keys.keys)
    if keys.root_encrypted:
        raise BeanvaultError(
            "the root token is encrypted for its holder",
            "decrypt it, and run the same command again with --vault-token-file",
        )
    return keys


def _save(context: CommandContext, vault: VaultServer, keys: Keys, file: KeyFile | None) -> None:
    """Write the keys to *file*; show them if that fails or there is none."""
    if file is not None:
        try:
            file.save(keys)
        except OSError as error:
            failure = f"{file.path} can't be written ({error.strerror})"
            if not sys.stderr.isatty():
                raise VaultError(
                    f"{vault.address} is initialised, and its only keys are lost: {failure}", START_OVER
                ) from error
            context.say(f"{failure}, so the keys are shown here")
        else:
            context.say(
                f"root token and keys are in {file.path}: give the shares to their holders, then delete it"
            )
            return
    click.echo(keys.as_json(), err=True)
    click.echo("These are shown once and stored nowhere. Copy them now.", err=True)


def _function_address(context: CommandContext, vault: VaultServer, given: str | None) -> str:
    """Return Vault's address for the function: the sample host's by its name, otherwise the operator's."""
    host = context.deployment.vault
    if given is None and isinstance(host, VaultHost):
        return f"https://{host_name(context.deployment)}:{host.port}"
    return (given or vault.address).rstrip("/")


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
    match method:
        case "approle":
            return logins.AppRole(role, mount, cidrs)
        case "token":
            return logins.Token(role)
        case "aws":
            return logins.AwsIam(
                role,
                _function_role(context),
                server_id or for_function.host,
                context.aws.region,
                context.aws.client("sts").meta.endpoint_url,
                mount,
            )
        case _:
            issuer = issuer or _issuer(context)
            audience = token_audience(context.deployment)
            return logins.Jwt(role, issuer, audience, _function_role(context), mount)


def _issuer(context: CommandContext) -> str:
    """Return the issuer of the account's own tokens (sts:GetWebIdentityToken)."""
    client: IAMClient = context.aws.client("iam")
    try:
        info = client.get_outbound_web_identity_federation_info()
    except client.exceptions.FeatureDisabledException:
        info = None
    if info is None or not info.get("JwtVendingEnabled"):
        raise ConfigurationError(
            "the account issues no web identity tokens to its roles",
            "enable them: aws iam enable-outbound-web-identity-federation",
        )
    return info["IssuerIdentifier"]


def _function_role(context: CommandContext) -> str:
    client: LambdaClient = context.aws.client("lambda")
    return client.get_function_configuration(FunctionName=context.deployment.function_name)["Role"]
