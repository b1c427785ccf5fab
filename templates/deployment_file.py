"""From a TOML file to a `Deployment`, or to all its mistakes at once."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from replicator.contract.mounts import mount_of, parse_mounts
from templates.deployment import (
    Alerts,
    App,
    Database,
    Deployment,
    Edge,
    ExistingCertificate,
    Logs,
    Network,
    OutsideVault,
    Replicator,
    SelfSignedCertificate,
    VaultHost,
    partition_of,
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One key of a deployment file that has to be changed."""

    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}; {self.remedy}"


class DeploymentFileError(ValueError):
    """A deployment file that can't be deployed; `mistakes` are all that were found, in the file's terms."""

    def __init__(self, source: str, mistakes: Sequence[Mistake]) -> None:
        self.source = source
        self.mistakes = tuple(mistakes)
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__("\n  ".join([f"{source}: {count}", *map(str, mistakes)]))


def read(path: Path) -> Deployment:
    """Return the deployment that the TOML file at *path* describes.

    Raises:
        DeploymentError: naming every mistake, or that the file can't be read or is no TOML.
    """
    try:
        with path.open("rb") as file:
            mapping = tomllib.load(file)
    except OSError as error:
        remedy = "name a file that exists and can be read"
        raise DeploymentFileError(
            str(path), [Mistake("file", error.strerror or str(error), remedy)]
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        remedy = "see https://toml.io for the format"
        raise DeploymentFileError(str(path), [Mistake("file", f"is no TOML: {error}", remedy)]) from None
    return parse(mapping, source=str(path))


def parse(mapping: Mapping[str, Any], source: str = "deployment") -> Deployment:
    """Return the deployment that *mapping*, as TOML gives it, describes.

    A table is held against the others as soon as its own keys are right, also when other tables are wrong.

    Raises:
        DeploymentError: naming every mistake.
    """
    tables = {key: _frozen(value) for key, value in mapping.items()}
    mistakes: list[Mistake] = []
    wrong: set[str] = set()
    try:
        deployment = Deployment.model_validate(tables)
    except ValidationError as error:
        mistakes = [_mistake(entry) for entry in error.errors()]
        wrong = {str(entry["loc"][0]) for entry in error.errors()}
        # The rest is right, and shall be held against each other with something in the wrong tables' place.
        rest = {key: value for key, value in tables.items() if key not in wrong}
        deployment = Deployment.model_validate({**_STAND_INS, **rest})
    for names, check in _CHECKS:
        if wrong.isdisjoint(names):
            mistakes += check(*(getattr(deployment, name) for name in names))
    if mistakes:
        raise DeploymentFileError(source, mistakes)
    return deployment


_STAND_INS: Mapping[str, Any] = {"name": "stand-in", "region": "us-east-1", "vault": {"where": "host"}}
"""For what has no default."""


def _frozen(value: Any) -> Any:
    """Return *value* with tuples for TOML's lists, which strict models don't take for frozen ones."""
    if isinstance(value, Mapping):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _mistake(entry: Any) -> Mistake:
    """Return pydantic's account of a wrong key in the words of the file."""
    location = [part for part in entry["loc"] if part not in _TAGS]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    context = entry.get("ctx", {})
    match entry["type"]:
        case "mistake":
            return Mistake(key, context["problem"], context["remedy"])
        case "extra_forbidden":
            known = _keys_beside(entry["loc"])
            close = difflib.get_close_matches(str(location[-1]), known, n=1)
            remedy = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
            return Mistake(key, "is not known", remedy)
        case "missing":
            return Mistake(key, "is missing", "add it")
        case "union_tag_not_found" | "union_tag_invalid":
            choice = context["discriminator"].strip("'")
            choices = ", ".join(f'"{tag}"' for tag in _variants(key))
            return Mistake(f"{key}.{choice}", "is missing or unknown", f"choose one of {choices}")
        case "literal_error":
            return Mistake(key, f"{entry['input']!r} is none of the choices", f"give {context['expected']}")
        case "greater_than_equal":
            return Mistake(key, f"{entry['input']} is too small", f"give {context['ge']} or more")
        case "less_than_equal":
            return Mistake(key, f"{entry['input']} is too large", f"give {context['le']} or less")
        case "too_short":
            return Mistake(key, "is empty", f"give at least {context['min_length']}")
        case _:
            return Mistake(key, f"{entry['input']!r} is of the wrong type", entry["msg"].lower())


def _variants(table: str) -> dict[str, type[BaseModel]]:
    """Return what a table that is one of several may be, by the value that tells them apart."""
    info = Deployment.model_fields[table]
    tag = str(info.discriminator)
    return {get_args(model.model_fields[tag].annotation)[0]: model for model in get_args(info.annotation)}


_TAGS = {tag for table in ("domain", "vault") for tag in _variants(table)}


def _keys_beside(location: Sequence[int | str]) -> list[str]:
    """Return the keys that are known where an unknown one was found."""
    if len(location) == 1:
        return sorted(Deployment.model_fields)
    table = str(location[0])
    plain = Deployment.model_fields[table].annotation
    model = plain if isinstance(plain, type) else _variants(table)[str(location[1])]
    return sorted(model.model_fields) if issubclass(model, BaseModel) else []


def _ranges_apart(network: Network, vault: Any) -> Iterator[Mistake]:
    """Vault's ranges lie outside of the VPC, and apart from each other."""
    cidrs = () if isinstance(vault, VaultHost) else vault.cidrs
    for index, cidr in enumerate(cidrs):
        if cidr.overlaps(network.cidr):
            problem = f"{cidr} overlaps network.cidr ({network.cidr})"
            yield Mistake(f"vault.cidrs[{index}]", problem, "give ranges outside of this VPC")
        if not isinstance(vault, OutsideVault) and not cidr.is_private:
            yield Mistake(
                f"vault.cidrs[{index}]",
                f"{cidr} is not a private range, so it is not reached by {vault.where}",
                'give private ranges, or set vault.where to "outside"',
            )
        if cidr.prefixlen < 8:
            problem = f"{cidr} is most of the internet"
            yield Mistake(f"vault.cidrs[{index}]", problem, "give the addresses of Vault only")
    for one, other in pairwise(sorted(cidrs)):
        if one.overlaps(other):
            yield Mistake("vault.cidrs", f"{one} and {other} overlap", "leave one of them out")


def _addresses_suffice(network: Network, app: App, database: Database, vault: Any) -> Iterator[Mistake]:
    """Each application subnet has an address for all that lies in it, also during an immutable update."""
    zones = network.availability_zones
    subnet = network.subnets[1][0]
    free = subnet.num_addresses - RESERVED_ADDRESSES
    functions = (
        2  # one network interface a subnet and security group: that of the replicator and the bootstrap
    )
    fixed = (
        len(network.endpoints)
        + functions
        + sum((database.mode == "proxy", vault.where == "transit-gateway", isinstance(vault, VaultHost)))
    )
    most = (free - fixed) * zones // 2
    if app.max_instances > most:
        problem = (
            f"an application subnet of /{subnet.prefixlen} has {free} addresses: {fixed} are taken, and an "
            f"immutable update runs {app.max_instances} instances twice, over {zones} zones"
        )
        remedy = "a larger range" + (f", or app.max_instances up to {most}" if most > 0 else "")
        yield Mistake("network.cidr", problem, f"give {remedy}")


RESERVED_ADDRESSES = 5
"""Of each subnet, by AWS: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html"""


ADOPTION_CHARACTERS = 3800
"""Of all ARNs together: a policy holds 6,144 characters, and the function's variables, with the names, 4 KB.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
ARN_CHARACTERS = 80
"""Of a secret's ARN but its name, with quotes, in the partition and the region with the longest names."""


def _adoption_fits(name: str, replicator: Replicator) -> Iterator[Mistake]:
    """Who adopts many secrets does it in several turns: an adopted one is ours, and needs no naming again."""
    prefix = replicator.prefix or name
    needed = sum(ARN_CHARACTERS + len(f"{prefix}/{each}") for each in replicator.adopt)
    if needed > ADOPTION_CHARACTERS:
        problem = f"{len(replicator.adopt)} names are more than the function's policy can hold"
        remedy = "adopt some of them, then take those out: once adopted they need no naming"
        yield Mistake("replicator.adopt", problem, remedy)


def _regions_apart(region: str, replicator: Replicator) -> Iterator[Mistake]:
    """Replicas go to other regions of the same partition."""
    for index, replica in enumerate(replicator.replica_regions):
        key = f"replicator.replica_regions[{index}]"
        if replica == region:
            yield Mistake(key, f"{replica} is the deployment's own region", "leave it out")
        if partition_of(replica) != partition_of(region):
            yield Mistake(key, f"{replica} is not in the partition of {region}", "give a region that is")


def _arns_fit(region: str, domain: Any) -> Iterator[Mistake]:
    """A load balancer takes certificates of its own region only."""
    if isinstance(domain, ExistingCertificate) and domain.certificate_arn.split(":")[3] != region:
        problem = f"the certificate is not in {region}"
        yield Mistake("domain.certificate_arn", problem, "import or issue it in the deployment's region")


def _credential_replicated(replicator: Replicator, database: Database) -> Iterator[Mistake]:
    """Modes that log in with the replicated secret need its mount replicated."""
    mount = mount_of(database.credential, parse_mounts(replicator.mounts))
    if database.mode != "iam" and mount is None:
        problem = f'none holds "{database.credential}", the credential of database.mode "{database.mode}"'
        yield Mistake("replicator.mounts", problem, 'add its mount, or set database.mode to "iam"')


def _small_classes(database: Database) -> Iterator[Mistake]:
    """Performance Insights is not offered for MySQL on the smallest classes."""
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PerfInsights.Overview.Engines.html
    small = database.instance_class.split(".")[1] in {"t2", "t3", "t4g"} and database.instance_class.endswith(
        (".micro", ".small")
    )
    if database.performance_insights and small:
        problem = f"is not offered on {database.instance_class}"
        yield Mistake("database.performance_insights", problem, "set it to false, or take a larger class")


def _strict_network(production: bool, network: Network) -> Iterator[Mistake]:
    if production and network.nat != "per-az":
        yield Mistake("network.nat", "one gateway is a single point of failure", _production('"per-az"'))


def _strict_domain(production: bool, domain: Any) -> Iterator[Mistake]:
    if production and isinstance(domain, SelfSignedCertificate):
        yield Mistake("domain.certificate", "no browser trusts it", _production('"issued" or "existing"'))


def _strict_app(production: bool, app: App) -> Iterator[Mistake]:
    if production and app.min_instances < 2:
        yield Mistake(
            "app.min_instances", "one instance is a single point of failure", _production("2 or more")
        )


def _strict_database(production: bool, database: Database) -> Iterator[Mistake]:
    if not production:
        return
    if not database.multi_az:
        yield Mistake("database.multi_az", "one zone is a single point of failure", _production("true"))
    if not database.deletion_protection:
        yield Mistake("database.deletion_protection", "the database can be deleted", _production("true"))
    if database.backup_days < 7:
        yield Mistake("database.backup_days", f"{database.backup_days} is short", _production("7 or more"))


def _strict_vault(production: bool, vault: Any) -> Iterator[Mistake]:
    if production and isinstance(vault, VaultHost):
        problem = "the sample host is one machine"
        yield Mistake("vault.where", problem, 'run a cluster of your own, or set "production" to false')


def _strict_alerts(production: bool, alerts: Alerts) -> Iterator[Mistake]:
    if production and not (alerts.emails or alerts.webhooks):
        yield Mistake("alerts", "nobody hears of a failure", _production("emails or webhooks"))


def _strict_edge(production: bool, edge: Edge) -> Iterator[Mistake]:
    if production and not edge.waf:
        yield Mistake("edge.waf", "the page is public without a web ACL", _production("true"))
    if production and not edge.deletion_protection:
        yield Mistake("edge.deletion_protection", "the load balancer can be deleted", _production("true"))


def _strict_logs(production: bool, logs: Logs) -> Iterator[Mistake]:
    if production and logs.retention_days < 365:
        yield Mistake("logs.retention_days", f"{logs.retention_days} is short", _production("365 or more"))


def _production(right: str) -> str:
    return f'give {right}, or set "production" to false'


_CHECKS: tuple[tuple[tuple[str, ...], Callable[..., Iterator[Mistake]]], ...] = (
    (("network", "vault"), _ranges_apart),
    (("network", "app", "database", "vault"), _addresses_suffice),
    (("name", "replicator"), _adoption_fits),
    (("region", "replicator"), _regions_apart),
    (("region", "domain"), _arns_fit),
    (("replicator", "database"), _credential_replicated),
    (("database",), _small_classes),
    (("production", "network"), _strict_network),
    (("production", "domain"), _strict_domain),
    (("production", "app"), _strict_app),
    (("production", "database"), _strict_database),
    (("production", "vault"), _strict_vault),
    (("production", "alerts"), _strict_alerts),
    (("production", "edge"), _strict_edge),
    (("production", "logs"), _strict_logs),
)
