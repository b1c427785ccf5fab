"""Story of templates/functions/, templates/inline_function.py and testbed/localaws/moto_client.py.

The inline functions, run against moto: what they change and answer, and that they can be repeated.
"""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from templates.functions import harden_bucket, network_setup
from tests.unit.templates.custom_resource_client import ask

REGION = "eu-central-1"
BUCKET = "elasticbeanstalk-eu-central-1-123456789012"
LOG_BUCKET = "access-log-bucket"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/0b1c2d3e"
STATEMENT = {
    "Sid": "DenyBucketDeletion",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:DeleteBucket",
    "Resource": "*",
}
HARDENING = {
    "Bucket": BUCKET,
    "KeyArn": KEY,
    "LogBucket": LOG_BUCKET,
    "LogPrefix": "s3/",
    "KeepDays": "90",  # CloudFormation hands numbers over as text
    "Statements": [STATEMENT],
}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def group() -> str:
    """The default security group of a new VPC, with EC2's default rules and one more."""
    ec2 = boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    (found,) = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    rule: Any = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=found["GroupId"], IpPermissions=[rule])
    return str(found["GroupId"])


def _rules(group: str) -> list[Any]:
    (found,) = boto3.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return [*found["IpPermissions"], *found["IpPermissionsEgress"]]


def test_the_default_group_is_closed_and_stays_closed(group: str) -> None:
    """Whatever rules it had. A second run changes nothing, and deletion reverts nothing."""
    assert _rules(group)
    for kind in ("Create", "Update", "Delete"):
        answer, raised = ask(network_setup.handler, kind, {"VpcId": "vpc", "DefaultSecurityGroup": group})
        assert (answer["Status"], answer["PhysicalResourceId"], raised) == (
            "SUCCESS",
            f"{group}-closed",
            None,
        )
        assert _rules(group) == []


def test_s3s_prefix_list_is_found(group: str) -> None:
    """The security groups' rules name it."""
    answer, _ = ask(network_setup.handler, "Create", {"VpcId": "vpc", "DefaultSecurityGroup": group})
    assert answer["Data"]["S3PrefixList"].startswith("pl-")


def test_what_is_the_regions_stays_as_it_was(group: str) -> None:
    """Default encryption of volumes is others' too, and an organisation may deny to change it."""
    ec2 = boto3.client("ec2")
    for change in (ec2.disable_ebs_encryption_by_default, ec2.enable_ebs_encryption_by_default):
        change()
        before = ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]
        for kind in ("Create", "Update", "Delete"):
            answer, _ = ask(network_setup.handler, kind, {"VpcId": "vpc", "DefaultSecurityGroup": group})
            assert answer["Status"] == "SUCCESS"
        assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is before


def test_a_region_without_s3s_prefix_list_is_a_failure_with_a_reason(
    group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-nowhere-1")
    answer, raised = ask(network_setup.handler, "Create", {"VpcId": "vpc", "DefaultSecurityGroup": group})
    assert answer["Status"] == "FAILED"
    assert "no prefix list com.amazonaws.eu-nowhere-1.s3" in answer["Reason"]
    assert raised is not None


def test_a_failure_is_answered_and_raised() -> None:
    """CloudFormation shows the reason, and Lambda counts an error."""
    answer, raised = ask(
        network_setup.handler, "Create", {"VpcId": "vpc", "DefaultSecurityGroup": "sg-00000000000000000"}
    )
    assert answer["Status"] == "FAILED"
    assert "InvalidGroup.NotFound" in answer["Reason"]
    assert raised is not None


@pytest.fixture
def bucket() -> Any:
    """Beanstalk's bucket as an environment leaves it, and a bucket for logs."""
    s3 = boto3.client("s3")
    place: Any = {"LocationConstraint": REGION}
    for name in (LOG_BUCKET, BUCKET):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::" + LOG_BUCKET + "/*",
    }
    s3.put_bucket_policy(
        Bucket=LOG_BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    )
    s3.put_object(Bucket=BUCKET, Key="app/version.zip", Body=b"bundle")
    return s3


def test_an_existing_bucket_is_hardened_in_place(bucket: Any) -> None:
    """All that the created one has; its objects stay, a second run and a deletion change nothing."""
    for kind in ("Create", "Update", "Delete"):
        answer, raised = ask(harden_bucket.handler, kind, HARDENING)
        assert (answer["Status"], raised) == ("SUCCESS", None), answer
        assert all(bucket.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values())
        assert bucket.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
        (rule,) = bucket.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == KEY
        assert rule["BucketKeyEnabled"]
        assert bucket.get_bucket_logging(Bucket=BUCKET)["LoggingEnabled"]["TargetBucket"] == LOG_BUCKET
        (expiry,) = bucket.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
        assert expiry["NoncurrentVersionExpiration"]["NoncurrentDays"] == 90
        assert json.loads(bucket.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"] == [STATEMENT]
        assert bucket.get_object(Bucket=BUCKET, Key="app/version.zip")["Body"].read() == b"bundle"


def test_statements_of_others_stay(bucket: Any) -> None:
    """Beanstalk and people write into this policy too; only ours is replaced."""
    theirs = {**STATEMENT, "Sid": "Theirs"}
    old = {**STATEMENT, "Action": "s3:GetObject"}
    document = {"Version": "2012-10-17", "Statement": [old, theirs]}
    bucket.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(document))
    ask(harden_bucket.handler, "Create", HARDENING)
    policy = json.loads(bucket.get_bucket_policy(Bucket=BUCKET)["Policy"])
    assert policy["Statement"] == [theirs, STATEMENT]


def test_a_key_that_another_deployment_set_is_kept(bucket: Any) -> None:
    """Its instances may decrypt with no other; the response names the key in use."""
    theirs = "arn:aws:kms:eu-central-1:123456789012:key/theirs"
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": theirs}
    bucket.put_bucket_encryption(
        Bucket=BUCKET,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    answer, _ = ask(harden_bucket.handler, "Create", HARDENING)
    assert answer["Data"] == {"KeyArn": theirs}


def test_a_missing_bucket_is_a_failure() -> None:
    """`existing` was the wrong word in the deployment file."""
    answer, raised = ask(harden_bucket.handler, "Create", HARDENING)
    assert answer["Status"] == "FAILED"
    assert "NoSuchBucket" in answer["Reason"]
    assert raised is not None
