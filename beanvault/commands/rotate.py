"""beanvault rotate"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from templates.deployment import APP_USERS

from ..context import CommandContext
from ..errors import ConfigurationError
from ..host_port import split_host_port
from ..rotation import alternating, deployed, dual, static_role
from ..rotation.credential_path import CredentialPath
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
@click.option("--discard", is_flag=True, help="dual: end the old password, once nobody uses it.")
@click.option("--role", "roles", multiple=True, help="static: a role of the database engine; give both.")
@click.option("--engine", default="database", show_default=True, help="static: the database engine's mount.")
@click.option("--ca-file", type=FILE, help="PEM of the database's authority.")
@click.option("--via", metavar="HOST:PORT", help="Where a tunnel to the database begins.")
@click.option(
    "--wait", is_flag=True, help="Wait until the credential before is out of use, rather than refuse."
)
@click.option("--vault-token-file", type=FILE, help="A file with a Vault token that may write the path.")
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
    """Give the app's database another credential, without a failed request.

    The new one logs in over TLS before it is published, and nothing old ends before the new one is
    replicated. Run it again after an interruption: it goes on from there. The Vault token comes from
    VAULT_TOKEN, a file, or is asked for.
    """
    if discard and strategy != "dual":
        raise ConfigurationError("--discard belongs to --strategy dual")
    if (strategy == "static") != bool(roles):
        raise ConfigurationError("--strategy static needs the --role options, and nothing else takes them")
    reached = server(vault_address, vault_ca_file, vault_namespace)
    client = reached.client(secret("token", vault_token_file, "VAULT_TOKEN", "Vault token"))
    path = CredentialPath(client, context.deployment.credential_mount, context.deployment.credential_path)
    tools = deployed.rotation_context(
        context.deployment,
        context.aws,
        context.terminal(),
        context.project,
        ca_file=ca_file,
        via=split_host_port(via) if via else None,
        wait=wait,
    )
    if discard:
        dual.discard(tools, path)
        context.say("the old password is discarded")
        return
    match strategy:
        case "alternating":
            rotated = alternating.rotate(tools, path, APP_USERS)
        case "dual":
            rotated = dual.rotate(tools, path)
        case _:
            adds = next((mount.adds for mount in tools.replication.config.mounts if mount.path == engine), ())
            rotated = static_role.rotate(tools, static_role.DatabaseEngine(client, engine, adds), roles)
    _print(rotated, as_json)


def _print(rotated: RotationResult, as_json: bool) -> None:
    if as_json:
        print_json(asdict(rotated))
        return
    click.echo(
        f"{rotated.source} version {rotated.version}: {rotated.username}, "
        f"AWSCURRENT {rotated.version_id} after {rotated.seconds:.1f} s"
        f"{' (finished an interrupted rotation)' if rotated.resumed else ''}"
    )
