"""beanvault init"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from templates.deployment_file import DeploymentFileError, parse

from ..command_context import CommandContext
from ..errors import ConfigurationError
from .options import FILE, ask, pass_context

EXAMPLES = """\b
Examples:
  beanvault init
  beanvault init --production --name shop --aws-region eu-central-1 --domain shop.example.com \\
    --hosted-zone-id Z0123456789ABCDEFGHIJ --vault-cidr 198.51.100.7/32 --email ops@example.com"""


@click.command(epilog=EXAMPLES)
@click.option("--name", help="The deployment's name: 2 to 20 lower-case letters, digits, hyphens.")
@click.option("--aws-region", help="The region to deploy to.")
@click.option("--domain", help="The app's host name; without it, it gets a self-signed certificate.")
@click.option("--hosted-zone-id", help="The Route 53 zone of that name; ACM then issues the certificate.")
@click.option("--certificate-arn", help="The ARN of a certificate in ACM.")
@click.option(
    "--vault-cidr",
    "vault_cidrs",
    multiple=True,
    help="Vault's address range; none deploys the sample host.",
)
@click.option("--vault-port", type=int, default=8200, show_default=True)
@click.option("--email", "emails", multiple=True, help="An address to report failures to.")
@click.option("--database-ca-file", type=FILE, help="PEM file of RDS's authorities in this region.")
@click.option("--production", is_flag=True, help="Redundant resources, protected from deletion.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@pass_context
def command(
    context: CommandContext,
    name: str | None,
    aws_region: str | None,
    domain: str | None,
    hosted_zone_id: str | None,
    certificate_arn: str | None,
    vault_cidrs: tuple[str, ...],
    vault_port: int,
    emails: tuple[str, ...],
    database_ca_file: Path | None,
    production: bool,
    force: bool,
) -> None:
    """Write the deployment file (--config) from a few answers, given as options or asked for."""
    path = context.config
    if path.exists() and not force:
        raise ConfigurationError(f"{path} exists", "edit it, name another with --config, or pass --force")
    interactive = name is None
    name = name or ask("Name", "pass --name", default="beanvault-dev")
    aws_region = aws_region or context.region or ask("Region", "pass --aws-region", default="eu-central-1")
    if interactive and domain is None:
        question = "Host name of the app (empty: a self-signed certificate)"
        domain = ask(question, "pass --name and --domain", default="") or None
    if domain and not (hosted_zone_id or certificate_arn):
        question = "Route 53 hosted zone id of that name"
        hosted_zone_id = ask(question, "pass --hosted-zone-id or --certificate-arn")
    if interactive and not vault_cidrs:
        question = "Vault's address ranges, comma separated (empty: the sample host)"
        ranges = ask(question, "pass --name and --vault-cidr", default="")
        vault_cidrs = tuple(part.strip() for part in ranges.split(",") if part.strip())
    tables = deployment_tables(
        name=name,
        region=aws_region,
        domain=domain,
        hosted_zone_id=hosted_zone_id,
        certificate_arn=certificate_arn,
        vault_cidrs=vault_cidrs,
        vault_port=vault_port,
        emails=emails,
        database_ca_file=database_ca_file,
        production=production,
    )
    try:
        parse(tables, str(path))
    except DeploymentFileError as error:
        raise ConfigurationError(str(error), "nothing was written; correct these answers") from None
    write(path, tables)
    context.say(f"{path} was written. Next: {context.call} doctor, {context.call} deploy")


def deployment_tables(
    *,
    name: str,
    region: str,
    domain: str | None,
    hosted_zone_id: str | None,
    certificate_arn: str | None,
    vault_cidrs: tuple[str, ...],
    vault_port: int,
    emails: tuple[str, ...],
    database_ca_file: Path | None,
    production: bool,
) -> dict[str, object]:
    """Return the deployment file for the answers, as TOML's own types."""
    domain_table: dict[str, object] = {"certificate": "self-signed"}
    if certificate_arn:
        domain_table = {"certificate": "existing", "certificate_arn": certificate_arn}
    elif domain:
        domain_table = {"certificate": "issued"}
    domain_table |= {k: v for k, v in (("name", domain), ("hosted_zone_id", hosted_zone_id)) if v}
    vault: dict[str, object] = {"where": "host", "port": vault_port}
    if vault_cidrs:
        vault = {"where": "outside", "cidrs": list(vault_cidrs), "port": vault_port}
    authorities = {"ca_file": str(database_ca_file)} if database_ca_file else {}
    tables: dict[str, object] = {"name": name, "region": region, "production": production}
    tables |= {"domain": domain_table, "vault": vault}
    if emails:
        tables["alerts"] = {"emails": list(emails)}
    if production:
        tables |= {
            "network": {"nat": "per-az", "availability_zones": 2},
            "app": {"min_instances": 2, "max_instances": 6},
            "database": {
                "instance_class": "db.m7g.large",
                "multi_az": True,
                "backup_days": 35,
                "max_storage_gb": 200,
                **authorities,
            },
        }
    else:
        tables |= {
            "network": {"nat": "single"},
            "app": {"min_instances": 1, "max_instances": 2},
            "database": {"backup_days": 1, "deletion_protection": False, **authorities},
            "edge": {"waf": False, "deletion_protection": False},
            "logs": {"retention_days": 30},
        }
    return tables


def write(path: Path, tables: Mapping[str, object]) -> None:
    """Write *tables* as TOML: plain keys first, then the tables."""
    plain = [f"{key} = {_value(value)}" for key, value in tables.items() if not isinstance(value, Mapping)]
    sections = [
        "\n".join([f"\n[{key}]", *(f"{name} = {_value(inner)}" for name, inner in value.items())])
        for key, value in tables.items()
        if isinstance(value, Mapping)
    ]
    head = "# Written by `beanvault init`. docs/reference/deployment-file.md describes every key.\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + "\n".join([*plain, *sections]) + "\n")


def _value(value: object) -> str:
    return json.dumps(value)  # for text, numbers, booleans and lists of text, JSON is valid TOML
