"""Monthly cost of a deployment: quantities from its templates, the rest from `beanvault/prices.toml`."""

from __future__ import annotations

from collections.abc import Iterator

from beanvault.prices import ASSUMED, NOTED, PRICES
from scripts.docs.markdown import ROOT, TEXT, code, page, table
from templates.deployment import Deployment
from templates.deployment_file import read
from templates.deployment_sections import VaultHost
from templates.layers import layers_of

APP_METRICS = 11
"""Published by the function, see docs/reference/metrics.md."""

Line = tuple[str, float, str]
"""Description, units per month, name of the price."""


def build() -> str:
    parts = []
    for name in ("dev", "production"):
        deployment = read(ROOT / "config" / f"{name}.toml")
        priced = [
            (what, units, price, units * PRICES[price].dollars)
            for what, units, price in lines(deployment)
            if units
        ]
        rows = [
            (what, f"{units:,.0f}", f"{PRICES[price].dollars:g} per {PRICES[price].unit}", f"{dollars:,.2f}")
            for what, units, price, dollars in sorted(priced, key=lambda line: -line[3])
        ]
        total = sum(dollars for *_, dollars in priced)
        parts += [
            f"## config/{name}.toml: about {round(total, -1):,.0f} US dollars a month",
            table(
                ("what", "units", "price", "US dollars"), [*rows, ("**all**", "", "", f"**{total:,.2f}**")]
            ),
        ]
    assumed = [(code(name), str(value)) for name, value in ASSUMED.items()]
    prices = [
        (code(name), f"{price.dollars:g} per {price.unit}", f"[AWS]({price.page})", price.source)
        for name, price in PRICES.items()
    ]
    return page(
        "Cost",
        "the rendered templates and `beanvault/prices.toml`",
        f"An estimate, noted on {NOTED}. {TEXT['cost']}",
        *parts,
        f"## Assumptions\n\n{TEXT['assumed']}",
        table(("assumed", "value"), assumed),
        f"## Prices\n\n{TEXT['prices']}",
        table(("name", "US dollars", "check at", "taken from"), prices),
    )


def lines(deployment: Deployment) -> Iterator[Line]:
    """Yield the items a deployment is charged for, except for those below a dollar."""
    counted = _counted(deployment)
    hours, zones = _assumed("hours", deployment), deployment.network.availability_zones
    app, database = deployment.app, deployment.database
    yield "Load balancer", hours, "alb"
    yield "Load balancer's use", _assumed("lcu", deployment) * hours, "lcu"
    yield "NAT gateways", counted["AWS::EC2::NatGateway"] * hours, "nat"
    yield "Traffic through NAT", _assumed("nat_gb", deployment), "nat_gb"
    yield "Public addresses", (counted["AWS::EC2::NatGateway"] + zones) * hours, "ipv4"
    yield "Interface endpoints", len(deployment.network.endpoints) * zones * hours, "endpoint"
    yield "Transit gateway", counted.get("AWS::EC2::TransitGatewayAttachment", 0) * hours, "transit"
    yield f"App's instances ({app.instance_types[0]})", app.min_instances * hours, app.instance_types[0]
    yield "Disks of the app's instances", app.min_instances * _assumed("root_gb", deployment), "ebs_gb"
    yield (
        "Metrics of the app's instances",
        app.min_instances * _assumed("instance_metrics", deployment),
        "metric",
    )
    copies = 2 if database.multi_az else 1
    yield f"Database ({database.instance_class})", copies * hours, database.instance_class
    yield "The database's storage", copies * database.storage_gb, "rds_gb"
    if database.backup_plan:
        yield "Backup plan", database.storage_gb, "backup_gb"
    yield "KMS keys", counted["AWS::KMS::Key"], "key"
    # In addition to the replicated ones: the connection secret and the master user's.
    yield "Secrets", _assumed("secrets", deployment) + 2, "secret"
    calls = app.min_instances * _assumed("app_calls_per_hour", deployment) * hours / 10_000
    yield "The app's calls of Secrets Manager", calls, "calls"
    if deployment.edge.waf:
        yield "Web ACL", 1, "acl"
        yield "The web ACL's rules", _rules(deployment), "rule"
    yield "Alarms", counted["AWS::CloudWatch::Alarm"], "alarm"
    yield "The function's metrics", APP_METRICS, "metric"
    yield "Logs", _assumed("log_gb", deployment), "log_gb"
    if isinstance(deployment.vault, VaultHost):
        yield f"Vault host ({deployment.vault.instance_type})", hours, deployment.vault.instance_type
        yield "The Vault host's disks", deployment.vault.storage_gb + 16, "ebs_gb"
        yield "The Vault host's private zone", 1, "zone"


def _counted(deployment: Deployment) -> dict[str, int]:
    counted: dict[str, int] = {}
    for template in layers_of(deployment).values():
        for resource in template.to_dict()["Resources"].values():
            counted[resource["Type"]] = counted.get(resource["Type"], 0) + 1
    return counted


def _rules(deployment: Deployment) -> int:
    return len(layers_of(deployment)["edge"].to_dict()["Resources"]["WebAcl"]["Properties"]["Rules"])


def _assumed(name: str, deployment: Deployment) -> float:
    value = ASSUMED[name]
    return float(value[deployment.production] if isinstance(value, list) else value)
