"""Story of beanvault/deployment/failed_creation.py, beanvault/deployment/leftovers.py and
beanvault/deployment/doctor/leftovers.py.

The creation of resource after resource fails once, and `deploy` is run again.

The layers are created one after the other. In a layer, each resource in turn fails to be created, in the order in
which CloudFormation creates them. Each run first deletes what the failure before it left, and then creates again
all that had existed; the last run creates the layer. The tests are one story, told in order.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from beanvault.cloudformation.stack import StackError, StackOutcome
from beanvault.deployment.deploy import deploy
from templates.layers import LAYERS
from testbed.localaws.cloudformation.template import ordered
from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws
from testbed.servers.mariadb import MariaDB
from tests.project import ROOT

from .test_life_of_a_deployment import Account, _present

WHY = "Service limit exceeded"
WHOLE = frozenset({"keys", "storage", "data", "edge", "vault"})
"""The layers with what is protected or kept: each of their resources fails."""
COSTLY = frozenset(
    {
        "AWS::EC2::EIP",
        "AWS::EC2::NatGateway",
        "AWS::EC2::TransitGatewayAttachment",
        "AWS::EC2::VPCEndpoint",
        "AWS::ElasticBeanstalk::Environment",
        "AWS::Logs::LogGroup",
        "AWS::SecretsManager::Secret",
    }
)
"""Of the other layers, which take minutes: the last resource of each of these types, which cost money or are
kept, and the last one of all."""


@dataclass
class Sweep:
    account: Account
    name: str
    failures: Counter[str] = field(default_factory=Counter)
    """By layer."""
    left: dict[str, Counter[str]] = field(default_factory=dict)
    """What the roll-backs left until the next run, by layer: types, with the number of failures."""

    def stack_leftovers(self, stack: str) -> set[str]:
        """Return the types that a rolled back stack did not delete, and snapshots of those it did."""
        pages = self.account.client("cloudformation").get_paginator("list_stack_resources")
        resources = [r for page in pages.paginate(StackName=stack) for r in page["StackResourceSummaries"]]
        snapshots = self.account.client("rds").describe_db_snapshots(
            DBInstanceIdentifier=self.account.deployment(self.name).database_identifier, SnapshotType="manual"
        )["DBSnapshots"]
        kept = {
            r["ResourceType"] for r in resources if r["ResourceStatus"] in ("DELETE_FAILED", "DELETE_SKIPPED")
        }
        return kept | {"snapshot of the database" for _ in snapshots}

    def keys(self) -> Counter[str]:
        """Return the states of all KMS keys."""
        kms = self.account.client("kms")
        found = [key["KeyId"] for page in kms.get_paginator("list_keys").paginate() for key in page["Keys"]]
        return Counter(kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] for key in found)


@pytest.fixture(scope="module", params=["production", "dev"])
def sweep(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    authority: Authority,
    mariadb: MariaDB,
) -> Iterator[Sweep]:
    aws = LocalAws.start(tmp_path_factory.mktemp(request.param), mariadb)
    try:
        file: dict[str, Any] = tomllib.loads((ROOT / "config" / f"{request.param}.toml").read_text())
        file["name"] = f"sweep-{request.param[:4]}"
        file["database"] |= {"port": mariadb.port, "ca_file": str(authority.ca_file)}
        if request.param == "production":
            gateway = aws.client("ec2").create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
            zone = aws.client("route53").create_hosted_zone(Name="example.com", CallerReference="sweep")
            file["vault"]["transit_gateway_id"] = gateway
            file["domain"]["hosted_zone_id"] = zone["HostedZone"]["Id"].rpartition("/")[2]
        yield Sweep(Account(aws, {file["name"]: file}), file["name"])
    finally:
        aws.stop()


def _to_fail(layer: str, resources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the logical ids of what fails, in the order of creation."""
    names = ordered(resources)
    if layer in WHOLE:
        return names
    last = {resources[name]["Type"]: name for name in names if resources[name]["Type"] in COSTLY}
    return [name for name in names if name in last.values() or name == names[-1]]


def test_each_creation_can_fail_and_be_repeated(sweep: Sweep) -> None:
    deployment = sweep.account.deployment(sweep.name)
    work = sweep.account.work(deployment)
    import time

    for layer in LAYERS:
        resources = LAYERS[layer](deployment).to_dict().get("Resources", {})
        stack, left, before = (
            deployment.stack_name(layer),
            Counter[str](),
            _present(sweep.account, sweep.name),
        )
        t = time.time()
        for logical_id in _to_fail(layer, resources):
            sweep.account.aws.fail_once(stack, logical_id, "create", WHY)
            with pytest.raises(StackError, match=f"{logical_id} .*{WHY}"):
                deploy(work, [layer])
            sweep.failures[layer] += 1
            left.update(sweep.stack_leftovers(stack))
        sweep.left[layer] = left
        print(
            layer,
            sweep.failures[layer],
            round(time.time() - t, 1),
            dict(left),
            _present(sweep.account, sweep.name) - before,
        )
        t = time.time()
        if resources:
            (result,) = deploy(work, [layer])
            assert result.outcome is StackOutcome.CREATED
        print("   ", round(time.time() - t, 1))
    print(sweep.keys())
