"""Story of beanvault/deployment/failed_creation.py, beanvault/deployment/leftovers.py and
beanvault/deployment/doctor/leftovers.py.

The creation of resource after resource fails once, and `deploy` is run again.

The layers are created one after the other. In a layer, each resource in turn fails, in the order in which
CloudFormation creates them. Each run first deletes what the failure before it left, and then creates again
all that had existed; the last run creates the layer. The tests are one story, told in order.

`BEANVAULT_SWEEP=whole` has every resource of every layer fail, which takes ten minutes for both files.
"""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from beanvault.cloudformation.stack import StackError, StackOutcome
from beanvault.cloudformation.stacks import Stacks
from beanvault.deployment.deploy import deploy
from beanvault.deployment.doctor.leftovers import check_leftovers
from beanvault.deployment.doctor.result import Verdict
from beanvault.errors import Refused
from beanvault.teardown.destroy import destroy
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
EVERY_RESOURCE = os.environ.get("BEANVAULT_SWEEP") == "whole"


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
        """Return the states of the deployment's KMS keys; AWS's services have keys of their own."""
        kms = self.account.client("kms")
        found = [key["KeyId"] for page in kms.get_paginator("list_keys").paginate() for key in page["Keys"]]
        keys = [kms.describe_key(KeyId=key)["KeyMetadata"] for key in found]
        return Counter(k["KeyState"] for k in keys if k["Description"].startswith(f"beanvault {self.name}:"))


@pytest.fixture(scope="module", params=["production", "dev"])
def sweep(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    authority: Authority,
    mariadb: MariaDB,
) -> Iterator[Sweep]:
    # The trial has the sample Vault host, whose stack waits for its signal.
    aws = LocalAws.start(tmp_path_factory.mktemp(request.param), mariadb, instances=request.param == "dev")
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
    if EVERY_RESOURCE or layer in WHOLE:
        return names
    last = {resources[name]["Type"]: name for name in names if resources[name]["Type"] in COSTLY}
    return [name for name in names if name in last.values() or name == names[-1]]


def test_each_creation_can_fail_and_be_repeated(
    sweep: Sweep, record_property: Callable[[str, object], None]
) -> None:
    deployment = sweep.account.deployment(sweep.name)
    work = sweep.account.work(deployment)
    for layer in LAYERS:
        resources = LAYERS[layer](deployment).to_dict().get("Resources", {})
        stack = deployment.stack_name(layer)
        for logical_id in _to_fail(layer, resources):
            sweep.account.aws.fail_once(stack, logical_id, "create", WHY)
            with pytest.raises(StackError, match=f"{logical_id} .*{WHY}"):
                deploy(work, [layer])
            sweep.failures[layer] += 1
            sweep.left.setdefault(layer, Counter()).update(sweep.stack_leftovers(stack))
        if resources:
            (result,) = deploy(work, [layer])
            assert result.outcome is StackOutcome.CREATED
    for layer, count in sweep.failures.items():
        left = ", ".join(f"{kind} {times}x" for kind, times in sweep.left[layer].items()) or "nothing"
        record_property(f"{sweep.name}, failures of {layer}", f"{count}; left until the next run: {left}")


LEFT_BY_PROTECTION = {
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBParameterGroup",
    "AWS::RDS::DBSubnetGroup",
    "AWS::RDS::OptionGroup",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
}


def test_only_what_is_protected_or_a_snapshot_outlives_a_roll_back(sweep: Sweep) -> None:
    """The roll-back can't delete a protected database, nor the groups that it or its snapshot uses."""
    left = {kind for kinds in sweep.left.values() for kind in kinds}
    allowed = LEFT_BY_PROTECTION if sweep.name.endswith("prod") else {"AWS::RDS::OptionGroup"}
    assert left - {"snapshot of the database", "AWS::S3::Bucket"} == allowed


def test_nothing_is_left_once_the_creations_succeeded(sweep: Sweep) -> None:
    """There is as much of each kind as the templates have, and keys scheduled for deletion cost nothing."""
    declared = Counter(
        resource["Type"]
        for build in LAYERS.values()
        for resource in build(sweep.account.deployment(sweep.name)).to_dict().get("Resources", {}).values()
    )
    present = _present(sweep.account, sweep.name)
    counted = {kind: sum(entry.startswith(prefix) for entry in present) for prefix, kind in KINDS.items()}
    assert counted == {kind: declared[kind] for kind in KINDS.values()}
    assert {entry for entry in present if entry.startswith("rds: ") and "snapshot" in entry} == set()
    states = sweep.keys()
    assert states["Enabled"] == declared["AWS::KMS::Key"]
    assert states["PendingDeletion"] > 0


KINDS = {
    "ec2: eipalloc-": "AWS::EC2::EIP",
    "ec2: nat-": "AWS::EC2::NatGateway",
    "ec2: vpce-": "AWS::EC2::VPCEndpoint",
    "elbv2: ": "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "logs: ": "AWS::Logs::LogGroup",
}
"""By how `_present` names it."""


RECREATED = ("keys", "network", "storage", "data", "replicator", "edge")


@pytest.mark.parametrize("sweep", ["production"], indirect=True)
def test_a_destroyed_production_deployment_is_created_again(sweep: Sweep) -> None:
    """Its log groups are taken over with their content; what can't be is named before anything is created."""
    logs = sweep.account.client("logs")
    group = f"/aws/rds/instance/{sweep.name}-database/audit"
    logs.create_log_stream(logGroupName=group, logStreamName="before")
    work = sweep.account.work(sweep.account.deployment(sweep.name), accepts_loss=True)
    destroy(work)
    secret = f"{sweep.name}-connection"
    found = list(check_leftovers(work.deployment, work.aws))
    command = (
        f"aws secretsmanager delete-secret --secret-id {secret} --force-delete-without-recovery "
        f"--region {work.deployment.region}"
    )
    assert [(each.verdict, each.remedy.rpartition("any more: ")[2]) for each in found] == [
        (Verdict.BAD, command),
        (Verdict.GOOD, ""),
    ]
    with pytest.raises(Refused, match=f"no layer was deployed: {secret} .*elasticbeanstalk-") as error:
        deploy(work, RECREATED)
    assert 'beanstalk_bucket = "existing"' in error.value.remedy
    sweep.account.client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    again = sweep.account.deployment(sweep.name, {"storage": {"beanstalk_bucket": "existing"}})
    sweep.account.aws.fail_once(f"{sweep.name}-data", "DatabaseBootstrap", "create", WHY)
    with pytest.raises(StackError, match=WHY):
        deploy(sweep.account.work(again), RECREATED)
    results = deploy(sweep.account.work(again), RECREATED)
    assert [result.outcome for result in results][-3:] == [StackOutcome.CREATED] * 3
    (kept,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert "before" in [stream["logStreamName"] for stream in streams]
    key = sweep.account.client("kms").describe_key(KeyId=f"alias/{sweep.name}-data")["KeyMetadata"]["Arn"]
    assert (kept["kmsKeyId"], kept["retentionInDays"]) == (key, again.logs.retention_days)
    declared = Stacks(work.aws.client("cloudformation"), work.ui).template(f"{sweep.name}-data")
    assert declared["Resources"]["AuditLogGroup"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert {r.outcome for r in deploy(sweep.account.work(again), RECREATED)} == {StackOutcome.UNCHANGED}
