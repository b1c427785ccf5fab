"""Story of templates/functions/, templates/inline_function.py and testbed/localaws/moto_client.py.

The inline functions, run against moto: what they change and answer, and that they can be repeated.
"""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from templates.functions import harden_bucket, network_setup
from tests.unit.templates.custom_resource_client import ask

REGION = "eu-central-1"
BUCKET = "elasticbeanstalk-eu-central-1-123456789012"
HARDENING = {
    "Bucket": BUCKET,
    "Partition": "aws",
    "Deployment": "shop",
    "Application": "shop",
    "KeepDays": "90",  # CloudFormation hands numbers over as text
    "BucketIs": "shared",
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


def _group_rules(group: str) -> list[Any]:
    (found,) = boto3.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return [*found["IpPermissions"], *found["IpPermissionsEgress"]]


def test_the_default_group_is_closed_and_stays_closed(group: str) -> None:
    """Whatever rules it had. A second run changes nothing, and deletion reverts nothing."""
    assert _group_rules(group)
    for kind in ("Create", "Update", "Delete"):
        answer, raised = ask(network_setup.handler, kind, {"VpcId": "vpc", "DefaultSecurityGroup": group})
        assert (answer["Status"], answer["PhysicalResourceId"], raised) == (
            "SUCCESS",
            f"{group}-closed",
            None,
        )
        assert _group_rules(group) == []


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
    """Beanstalk's bucket as an environment leaves it."""
    s3 = boto3.client("s3")
    place: Any = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    s3.put_object(Bucket=BUCKET, Key="app/version.zip", Body=b"bundle")
    return s3


def _change(kind: str, **properties: str) -> None:
    answer, raised = ask(harden_bucket.handler, kind, {**HARDENING, **properties})
    assert (answer["Status"], raised) == ("SUCCESS", None), answer


def _statements(s3: Any) -> list[Any]:
    policy = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    found: list[Any] = policy["Statement"]
    return found


def _rules(s3: Any) -> list[Any]:
    found: list[Any] = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    return found


def _put_policy(s3: Any, statements: Any, **more: str) -> None:
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({**more, "Statement": statements}))


THEIRS = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "s3:GetObject",
    "Resource": f"arn:aws:s3:::{BUCKET}/x",
}


def test_a_shared_bucket_gets_statement_and_rules_for_our_objects_only(bucket: Any) -> None:
    """A second run changes nothing, and the deletion leaves neither a policy nor a lifecycle."""
    for kind in ("Create", "Update"):
        _change(kind)
        (denied,) = _statements(bucket)
        assert denied["Resource"] == [f"arn:aws:s3:::{BUCKET}/{p}*" for p in ("shop/", ".beanvault/shop/")]
        assert [rule["Filter"]["Prefix"] for rule in _rules(bucket)] == ["shop/", ".beanvault/shop/"]
        assert {rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in _rules(bucket)} == {90}
    _change("Delete")
    for absent in (bucket.get_bucket_policy, bucket.get_bucket_lifecycle_configuration):
        with pytest.raises(ClientError, match="NoSuch"):
            absent(Bucket=BUCKET)


@pytest.mark.parametrize("theirs", [THEIRS, [THEIRS], [{**THEIRS, "Sid": "DenyInsecureTransport-shop-2"}]])
@pytest.mark.parametrize("version", [{}, {"Version": "2008-10-17", "Id": "theirs"}])
def test_statements_of_others_stay_in_every_legal_form(
    bucket: Any, theirs: Any, version: dict[str, str]
) -> None:
    """One object, without a Sid, without a version, and of a deployment whose name begins the same."""
    _put_policy(bucket, theirs, **version)
    kept = theirs if isinstance(theirs, list) else [theirs]
    _change("Create")
    assert [s for s in _statements(bucket) if s.get("Sid") != "DenyInsecureTransport-shop"] == kept
    assert len(_statements(bucket)) == len(kept) + 1
    _change("Delete")
    assert _statements(bucket) == kept
    policy = json.loads(bucket.get_bucket_policy(Bucket=BUCKET)["Policy"])
    assert {key: value for key, value in policy.items() if key != "Statement"} == version


@pytest.mark.parametrize("where", [{"Filter": {"Prefix": "theirs/"}}, {"Prefix": "theirs/"}])
def test_rules_of_others_stay_in_both_forms(bucket: Any, where: Any) -> None:
    """S3 takes one form in a configuration, so ours have the form of theirs."""
    theirs = {"ID": "beanvault-shop-2:x", "Status": "Enabled", "Expiration": {"Days": 3}, **where}
    bucket.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [theirs]})
    before = _rules(bucket)
    for _ in range(2):
        _change("Create")
        assert [rule for rule in _rules(bucket) if rule["ID"] == theirs["ID"]] == before
        assert {frozenset(rule) & {"Filter", "Prefix"} for rule in _rules(bucket)} == {frozenset(where)}
        assert len(_rules(bucket)) == 3
    _change("Delete")
    assert _rules(bucket) == before


def test_no_other_setting_is_touched(bucket: Any) -> None:
    """Encryption, ownership, versioning, log and public access are the bucket's owner's."""
    _change("Create")
    assert "Status" not in bucket.get_bucket_versioning(Bucket=BUCKET)
    assert "LoggingEnabled" not in bucket.get_bucket_logging(Bucket=BUCKET)
    for absent in (
        bucket.get_bucket_encryption,
        bucket.get_bucket_ownership_controls,
        bucket.get_public_access_block,
    ):
        with pytest.raises(ClientError, match=r"not found|not exist|NotFound|NoSuch"):
            absent(Bucket=BUCKET)


@pytest.mark.parametrize(
    ("bucket_is", "left"), [("retained", ["DenyInsecureTransport-shop"]), ("deleted", None)]
)
def test_a_bucket_of_our_own_loses_what_prevents_its_deletion(
    bucket: Any, bucket_is: str, left: list[str] | None
) -> None:
    """Of a retained one Beanstalk's statement stays; of a deleted one none, also not Beanstalk's."""
    beanstalks = {**THEIRS, "Sid": "eb-1"}
    _put_policy(bucket, [beanstalks])
    _change("Create", BucketIs=bucket_is)
    (_, tls, deletion) = _statements(bucket)
    assert tls["Resource"] == [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    assert deletion["Action"] == "s3:DeleteBucket"
    _change("Delete", BucketIs=bucket_is)
    if left is None:
        with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
            _statements(bucket)
    else:
        assert [statement["Sid"] for statement in _statements(bucket)] == ["eb-1", *left]


def test_a_missing_bucket_is_a_failure_but_none_when_it_is_deleted() -> None:
    """`existing` was the wrong word in the deployment file; on deletion nothing is left to undo."""
    answer, raised = ask(harden_bucket.handler, "Create", HARDENING)
    assert answer["Status"] == "FAILED"
    assert "NoSuchBucket" in answer["Reason"]
    assert raised is not None
    _change("Delete")


def _policy(*principals: Any, **more: Any) -> dict[str, Any]:
    return {"Statement": [{**THEIRS, "Principal": principal, **more} for principal in principals]}


GONE, ROLE = "AROAEXAMPLEEXAMPLE123", "arn:aws:iam::123456789012:role/alive"


def test_deleted_principals_are_left_out_and_nothing_else() -> None:
    """Whoever is left keeps the statement; a Deny for nobody has no more effect than an Allow."""
    policy = _policy(
        "*", {"AWS": "*"}, {"AWS": GONE}, {"AWS": [GONE, ROLE]}, {"AWS": GONE, "Service": "ec2.amazonaws.com"}
    )
    policy["Statement"].append({**_policy({"AWS": [GONE]})["Statement"][0], "Effect": "Deny"})
    assert harden_bucket.deleted_principals(policy) == [GONE]
    kept = harden_bucket.without_deleted({"Version": "2008-10-17", **policy})
    assert [statement["Principal"] for statement in kept["Statement"]] == [
        "*",
        {"AWS": "*"},
        {"AWS": [ROLE]},
        {"Service": "ec2.amazonaws.com"},
    ]
    assert kept["Version"] == "2008-10-17"


def test_a_deleted_principal_that_is_an_exception_is_not_taken_away() -> None:
    """Without it the statement would be for others than before."""
    statement = {key: value for key, value in THEIRS.items() if key != "Principal"}
    with pytest.raises(ValueError, match="NotPrincipal"):
        harden_bucket.without_deleted({"Statement": {**statement, "NotPrincipal": {"AWS": [GONE, ROLE]}}})
