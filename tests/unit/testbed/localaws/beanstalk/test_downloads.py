"""`testbed.localaws.beanstalk.downloads`: the endpoint's policy decides whether an instance can be set up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from templates.network_layer import build
from templates.regions import REGIONS
from testbed.localaws.beanstalk.downloads import DownloadRefused, check_downloads, required_buckets
from testbed.localaws.moto_client import client
from tests.unit.templates.eb_cli_buckets import env_resources_buckets
from tests.unit.templates.test_regions import in_region

ACCOUNT = "123456789012"
ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/instances/i-1"


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def rendered_policy(region: str) -> Any:
    """Return the policy of the network layer's S3 endpoint, as CloudFormation would pass it to EC2."""
    endpoint = json.loads(build(in_region(region)).to_json())["Resources"]["S3Endpoint"]["Properties"]

    def resolved(value: Any) -> Any:
        match value:
            case {"Fn::Sub": str() as text}:
                return text.replace("${AWS::Partition}", "aws").replace("${AWS::Region}", region)
            case {"Ref": "AWS::AccountId"}:
                return ACCOUNT
            case dict():
                return {key: resolved(item) for key, item in value.items()}
            case list():
                return [resolved(item) for item in value]
        return value

    return resolved(endpoint["PolicyDocument"])


def vpc_with(region: str, policy: Any) -> str:
    """Return a VPC whose S3 endpoint has the policy."""
    ec2 = client("ec2", region)
    vpc = str(ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"])
    ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{region}.s3", PolicyDocument=json.dumps(policy)
    )
    return vpc


@pytest.mark.usefixtures("aws")
def test_the_network_layers_policy_lets_an_instance_be_set_up() -> None:
    """In every region that a deployment file accepts."""
    for region in sorted(REGIONS):
        vpc = vpc_with(region, rendered_policy(region))
        check_downloads(region, ACCOUNT, vpc, ROLE, f"elasticbeanstalk-{region}-{ACCOUNT}")


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("missing", ["-????????/*", "al2023-repos-"])
def test_a_policy_without_one_of_the_buckets_is_refused_by_its_name(missing: str) -> None:
    policy = rendered_policy("me-central-1")
    for statement in policy["Statement"]:
        statement["Resource"] = [each for each in statement["Resource"] if missing not in each]
    with pytest.raises(DownloadRefused, match=r"s3:GetObject from (elasticbeanstalk-platform|al2023-repos)"):
        check_downloads("me-central-1", ACCOUNT, vpc_with("me-central-1", policy), ROLE, None)


@pytest.mark.usefixtures("aws")
def test_a_role_of_another_account_can_not_read_a_bundle() -> None:
    vpc = vpc_with("eu-central-1", rendered_policy("eu-central-1"))
    foreign = ROLE.replace(ACCOUNT, "210987654321")
    with pytest.raises(DownloadRefused, match="from theirs"):
        check_downloads("eu-central-1", ACCOUNT, vpc, foreign, "theirs")


@pytest.mark.usefixtures("aws")
def test_without_an_endpoint_there_is_no_policy() -> None:
    check_downloads("eu-central-1", ACCOUNT, "vpc-00000000", ROLE, "any")


def test_the_names_are_the_eb_clis() -> None:
    """In every region."""
    for region in REGIONS:
        assert env_resources_buckets(REGIONS)[region] in list(required_buckets(region))
