"""Story of templates/ and beanvault/deployment/ordering.py.

`templates.layers`: the changes of a deployment file that CloudFormation can apply to existing stacks.

For each pair of renders: no export that stays imported gets another value, no resource with a fixed name or
with data is replaced, no resource is created that exists under another logical id, and there is an order in
which exports can be added and removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from beanvault.cloudformation.changes import HOLDS_DATA
from beanvault.deployment.ordering import StackDependencies, deployment_order
from templates.deployment_file import parse
from templates.layers import LAYERS

REGION = "eu-central-1"
PEERED = {"where": "peering", "vpc_id": "vpc-0123456789abcdef0"}
TRANSIT = {"where": "transit-gateway", "transit_gateway_id": "tgw-0123456789abcdef0"}
VPN = {"where": "vpn", "gateway_address": "9.9.9.9"}
ARN = f"arn:aws:acm:{REGION}:123456789012:certificate/0b1c2d3e-000"
NAME = {"name": "app.example.com"}
OWN = {"certificate": "self-signed", **NAME}
ISSUED = {"certificate": "issued", "hosted_zone_id": "Z0123456789ABCDEFGHIJ", **NAME}
BRANCH = "Python 3.{} running on 64bit Amazon Linux 2023"

Tables = Mapping[str, Mapping[str, Any]]


def _vault(where: Mapping[str, Any], *cidrs: str) -> Tables:
    return {"vault": {**where, "cidrs": cidrs}}


# Each is applied in both directions.
CHANGES: Mapping[str, tuple[Tables, Tables]] = {
    "one more zone": ({"network": {"availability_zones": 2}}, {"network": {"availability_zones": 3}}),
    "one more zone with a proxy": (
        {"network": {"availability_zones": 2}, "database": {"mode": "proxy"}},
        {"network": {"availability_zones": 3}, "database": {"mode": "proxy"}},
    ),
    "a gateway in each zone": ({"network": {"nat": "single"}}, {"network": {"nat": "per-az"}}),
    "endpoints": ({}, {"network": {"endpoints": ["kms", "secretsmanager", "sns", "sts", "events"]}}),
    "a proxy": ({"database": {"mode": "secret"}}, {"database": {"mode": "proxy"}}),
    "IAM instead of the secret": ({"database": {"mode": "secret"}}, {"database": {"mode": "iam"}}),
    "IAM instead of a proxy": ({"database": {"mode": "proxy"}}, {"database": {"mode": "iam"}}),
    "the database's port": ({"database": {"port": 3307}}, {"database": {"port": 3310}}),
    "the next release series": ({}, {"database": {"engine_version": "9.7"}}),
    "a larger database": (
        {},
        {"database": {"instance_class": "db.m7g.large", "multi_az": True, "max_storage_gb": 100}},
    ),
    "backups and protection": (
        {"database": {"backup_plan": False, "deletion_protection": False}},
        {"database": {"backup_plan": True, "deletion_protection": True, "backup_days": 30}},
    ),
    "the platform": (
        {"app": {"platform": BRANCH.format(14)}},
        {"app": {"platform": BRANCH.format(15)}},
    ),
    "other instances": (
        {},
        {"app": {"instance_types": ["m7i.large", "t3.small"], "min_instances": 3, "max_instances": 9}},
    ),
    "ACM's certificate instead of an own one": ({"domain": OWN}, {"domain": ISSUED}),
    "an imported certificate": (
        {"domain": {"certificate": "existing", "certificate_arn": ARN + "1", **NAME}},
        {"domain": {"certificate": "existing", "certificate_arn": ARN + "2", **NAME}},
    ),
    "ACM's certificate instead of an imported one": (
        {"domain": {"certificate": "existing", "certificate_arn": ARN + "1", **NAME}},
        {"domain": ISSUED},
    ),
    "one more range of clients": (
        {"edge": {"allow_from": ["192.0.2.0/24"]}},
        {"edge": {"allow_from": ["198.51.100.0/24", "192.0.2.0/24"]}},
    ),
    "a web ACL": ({"edge": {"waf": False}}, {"edge": {"waf": True}}),
    "Vault's second range, outside": (
        _vault({"where": "outside"}, "192.0.2.0/24"),
        _vault({"where": "outside"}, "198.51.100.0/24", "192.0.2.0/24"),
    ),
    "Vault's second range, peered": (
        _vault(PEERED, "10.90.0.0/24"),
        _vault(PEERED, "10.91.0.0/24", "10.90.0.0/24"),
    ),
    "Vault's second range behind a VPN": (
        _vault(VPN, "10.90.0.0/24"),
        _vault(VPN, "10.91.0.0/24", "10.90.0.0/24"),
    ),
    "a transit gateway instead of a peering": (
        _vault(PEERED, "10.90.0.0/24"),
        _vault(TRANSIT, "10.90.0.0/24"),
    ),
    "the sample host": (_vault({"where": "outside"}, "192.0.2.0/24"), {"vault": {"where": "host"}}),
    "Vault's port": ({"vault": {"where": "host"}}, {"vault": {"where": "host", "port": 8300}}),
    "another schedule, more mail": (
        {},
        {
            "replicator": {"schedule": "rate(10 minutes)", "memory_mb": 1024, "key_aliases": ["alias/team"]},
            "alerts": {"emails": ["ops@example.com"], "webhooks": ["https://hooks.example.com/1"]},
            "logs": {"retention_days": 30},
        },
    ),
}

Rendered = Mapping[str, Any]


def _layers(tables: Tables) -> dict[str, Rendered]:
    base: dict[str, Any] = {"name": "shop", "region": REGION, **_vault({"where": "outside"}, "192.0.2.0/24")}
    deployment = parse({**base, **tables})
    return {layer: json.loads(build(deployment).to_json()) for layer, build in LAYERS.items()}


@pytest.fixture(params=[(name, back) for name in CHANGES for back in (False, True)], ids=str)
def pair(request: pytest.FixtureRequest) -> tuple[dict[str, Rendered], dict[str, Rendered]]:
    """The layers before and after a change."""
    name, back = request.param
    one, other = map(_layers, CHANGES[name])
    return (other, one) if back else (one, other)


def _imports(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(name := value.get("Fn::ImportValue"), str):
            yield name
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _imports(inner)


def _exports(template: Rendered) -> dict[str, Any]:
    return {output["Export"]["Name"]: output["Value"] for output in template.get("Outputs", {}).values()}


def _sides(layers: Mapping[str, Rendered]) -> dict[str, StackDependencies]:
    return {
        layer: StackDependencies(frozenset(_exports(template)), frozenset(_imports(template["Resources"])))
        for layer, template in layers.items()
    }


def _schema(kind: str) -> Mapping[str, Any]:
    if kind.startswith("Custom::"):
        kind = "AWS::CloudFormation::CustomResource"
    schema: Mapping[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    return schema


def _at(properties: Any, pointer: str) -> Any:
    for step in pointer.removeprefix("/properties/").split("/"):
        properties = properties.get(step) if isinstance(properties, dict) else None
    return properties


def _fixed(resource: Rendered) -> dict[str, Any]:
    """Return the properties that cannot change without replacing the resource."""
    pointers = _schema(resource["Type"]).get("createOnlyProperties", ())
    fixed = {pointer: _at(resource.get("Properties", {}), pointer) for pointer in pointers}
    return {"Type": resource["Type"], **fixed}


def _name(resource: Rendered) -> tuple[str, ...]:
    """Return the name that the template gives a resource; empty where AWS generates one."""
    pointers = _schema(resource["Type"])["primaryIdentifier"]
    found = [_at(resource.get("Properties", {}), pointer) for pointer in pointers]
    return tuple(map(str, found)) if all(isinstance(part, str) for part in found) else ()


def _replaced(before: Rendered, after: Rendered) -> set[str]:
    """Return the logical ids of a layer's resources that CloudFormation would replace."""
    was, now = before["Resources"], after["Resources"]
    return {title for title in was.keys() & now.keys() if _fixed(was[title]) != _fixed(now[title])}


def test_an_export_that_stays_imported_keeps_its_value(
    pair: tuple[dict[str, Rendered], dict[str, Rendered]],
) -> None:
    before, after = pair
    used = {name for layer in after.values() for name in _imports(layer["Resources"])}
    used |= {name for layer in before.values() for name in _imports(layer["Resources"])}
    for layer in LAYERS:
        was, now = _exports(before[layer]), _exports(after[layer])
        for name in used & was.keys() & now.keys():
            assert was[name] == now[name], name
            (reference,) = now[name].values()
            title = reference[0] if isinstance(reference, list) else reference
            assert title not in _replaced(before[layer], after[layer]), name


def test_no_resource_with_a_fixed_name_or_with_data_is_replaced(
    pair: tuple[dict[str, Rendered], dict[str, Rendered]],
) -> None:
    before, after = pair
    for layer in LAYERS:
        for title in _replaced(before[layer], after[layer]):
            was, now = before[layer]["Resources"][title], after[layer]["Resources"][title]
            assert now["Type"] not in HOLDS_DATA, title
            assert not _name(now) or _name(now) != _name(was), f"{title}: {_name(now)} is taken"


ONCE = {
    "AWS::EC2::Route": ("RouteTableId", "DestinationCidrBlock"),
    "AWS::EC2::VPNConnectionRoute": ("VpnConnectionId", "DestinationCidrBlock"),
    "AWS::EC2::SecurityGroupEgress": (
        "GroupId",
        "DestinationSecurityGroupId",
        "CidrIp",
        "DestinationPrefixListId",
        "FromPort",
        "ToPort",
    ),
    "AWS::EC2::SecurityGroupIngress": ("GroupId", "SourceSecurityGroupId", "CidrIp", "FromPort", "ToPort"),
}
"""By type, the properties that together may exist only once in EC2."""


def _taken(resource: Rendered) -> str:
    """Return the identity that no other resource can have at the same time; empty where there is none."""
    if keys := ONCE.get(resource["Type"]):
        return json.dumps([resource["Type"], *(resource["Properties"].get(key) for key in keys)])
    name = _name(resource)
    return json.dumps([resource["Type"], *name]) if name else ""


def test_no_resource_is_created_that_exists_under_another_id(
    pair: tuple[dict[str, Rendered], dict[str, Rendered]],
) -> None:
    """CloudFormation creates before it deletes."""
    before, after = pair
    for layer in LAYERS:
        was = {_taken(resource): title for title, resource in before[layer]["Resources"].items()}
        for title, resource in after[layer]["Resources"].items():
            taken = _taken(resource)
            assert not taken or was.get(taken, title) == title, taken


def test_there_is_an_order_of_deployment(pair: tuple[dict[str, Rendered], dict[str, Rendered]]) -> None:
    """A stack that imports a removed export is updated before its removal; a removed layer goes first."""
    before, after = map(_sides, pair)
    left_out = {layer for layer, template in pair[1].items() if not template["Resources"]}
    existing = {layer: sides for layer, sides in before.items() if layer not in left_out}
    desired = {layer: sides for layer, sides in after.items() if layer not in left_out}
    assert set(deployment_order(existing, desired)) == set(desired)


def test_the_database_stays_reachable_while_a_proxy_is_added_or_removed() -> None:
    """Its ingress rules belong to the layer that needs them, so that the environment switches in between."""
    direct, proxied = (_layers({"database": {"mode": mode}}) for mode in ("secret", "proxy"))
    (on, off) = (_sides(direct), _sides(proxied))
    coming, going = deployment_order(on, off), deployment_order(off, on)
    assert coming.index("data") < coming.index("environment")
    assert going.index("environment") < going.index("data")
    for layers, layer, rules in (
        (direct, "environment", {"InstanceToDatabaseIngress"}),
        (proxied, "data", {"InstanceToProxyIngress", "ProxyToDatabaseIngress"}),
    ):
        assert rules <= layers[layer]["Resources"].keys()
    environment = direct["environment"]["Resources"]["Environment"]
    assert {"InstanceToDatabaseIngress"} <= set(environment["DependsOn"])


@pytest.mark.parametrize(
    ("kind", "name", "fixed"),
    [
        ("AWS::ElasticBeanstalk::Environment", "EnvironmentName", "SolutionStackName"),
        ("AWS::RDS::DBProxy", "DBProxyName", "VpcSubnetIds"),
    ],
)
def test_a_change_that_replaces_is_detected(kind: str, name: str, fixed: str) -> None:
    """A negative control: these have fixed names, and these properties cannot change."""
    was = {"Type": kind, "Properties": {name: "shop-app", fixed: "one"}}
    now = {"Type": kind, "Properties": {name: "shop-app", fixed: "other"}}
    assert _replaced({"Resources": {"It": was}}, {"Resources": {"It": now}}) == {"It"}
    assert _name(now)
