"""Story of beanvault/deployment/deploy.py, beanvault/deployment/availability_zones.py and
beanvault/deployment/platform_version.py.

What AWS doesn't offer is refused before anything is created, on the local AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from beanvault.aws import Aws
from beanvault.deployment.availability_zones import TooFewZones
from beanvault.deployment.deploy import deploy
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.deployment.parameters import values
from beanvault.deployment.platform_version import NoPlatformVersion
from beanvault.ui import NullUi
from templates.deployment_file import parse
from testbed.servers.localaws import LocalAws
from tests.project import ROOT

TWO_ZONES = "us-west-1"


def _context(local_aws: LocalAws, name: str, tables: Mapping[str, Any]) -> DeploymentContext:
    file = parse({"name": name, "region": TWO_ZONES, "vault": {"where": "host"}, **tables})
    return DeploymentContext(
        file, Aws(local_aws.session(TWO_ZONES), local_aws.endpoint), NullUi(agrees=True), ROOT
    )


@pytest.mark.parametrize("plan_only", [False, True])
@pytest.mark.parametrize(
    ("tables", "error"),
    [
        ({"network": {"availability_zones": 3}}, TooFewZones),
        ({"app": {"platform": "Python 3.9 running on 64bit Amazon Linux 2023"}}, NoPlatformVersion),
    ],
)
def test_it_is_refused_before_anything_is_created(
    local_aws: LocalAws, tables: Mapping[str, Any], error: type[Exception], plan_only: bool
) -> None:
    context = _context(local_aws, "refused", tables)
    with pytest.raises(error, match="nothing was changed"):
        deploy(context, plan_only=plan_only)
    assert context.aws.client("cloudformation").describe_stacks()["Stacks"] == []
    assert (
        local_aws.client("s3", TWO_ZONES).list_buckets(Prefix=f"elasticbeanstalk-{TWO_ZONES}")["Buckets"]
        == []
    )


def test_zones_are_the_same_at_each_call_although_ec2_lists_them_in_another_order(
    local_aws: LocalAws,
) -> None:
    ec2 = local_aws.client("ec2", TWO_ZONES)
    shown = {
        tuple(zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"])
        for _ in range(3)
    }
    assert len(shown) > 1
    context = _context(local_aws, "zones", {"network": {"availability_zones": 2}})
    names = ("AvailabilityZone0", "AvailabilityZone1")
    chosen = {tuple(values(context, names, plan_only=False).values()) for _ in range(3)}
    ((first, second),) = chosen
    assert (first, second) == tuple(sorted((first, second)))
    assert {first, second} < set(shown.pop())  # which has a Local Zone, too
