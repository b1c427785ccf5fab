"""The rules of a deployment file that relate several keys, and those of `production = true`.

`RULES` and `PRODUCTION_RULES` list them all. A rule of the first kind takes the tables it relates and yields
the keys that have to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from replicator.contract.mounts import mount_of, parse_mounts
from templates.deployment import Deployment, Replicator
from templates.deployment_sections import (
    App,
    Database,
    ExistingCertificate,
    Network,
    OutsideVault,
    PeeredVault,
    SelfSignedCertificate,
    VaultHost,
)
from templates.regions import AUTHORITIES_OF_REGION, WITHOUT_AUTHORITIES


@dataclass(frozen=True, slots=True)
class InvalidKey:
    """One key of a deployment file that has to be changed."""

    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}; {self.remedy}"


def _ranges_apart(network: Network, vault: Any) -> Iterator[InvalidKey]:
    """Vault's ranges are outside the VPC and do not overlap each other."""
    cidrs = () if isinstance(vault, VaultHost) else vault.cidrs
    for index, cidr in enumerate(cidrs):
        if cidr.overlaps(network.cidr):
            problem = f"{cidr} overlaps network.cidr ({network.cidr})"
            yield InvalidKey(f"vault.cidrs[{index}]", problem, "give ranges outside this VPC")
        if not isinstance(vault, OutsideVault) and not cidr.is_private:
            yield InvalidKey(
                f"vault.cidrs[{index}]",
                f"{cidr} is not a private range, which {vault.where} cannot reach",
                'give private ranges, or set vault.where to "outside"',
            )
        if cidr.prefixlen < 8:
            problem = f"{cidr} is a large part of the internet"
            yield InvalidKey(f"vault.cidrs[{index}]", problem, "give Vault's addresses only")
    for one, other in pairwise(sorted(cidrs)):
        if one.overlaps(other):
            yield InvalidKey("vault.cidrs", f"{one} and {other} overlap", "remove one of them")


def _addresses_suffice(network: Network, app: App, database: Database, vault: Any) -> Iterator[InvalidKey]:
    """Each application subnet has enough addresses, also during an immutable update."""
    zones = network.availability_zones
    subnet = network.subnets[1][0]
    free = subnet.num_addresses - RESERVED_ADDRESSES
    functions = 2  # one network interface per subnet and function: the replicator and the bootstrap
    fixed = (
        len(network.endpoints)
        + functions
        + sum((database.mode == "proxy", vault.where == "transit-gateway", isinstance(vault, VaultHost)))
    )
    most = (free - fixed) * zones // 2
    if app.max_instances > most:
        problem = (
            f"an application subnet of /{subnet.prefixlen} has {free} addresses: {fixed} are in use, and an "
            f"immutable update runs {app.max_instances} instances twice, over {zones} zones"
        )
        remedy = "a larger range" + (f", or app.max_instances up to {most}" if most > 0 else "")
        yield InvalidKey("network.cidr", problem, f"give {remedy}")


RESERVED_ADDRESSES = 5
"""Addresses that AWS reserves in each subnet: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html"""


ADOPTION_CHARACTERS = 3800
"""Limit of all ARNs together: a policy has at most 6,144 characters, the function's variables 4 KB.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
ARN_CHARACTERS = 80
"""A secret's ARN without its name, with quotes, in the region with the longest name."""


def _adoption_fits(name: str, replicator: Replicator) -> Iterator[InvalidKey]:
    """Many secrets are adopted in several deployments: an adopted one no longer needs to be listed."""
    prefix = replicator.prefix or name
    needed = sum(ARN_CHARACTERS + len(f"{prefix}/{each}") for each in replicator.adopt)
    if needed > ADOPTION_CHARACTERS:
        problem = f"{len(replicator.adopt)} names exceed the size of the function's policy"
        remedy = "list fewer, deploy, then list the next: adopted secrets need no entry any more"
        yield InvalidKey("replicator.adopt", problem, remedy)


def _regions_apart(region: str, replicator: Replicator) -> Iterator[InvalidKey]:
    """Replica regions are other regions."""
    for index, replica in enumerate(replicator.replica_regions):
        if replica == region:
            key = f"replicator.replica_regions[{index}]"
            yield InvalidKey(key, f"{replica} is the deployment's own region", "remove it")


def _authorities_known(region: str, database: Database) -> Iterator[InvalidKey]:
    """The bootstrap and the app trust the RDS authorities of the region."""
    if region in WITHOUT_AUTHORITIES and database.ca_file is None:
        url = AUTHORITIES_OF_REGION.format(region=region)
        problem = f"is missing: the RDS authorities of {region} are not in the app's bundle"
        yield InvalidKey("database.ca_file", problem, f"download {url} and give its path")


def _peering_accepted(vault: Any) -> Iterator[InvalidKey]:
    """CloudFormation accepts a peering itself, in another account with a role of that account.

    Without one the creation fails ("cannot accept peering"): https://github.com/aws/aws-cdk/issues/17383,
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/peer-with-vpc-in-another-account.html
    """
    if not isinstance(vault, PeeredVault):
        return
    if vault.account is None:
        if vault.role_arn is not None:
            problem = "is missing: role_arn is the role of another account"
            yield InvalidKey("vault.account", problem, "give that account's number, or remove role_arn")
    elif vault.role_arn is None:
        yield InvalidKey(
            "vault.role_arn",
            f"is missing: CloudFormation can accept the peering in account {vault.account} only with a role "
            "of that account",
            "give a role there that allows ec2:AcceptVpcPeeringConnection, or remove account if it is the "
            "deployment's own",
        )
    elif vault.role_arn.split(":")[4] != vault.account:
        problem = f"is not a role of account {vault.account}"
        yield InvalidKey("vault.role_arn", problem, "give a role of the account that owns the VPC")


def _certificate_region(region: str, domain: Any) -> Iterator[InvalidKey]:
    """A load balancer accepts certificates of its own region only."""
    if isinstance(domain, ExistingCertificate) and domain.certificate_arn.split(":")[3] != region:
        problem = f"the certificate is not in {region}"
        yield InvalidKey("domain.certificate_arn", problem, "import or issue it in the deployment's region")


def _credential_replicated(replicator: Replicator, database: Database) -> Iterator[InvalidKey]:
    """Modes that log in with the replicated secret need its mount replicated."""
    mount = mount_of(database.credential, parse_mounts(replicator.mounts))
    if database.mode != "iam" and mount is None:
        problem = (
            f'no mount contains "{database.credential}", the credential of database.mode "{database.mode}"'
        )
        yield InvalidKey("replicator.mounts", problem, 'add its mount, or set database.mode to "iam"')


def _small_classes(database: Database) -> Iterator[InvalidKey]:
    """Performance Insights is not offered for MySQL on the smallest classes."""
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PerfInsights.Overview.Engines.html
    small = database.instance_class.split(".")[1] in {"t2", "t3", "t4g"} and database.instance_class.endswith(
        (".micro", ".small")
    )
    if database.performance_insights and small:
        problem = f"is not offered on {database.instance_class}"
        yield InvalidKey("database.performance_insights", problem, "set it to false, or give a larger class")


RULES: tuple[tuple[tuple[str, ...], Callable[..., Iterator[InvalidKey]]], ...] = (
    (("network", "vault"), _ranges_apart),
    (("network", "app", "database", "vault"), _addresses_suffice),
    (("name", "replicator"), _adoption_fits),
    (("region", "replicator"), _regions_apart),
    (("region", "database"), _authorities_known),
    (("vault",), _peering_accepted),
    (("region", "domain"), _certificate_region),
    (("replicator", "database"), _credential_replicated),
    (("database",), _small_classes),
)
"""Each rule, after the tables and top-level keys that it relates."""


@dataclass(frozen=True, slots=True)
class ProductionRule:
    """What `production = true` requires of one table."""

    table: str
    key: str
    met: Callable[[Any], bool]
    problem: str
    required: str


PRODUCTION_RULES = (
    ProductionRule(
        "network",
        "network.nat",
        lambda network: network.nat == "per-az",
        "one gateway is a single point of failure",
        'give "per-az"',
    ),
    ProductionRule(
        "domain",
        "domain.certificate",
        lambda domain: not isinstance(domain, SelfSignedCertificate),
        "clients do not trust it",
        'give "issued" or "existing"',
    ),
    ProductionRule(
        "app",
        "app.min_instances",
        lambda app: app.min_instances >= 2,
        "one instance is a single point of failure",
        "give 2 or more",
    ),
    ProductionRule(
        "database",
        "database.multi_az",
        lambda database: database.multi_az,
        "one zone is a single point of failure",
        "give true",
    ),
    ProductionRule(
        "database",
        "database.deletion_protection",
        lambda database: database.deletion_protection,
        "the database can be deleted",
        "give true",
    ),
    ProductionRule(
        "database",
        "database.backup_days",
        lambda database: database.backup_days >= 7,
        "backups are kept for less than a week",
        "give 7 or more",
    ),
    ProductionRule(
        "vault",
        "vault.where",
        lambda vault: not isinstance(vault, VaultHost),
        "the sample host is a single point of failure",
        "connect a Vault cluster of your own",
    ),
    ProductionRule(
        "alerts",
        "alerts",
        lambda alerts: bool(alerts.emails or alerts.webhooks),
        "nobody is notified of a failure",
        "give emails or webhooks",
    ),
    ProductionRule(
        "edge",
        "edge.waf",
        lambda edge: edge.waf,
        "the load balancer is public without a web ACL",
        "give true",
    ),
    ProductionRule(
        "edge",
        "edge.deletion_protection",
        lambda edge: edge.deletion_protection,
        "the load balancer can be deleted",
        "give true",
    ),
    ProductionRule(
        "logs",
        "logs.retention_days",
        lambda logs: logs.retention_days >= 365,
        "logs are kept for less than a year",
        "give 365 or more",
    ),
)


def broken_rules(deployment: Deployment, invalid_tables: AbstractSet[str]) -> Iterator[InvalidKey]:
    """Yield the keys that break a rule; rules that involve an invalid table are not checked."""
    for names, rule in RULES:
        if invalid_tables.isdisjoint(names):
            yield from rule(*(getattr(deployment, name) for name in names))
    if not deployment.production or "production" in invalid_tables:
        return
    for required in PRODUCTION_RULES:
        if required.table not in invalid_tables and not required.met(getattr(deployment, required.table)):
            remedy = f'{required.required}, or set "production" to false'
            yield InvalidKey(required.key, required.problem, remedy)
