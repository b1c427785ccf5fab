"""Story of beanvault/deployment/doctor/versions.py and beanvault/deployment/doctor/zones.py.

What AWS offers, asked of the local AWS: everything that the two configurations use, and what it doesn't have.
"""

from __future__ import annotations

from typing import Any

import pytest

from beanvault.aws import Aws
from beanvault.deployment.doctor.result import PreflightResult, Verdict
from beanvault.deployment.doctor.versions import VERSION_CHECKS
from beanvault.deployment.doctor.zones import ZONE_CHECKS
from templates.deployment import Deployment
from templates.deployment_file import parse, read
from testbed.servers.localaws import REGION, LocalAws
from tests.project import ROOT

TWO_ZONES = "us-west-1"


@pytest.fixture
def aws(local_aws: LocalAws) -> Aws:
    return Aws(local_aws.session(), local_aws.endpoint)


def _results(deployment: Deployment, aws: Aws) -> dict[str, PreflightResult]:
    return {
        result.check: result
        for _, check in (*ZONE_CHECKS, *VERSION_CHECKS)
        for result in check(deployment, aws)
    }


def _file(**tables: Any) -> Deployment:
    return parse({"name": "shop", "region": REGION, "vault": {"where": "host"}, **tables})


@pytest.mark.parametrize("name", ["dev", "production"])
def test_all_that_a_deployment_uses_is_offered(aws: Aws, name: str) -> None:
    found = _results(read(ROOT / "config" / f"{name}.toml"), aws)
    assert {
        check: result.detail for check, result in found.items() if result.verdict is not Verdict.GOOD
    } == {}
    assert len(found) == len(ZONE_CHECKS) + len(VERSION_CHECKS)


def test_a_region_with_two_zones_is_too_small_for_three(local_aws: LocalAws) -> None:
    west = Aws(local_aws.session(TWO_ZONES), local_aws.endpoint)
    three = _file(region=TWO_ZONES, network={"availability_zones": 3})
    found = _results(three, west)
    assert found["zones"].verdict is Verdict.BAD
    assert "us-west-1a, us-west-1" in found["zones"].detail
    assert found["zones"].remedy == "set it to 2, or choose another region"
    two = _results(_file(region=TWO_ZONES, network={"availability_zones": 2}), west)
    assert two["zones"].verdict is Verdict.GOOD


def test_the_smallest_class_is_not_everywhere(local_aws: LocalAws) -> None:
    there = Aws(local_aws.session("ca-west-1"), local_aws.endpoint)
    deployment = _file(region="ca-west-1", database={"ca_file": "authorities.pem"})
    found = _results(deployment, there)["instance class"]
    assert found.verdict is Verdict.BAD
    assert "db.t4g.micro" in found.detail
    assert "--region ca-west-1" in found.remedy


def test_the_series_of_the_file_is_asked_for(aws: Aws) -> None:
    found = _results(_file(database={"engine_version": "9.7"}), aws)
    assert "MySQL 9.7" in found["database engine"].detail
    assert "MySQL 9.7." in found["instance class"].detail


@pytest.mark.parametrize(
    ("tables", "check", "verdict"),
    [
        (
            {"app": {"platform": "Python 3.11 running on 64bit Amazon Linux 2023"}},
            "platform",
            Verdict.WARNING,
        ),
        ({"app": {"platform": "Python 3.9 running on 64bit Amazon Linux 2023"}}, "platform", Verdict.BAD),
        ({"app": {"platform": "Python 3.2 running on 64bit Amazon Linux 2023"}}, "platform", Verdict.BAD),
        ({"app": {"instance_types": ["q9.enormous"]}}, "instance types", Verdict.BAD),
        ({"database": {"instance_class": "db.m9q.large"}}, "instance class", Verdict.BAD),
        ({"database": {"instance_class": "db.m8g.large"}}, "instance class", Verdict.GOOD),
        ({"database": {"instance_class": "db.m8g.large", "multi_az": True}}, "instance class", Verdict.BAD),
    ],
)
def test_what_is_not_offered_is_said_with_a_remedy(
    aws: Aws, tables: dict[str, Any], check: str, verdict: Verdict
) -> None:
    """The class m8g is offered in one of the two zones: enough for one database, not for a standby."""
    found = _results(_file(**tables), aws)[check]
    assert (found.verdict, bool(found.remedy)) == (verdict, verdict is not Verdict.GOOD), found.detail
