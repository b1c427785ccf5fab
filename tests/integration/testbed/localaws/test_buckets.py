"""Story of testbed/localaws/services/s3.py, testbed/localaws/services/bucket_policies.py,
testbed/localaws/services/elbv2.py, testbed/localaws/authorization/object_requests.py and
testbed/localaws/authorization/sent_keys.py.

Buckets as S3 has them: objects with keys, policies and ACLs that it takes, deliveries of logs into them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from testbed.servers.localaws import REGION, LocalAws

ACCOUNT = "123456789012"
WEB_TIER = "arn:aws:iam::aws:policy/AWSElasticBeanstalkWebTier"
TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


def new_bucket(aws: LocalAws, **more: Any) -> str:
    name = f"elasticbeanstalk-{uuid.uuid4().hex[:12]}"  # the managed policies are about names of this form
    place = {"LocationConstraint": REGION}
    aws.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=place, **more)
    return name


def new_role(aws: LocalAws, *statements: Mapping[str, Any], managed: str = "") -> str:
    name, iam = f"role-{uuid.uuid4().hex[:12]}", aws.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    if managed:
        iam.attach_role_policy(RoleName=name, PolicyArn=managed)
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
    return arn


def as_role(aws: LocalAws, arn: str, service: str = "s3") -> Any:
    made = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    session: Any = boto3.session.Session(
        made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], region_name=REGION
    )
    config = Config(retries={"max_attempts": 0})
    return session.client(service, endpoint_url=aws.endpoint, config=config)


def encrypt_with(aws: LocalAws, bucket: str, key: str, *, bucket_key: bool = True) -> None:
    default = {"SSEAlgorithm": "aws:kms", **({"KMSMasterKeyID": key} if key else {})}
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bucket_key}
    aws.client("s3").put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


def error_of(call: Any, /, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    found = caught.value.response["Error"]
    return found["Code"], found["Message"]


# --- KMS ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bucket_key", [True, False])
def test_an_object_under_a_customer_managed_key_needs_the_key(local_aws: LocalAws, bucket_key: bool) -> None:
    """The managed policy of Beanstalk's instances has no `kms:`; a bucket key's context is the bucket."""
    key = local_aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    bucket = new_bucket(local_aws)
    encrypt_with(local_aws, bucket, key, bucket_key=bucket_key)
    local_aws.client("s3").put_object(Bucket=bucket, Key="app/1.zip", Body=b"bundle")
    web_tier = as_role(local_aws, new_role(local_aws, managed=WEB_TIER))
    code, message = error_of(web_tier.get_object, Bucket=bucket, Key="app/1.zip")
    assert (code, "kms:Decrypt" in message) == ("AccessDenied", True)
    code, message = error_of(web_tier.put_object, Bucket=bucket, Key="app/2.zip", Body=b"")
    assert (code, "kms:GenerateDataKey" in message) == ("AccessDenied", True)
    arn = f"arn:aws:s3:::{bucket}" + ("" if bucket_key else "/app/1.zip")
    through_s3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": arn}
    use = {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": key,
        "Condition": {"StringEquals": through_s3},
    }
    with_key = as_role(local_aws, new_role(local_aws, use, managed=WEB_TIER))
    assert with_key.get_object(Bucket=bucket, Key="app/1.zip")["Body"].read() == b"bundle"


@pytest.mark.parametrize("key", ["", "alias/aws/s3"])
def test_the_key_that_aws_manages_is_for_everybody_whom_s3_lets_in(local_aws: LocalAws, key: str) -> None:
    bucket = new_bucket(local_aws)
    encrypt_with(local_aws, bucket, key)
    web_tier = as_role(local_aws, new_role(local_aws, managed=WEB_TIER))
    web_tier.put_object(Bucket=bucket, Key="app/1.zip", Body=b"bundle")
    assert web_tier.get_object(Bucket=bucket, Key="app/1.zip")["Body"].read() == b"bundle"


# --- ACLs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", [None, "BucketOwnerEnforced"])
def test_a_bucket_whose_owner_owns_all_objects_takes_no_acl(local_aws: LocalAws, owner: str | None) -> None:
    """The default since April 2023. The owner's full control says nothing new."""
    bucket = new_bucket(local_aws, **({"ObjectOwnership": owner} if owner else {}))
    s3 = local_aws.client("s3")
    refused = ("AccessControlListNotSupported", "The bucket does not allow ACLs")
    assert error_of(s3.put_object, Bucket=bucket, Key="a", Body=b"", ACL="private") == refused
    s3.put_object(Bucket=bucket, Key="a", Body=b"", ACL="bucket-owner-full-control")
    assert error_of(s3.put_object_acl, Bucket=bucket, Key="a", ACL="private") == refused
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    s3.put_object(Bucket=bucket, Key="a", Body=b"", ACL="private")


def test_setting_an_acl_is_a_permission_of_its_own(local_aws: LocalAws) -> None:
    bucket = new_bucket(local_aws, ObjectOwnership="BucketOwnerPreferred")
    put = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    writer = as_role(local_aws, new_role(local_aws, put))
    writer.put_object(Bucket=bucket, Key="a", Body=b"")
    code, message = error_of(writer.put_object, Bucket=bucket, Key="a", Body=b"", ACL="private")
    assert (code, "s3:PutObjectAcl" in message) == ("AccessDenied", True)


# --- policies -----------------------------------------------------------------------------------------------


def statement(bucket: str, principal: Any, **more: Any) -> dict[str, Any]:
    allow = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject"}
    return {**allow, "Resource": f"arn:aws:s3:::{bucket}/*", **more}


def put_policy(aws: LocalAws, bucket: str, statements: Any) -> None:
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": statements}))


def test_a_deleted_role_stays_in_a_policy_as_its_id_which_no_new_policy_can_name(local_aws: LocalAws) -> None:
    role = new_role(local_aws)
    bucket = new_bucket(local_aws)
    put_policy(local_aws, bucket, statement(bucket, {"AWS": [role, ACCOUNT]}))  # one object is legal
    local_aws.client("iam").delete_role(RoleName=role.rpartition("/")[2])
    s3 = local_aws.client("s3")
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    dead = json.loads(policy)["Statement"]["Principal"]["AWS"][0]
    assert dead.startswith("AROA")
    refused = ("MalformedPolicy", "Invalid principal in policy")
    assert error_of(s3.put_bucket_policy, Bucket=bucket, Policy=policy) == refused


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": f"arn:aws:iam::{ACCOUNT}:role/nobody"},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"},
        {"AWS": "AIDAXXXXXXXXXXXXXXXXX"},
        {"AWS": []},
        {"Service": "nobody.example.com"},
        "somebody",
    ],
)
def test_a_principal_that_does_not_exist_is_refused(local_aws: LocalAws, principal: Any) -> None:
    bucket = new_bucket(local_aws)
    with pytest.raises(ClientError, match="Invalid principal in policy"):
        put_policy(local_aws, bucket, [statement(bucket, principal)])


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ACCOUNT}, {"AWS": "999999999999"}])
def test_everybody_and_accounts_are_principals(local_aws: LocalAws, principal: Any) -> None:
    bucket = new_bucket(local_aws)
    put_policy(local_aws, bucket, [statement(bucket, principal)])


def test_a_policy_has_a_size_and_statements(local_aws: LocalAws) -> None:
    bucket = new_bucket(local_aws)
    with pytest.raises(ClientError, match="maximum allowed document size"):
        put_policy(local_aws, bucket, [statement(bucket, "*", Sid="x" * 20 * 1024)])
    with pytest.raises(ClientError, match="MalformedPolicy"):
        put_policy(local_aws, bucket, [])


# --- lifecycle ----------------------------------------------------------------------------------------------


def rule(name: str, **where: Any) -> dict[str, Any]:
    return {"ID": name, "Status": "Enabled", "Expiration": {"Days": 1}, **where}


def test_a_lifecycle_has_rules_of_one_form_and_a_smallest_size(local_aws: LocalAws) -> None:
    s3, bucket = local_aws.client("s3"), new_bucket(local_aws)
    both = {"Rules": [rule("old", Prefix="a/"), rule("new", Filter={"Prefix": "b/"})]}
    code, _ = error_of(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=both)
    assert code == "InvalidRequest"
    size, one = "TransitionDefaultMinimumObjectSize", {"Rules": [rule("old", Prefix="a/")]}
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration=one, **{size: "varies_by_storage_class"}
    )
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)[size] == "varies_by_storage_class"
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=one)
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)[size] == "all_storage_classes_128K"


# --- load balancers' logs -----------------------------------------------------------------------------------


@pytest.fixture
def balancer(local_aws: LocalAws) -> Iterator[str]:
    ec2, elb = local_aws.client("ec2"), local_aws.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.78.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")[
            "Subnet"
        ]["SubnetId"]
        for n, zone in enumerate("ab")
    ]
    made = elb.create_load_balancer(Name=f"lb-{uuid.uuid4().hex[:8]}", Subnets=subnets)["LoadBalancers"][0]
    yield made["LoadBalancerArn"]
    elb.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])


def turn_on(aws: LocalAws, balancer: str, bucket: str) -> None:
    wanted = {"enabled": "true", "bucket": bucket, "prefix": "lb"}
    aws.client("elbv2").modify_load_balancer_attributes(
        LoadBalancerArn=balancer,
        Attributes=[{"Key": f"access_logs.s3.{key}", "Value": value} for key, value in wanted.items()],
    )


CONDITIONS = {
    "none": {},
    "account": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    "arn": {"ArnLike": {"aws:SourceArn": f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/*"}},
}


@pytest.mark.parametrize(("condition", "delivers"), [("none", True), ("account", False), ("arn", False)])
def test_a_load_balancers_logs_come_without_conditions(
    local_aws: LocalAws, balancer: str, condition: str, delivers: bool
) -> None:
    bucket = new_bucket(local_aws)
    deliver = {
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/lb/AWSLogs/{ACCOUNT}/*",
        "Condition": CONDITIONS[condition],
    }
    put_policy(local_aws, bucket, [deliver])
    if delivers:
        turn_on(local_aws, balancer, bucket)
        (written,) = local_aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
        assert written["Key"] == f"lb/AWSLogs/{ACCOUNT}/ELBAccessLogTestFile"
    else:
        with pytest.raises(ClientError, match="Access Denied for bucket"):
            turn_on(local_aws, balancer, bucket)


def test_a_load_balancer_writes_to_no_bucket_with_a_kms_key(local_aws: LocalAws, balancer: str) -> None:
    bucket = new_bucket(local_aws)
    put_policy(local_aws, bucket, [statement(bucket, "*", Action="s3:PutObject")])
    encrypt_with(local_aws, bucket, "")
    with pytest.raises(ClientError, match="Access Denied for bucket"):
        turn_on(local_aws, balancer, bucket)
