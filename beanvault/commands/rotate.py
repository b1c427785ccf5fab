"""beanvault rotate"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from templates.deployment import APP_USERS

from ..command_context import CommandContext
from ..errors import ConfigurationError
from ..host_port import split_host_port
from ..rotation import alternating, context_factory, dual_password, static_role
from ..rotation.credential_store import CredentialStore
from ..rotation.rotation_context import RotationResult
from .options import FILE, as_json, pass_context, print_json, secret, server, vault_options

EXAMPLES = """\b
Examples:
  beanvault rotate
  beanvault rotate --strategy dual && beanvault rotate --strategy dual --discard --wait
  beanvault rotate --strategy static --role app-blue --role app-green
  beanvault rotate --via 127.0.0.1:13307      (through a tunnel into the VPC)"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--strategy",
    type=click.Choice(["alternating", "dual", "static"]),
    default="alternating",
    show_default=True,
    help="Two users in turn, two passwords of one user, or Vault's static roles.",
)
@click.option("--discard", is_flag=True, help="dual: end the old password, once it can't be in use any more.")
@click.option("--role", "roles", multiple=True, help="static: a role of the database engine; name both.")
@click.option("--engine", default="database", show_default=True, help="static: the database engine's mount.")
@click.option("--ca-file", type=FILE, help="PEM file of the database's authority.")
@click.option("--via", metavar="HOST:PORT", help="The local end of a tunnel to the database.")
@click.option(
    "--wait", is_flag=True, help="Wait until the previous credential is out of use, instead of refusing."
)
@click.option(
    "--vault-token-file", type=FILE, help="A file with a Vault token that can write the credential's path."
)
@vault_options
@as_json
@pass_context
def command(
    context: CommandContext,
    strategy: str,
    discard: bool,
    roles: tuple[str, ...],
    engine: str,
    ca_file: Path | None,
    via: str | None,
    wait: bool,
    vault_token_file: Path | None,
    vault_address: str | None,
    vault_ca_file: Path | None,
    vault_namespace: str | None,
    as_json: bool,
) -> None:
    """Rotate the app's database credential without a failed request.

    The new credential logs in over TLS before it is published, and no old one ends before the new one is
    replicated. After an interruption, run the command again: it resumes. The Vault token comes from
    VAULT_TOKEN, a file, or a prompt.
    """
    if discard and strategy != "dual":
        raise ConfigurationError("--discard belongs to --strategy dual", "add --strategy dual, or omit it")
    if (strategy == "static") != bool(roles):
        raise ConfigurationError(
            "--strategy static needs the --role options, and no other strategy accepts them",
            "name both roles: --strategy static --role app-blue --role app-green",
        )
    vault = server(vault_address, vault_ca_file, vault_namespace)
    client = vault.client(secret("token", vault_token_file, "VAULT_TOKEN", "Vault token"))
    deployment = context.deployment
    store = CredentialStore(client, deployment.credential_mount, deployment.credential_path)
    rotation = context_factory.rotation_context(
        deployment,
        context.aws,
        context.terminal(),
        context.project,
        ca_file=ca_file,
        via=split_host_port(via) if via else None,
        wait=wait,
    )
    if discard:
        dual_password.discard(rotation, store)
        context.say("the old password is discarded")
        return
    match strategy:
        case "alternating":
            result = alternating.rotate(rotation, store, APP_USERS)
        case "dual":
            result = dual_password.rotate(rotation, store)
        case _:
            mounts = rotation.replication.config.mounts
            added = next((mount.adds for mount in mounts if mount.path == engine), ())
            result = static_role.rotate(rotation, static_role.DatabaseEngine(client, engine, added), roles)
    _print(result, as_json)


def _print(result: RotationResult, as_json: bool) -> None:
    if as_json:
        print_json(asdict(result))
        return
    click.echo(
        f"{result.source} version {result.version}: {result.username}, "
        f"AWSCURRENT {result.version_id} after {result.seconds:.1f} s"
        f"{' (completed an interrupted rotation)' if result.resumed else ''}"
    )
