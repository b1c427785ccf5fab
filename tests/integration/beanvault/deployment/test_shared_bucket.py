"""Story of beanvault/deployment/shared_bucket.py, beanvault/deployment/doctor/shared_bucket.py,
templates/functions/harden_bucket.py, templates/storage_layer.py and
testbed/localaws/beanstalk/storage_bucket.py.

An account in which another environment uses Beanstalk's bucket. Nothing of it is changed by a deployment,
while it is there or after it, and the other environment reads its new objects all the time.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from beanvault.aws import Aws
from beanvault.cloudformation.stack import StackOutcome
from beanvault.deployment.deploy import deploy
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.deployment.doctor.result import Verdict
from beanvault.deployment.doctor.shared_bucket import check_shared_bucket
from beanvault.deployment.shared_bucket import leave_out_deleted
from beanvault.errors import Refused
from beanvault.teardown.destroy import destroy
from beanvault.ui import NullUi
from templates.deployment import Deployment
from templates.deployment_file import parse
from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws
from testbed.servers.mariadb import MariaDB
from tests.polling import until
from tests.project import ROOT

ACCOUNT = "123456789012"
WEB_TIER = "arn:aws:iam::aws:policy/AWSElasticBeanstalkWebTier"
NAME = "guest"
LAYERS = ("keys", "storage")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDB) -> Iterator[LocalAws]:
    aws = LocalAws.start(tmp_path_factory.mktemp("shared"), mariadb)
    try:
        yield aws
    finally:
        aws.stop()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The other user of the bucket in one region: a role as Beanstalk's instances have it."""

    aws: LocalAws
    region: str
    name: str
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def bucket(self) -> str:
        return f"elasticbeanstalk-{self.region}-{ACCOUNT}"

    def client(self, service: str) -> Any:
        return self.aws.client(service, self.region)

    def make_role(self, name: str) -> str:
        iam = self.client("iam")
        allow = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        return arn

    def join(self) -> None:
        """Have Beanstalk create the bucket, and the role that AWS's policy describes."""
        assert self.client("elasticbeanstalk").create_storage_location()["S3Bucket"] == self.bucket
        arn = self.make_role(self.name)
        self.client("iam").attach_role_policy(RoleName=self.name, PolicyArn=WEB_TIER)
        made = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="i-1")["Credentials"]
        session: Any = boto3.session.Session(
            made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], region_name=self.region
        )
        config = Config(retries={"max_attempts": 0})
        self.clients["s3"] = session.client("s3", endpoint_url=self.aws.endpoint, config=config)

    def may_use(self, key: str) -> None:
        statement = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": key}
        self.client("iam").put_role_policy(
            RoleName=self.name,
            PolicyName="key",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )

    def encrypt(self, default: Mapping[str, str]) -> None:
        rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
        self.client("s3").put_bucket_encryption(Bucket=self.bucket, ServerSideEncryptionConfiguration=rules)

    def reads_a_new_object(self) -> bool:
        """Whether what a deployment of the other application uploads now can be read by its instances."""
        self.client("s3").put_object(Bucket=self.bucket, Key="theirs/new.zip", Body=b"bundle")
        body: bytes = self.clients["s3"].get_object(Bucket=self.bucket, Key="theirs/new.zip")["Body"].read()
        return body == b"bundle"

    def settings(self) -> dict[str, Any]:
        """Return everything that the bucket is set to; a setting that it doesn't have is its error code."""
        s3, found = self.client("s3"), {}
        for name, member in (
            ("get_bucket_encryption", "ServerSideEncryptionConfiguration"),
            ("get_bucket_ownership_controls", "OwnershipControls"),
            ("get_public_access_block", "PublicAccessBlockConfiguration"),
            ("get_bucket_versioning", "Status"),
            ("get_bucket_logging", "LoggingEnabled"),
            ("get_bucket_lifecycle_configuration", "Rules"),
            ("get_bucket_lifecycle_configuration", "TransitionDefaultMinimumObjectSize"),
            ("get_bucket_tagging", "TagSet"),
            ("get_bucket_acl", "Grants"),
        ):
            try:
                found[member] = getattr(s3, name)(Bucket=self.bucket).get(member)
            except ClientError as error:
                found[member] = error.response["Error"]["Code"]
        policy = json.loads(s3.get_bucket_policy(Bucket=self.bucket)["Policy"])
        statements = policy["Statement"]
        found["Policy"] = {
            **policy,
            "Statement": statements if isinstance(statements, list) else [statements],
        }
        return found


def without_ours(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings without what is named as ours: one statement and two lifecycle rules."""
    rules, policy = settings["Rules"], settings["Policy"]
    if isinstance(rules, list):
        rules = [rule for rule in rules if not rule["ID"].startswith(f"beanvault-{NAME}:")]
    statements = [s for s in policy["Statement"] if s.get("Sid") != f"DenyInsecureTransport-{NAME}"]
    none = "NoSuchLifecycleConfiguration"
    lifecycle = {} if rules else {"Rules": none, "TransitionDefaultMinimumObjectSize": none}
    return {**settings, "Rules": rules, **lifecycle, "Policy": {**policy, "Statement": statements}}


def file_of(region: str, **tables: Any) -> Deployment:
    trial = tomllib.loads((ROOT / "config" / "dev.toml").read_text())
    return parse(
        {
            **trial,
            "name": NAME,
            "region": region,
            "storage": {"beanstalk_bucket": "existing"},
            "vault": {"where": "outside", "cidrs": ["198.51.100.0/24"]},  # the sample host has no bucket
            **tables,
        }
    )


def context(aws: LocalAws, deployment: Deployment) -> DeploymentContext:
    session = Aws(aws.session(deployment.region), aws.endpoint)
    return DeploymentContext(deployment, session, NullUi(agrees=True, accepts_loss=True), ROOT)


def test_a_bucket_with_everything_stays_as_it_is(account: LocalAws) -> None:
    """A key of its own, lifecycle rules, access log, versioning, and a policy of all legal forms."""
    theirs = Neighbour(account, "eu-west-1", "theirs-everything")
    theirs.join()
    key = theirs.client("kms").create_key()["KeyMetadata"]["Arn"]
    theirs.encrypt({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key})
    theirs.may_use(key)
    s3, role = theirs.client("s3"), f"arn:aws:iam::{ACCOUNT}:role/{theirs.name}"
    lifecycle = {
        "Rules": [{"ID": "theirs", "Prefix": "theirs/", "Status": "Enabled", "Expiration": {"Days": 9}}]
    }
    s3.put_bucket_lifecycle_configuration(
        Bucket=theirs.bucket,
        LifecycleConfiguration=lifecycle,
        TransitionDefaultMinimumObjectSize="varies_by_storage_class",
    )
    s3.put_bucket_versioning(Bucket=theirs.bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.put_bucket_tagging(Bucket=theirs.bucket, Tagging={"TagSet": [{"Key": "team", "Value": "theirs"}]})
    place = {"LocationConstraint": theirs.region}
    s3.create_bucket(Bucket="theirs-log", CreateBucketConfiguration=place)
    deliver = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::theirs-log/*",
    }
    s3.put_bucket_policy(Bucket="theirs-log", Policy=json.dumps({"Statement": deliver}))
    target = {"TargetBucket": "theirs-log", "TargetPrefix": "x/"}
    s3.put_bucket_logging(Bucket=theirs.bucket, BucketLoggingStatus={"LoggingEnabled": target})
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{theirs.bucket}/theirs/*"}
    statements: list[dict[str, Any]] = [
        {**read, "Principal": {"AWS": role}},
        {**read, "Sid": "list", "Principal": {"AWS": [role, ACCOUNT], "Service": "ec2.amazonaws.com"}},
        {**read, "Sid": f"DenyInsecureTransport-{NAME}-2", "Principal": "*", "Effect": "Deny"},
    ]
    statements[2]["Condition"] = {"Bool": {"aws:SecureTransport": "false"}}
    s3.put_bucket_policy(Bucket=theirs.bucket, Policy=json.dumps({"Statement": statements}))
    before = theirs.settings()
    assert theirs.reads_a_new_object()

    guest = context(account, file_of(theirs.region))
    assert {result.outcome for result in deploy(guest, LAYERS)} == {StackOutcome.CREATED}
    assert without_ours(theirs.settings()) == before
    assert theirs.settings() != before
    assert theirs.reads_a_new_object()

    s3.put_bucket_policy(Bucket=theirs.bucket, Policy=json.dumps({"Statement": statements}))
    deploy(guest, LAYERS, revert_drift=True)
    sids = [statement.get("Sid") for statement in theirs.settings()["Policy"]["Statement"]]
    assert f"DenyInsecureTransport-{NAME}" in sids
    assert without_ours(theirs.settings()) == before

    destroy(guest)
    assert theirs.settings() == before
    assert theirs.reads_a_new_object()


@pytest.mark.parametrize(
    ("region", "default"),
    [
        ("eu-west-2", None),
        ("eu-west-3", {"SSEAlgorithm": "AES256"}),
        ("eu-north-1", {"SSEAlgorithm": "aws:kms"}),
    ],
)
def test_a_bucket_as_beanstalk_makes_it_stays_as_it_is(
    account: LocalAws, region: str, default: Mapping[str, str] | None
) -> None:
    """With S3's own keys or the one that AWS manages, no lifecycle, and Beanstalk's one statement."""
    theirs = Neighbour(account, region, f"theirs-{region}")
    theirs.join()
    if default:
        theirs.encrypt(default)
    before = theirs.settings()
    guest = context(account, file_of(region))
    deploy(guest, LAYERS)
    assert without_ours(theirs.settings()) == before
    assert theirs.reads_a_new_object()
    destroy(guest)
    assert theirs.settings() == before
    assert theirs.reads_a_new_object()


def test_a_whole_deployment_beside_a_running_environment(
    account: LocalAws, mariadb: MariaDB, authority: Authority
) -> None:
    """Its instances read their bundle with the bucket's key; of Beanstalk's statements about it none is left.

    A role that somebody deleted before, whose id is left in the policy, is the one thing that can't stay.
    """
    theirs = Neighbour(account, "eu-central-1", "theirs-running")
    theirs.join()
    key = theirs.client("kms").create_key()["KeyMetadata"]["Arn"]
    theirs.encrypt({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key})
    theirs.may_use(key)
    iam = theirs.client("iam")
    iam.create_instance_profile(InstanceProfileName=theirs.name)
    iam.add_role_to_instance_profile(InstanceProfileName=theirs.name, RoleName=theirs.name)
    assert _launch(theirs) == ""
    before = theirs.settings()
    assert theirs.name in json.dumps(before["Policy"])
    deleted = theirs.make_role("theirs-deleted")
    with_deleted = json.loads(json.dumps(before["Policy"]))
    with_deleted["Statement"][1]["Principal"]["AWS"] = [
        *with_deleted["Statement"][1]["Principal"]["AWS"],
        deleted,
    ]
    theirs.client("s3").put_bucket_policy(Bucket=theirs.bucket, Policy=json.dumps(with_deleted))
    iam.delete_role(RoleName="theirs-deleted")
    assert "AROA" in json.dumps(theirs.settings()["Policy"])

    database = {"port": mariadb.port, "ca_file": str(authority.ca_file)}
    trial = tomllib.loads((ROOT / "config" / "dev.toml").read_text())["database"]
    guest = context(account, file_of(theirs.region, database={**trial, **database}))
    found = list(check_shared_bucket(guest.deployment, guest.aws))
    assert {result.verdict for result in found} == {Verdict.GOOD}
    assert "AROA" in found[0].detail
    assert {result.outcome for result in deploy(guest)} == {StackOutcome.CREATED}
    during = without_ours(theirs.settings())
    assert {k: v for k, v in during.items() if k != "Policy"} == {
        k: v for k, v in before.items() if k != "Policy"
    }
    assert f"role/{NAME}-environment-InstanceRole" in json.dumps(during["Policy"])  # Beanstalk wrote it
    assert theirs.reads_a_new_object()
    count = "elasticbeanstalk:shared-elb-environment-count"
    written = theirs.settings()
    assert {result.outcome for result in deploy(guest, revert_drift=True)} == {StackOutcome.UNCHANGED}
    assert theirs.settings() == written
    assert _balancer_tags(theirs)[count] == "1"

    _delete_environment(guest)
    assert "AROA" in json.dumps(theirs.settings()["Policy"])
    assert {result.outcome for result in deploy(guest, ["environment"])} == {StackOutcome.CREATED}
    assert "AROA" not in json.dumps(theirs.settings()["Policy"])

    destroy(guest)
    assert theirs.settings() == before
    assert theirs.reads_a_new_object()


def test_a_policy_that_takes_no_change_is_refused_before_the_environment(account: LocalAws) -> None:
    """Taking the last name out of `NotPrincipal` would change whom the statement is for."""
    theirs = Neighbour(account, "sa-east-1", "theirs-excepted")
    theirs.join()
    excepted = theirs.make_role("theirs-excepted-role")
    statement = {
        "Effect": "Deny",
        "NotPrincipal": {"AWS": excepted},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{theirs.bucket}/theirs/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    theirs.client("s3").put_bucket_policy(Bucket=theirs.bucket, Policy=policy)
    theirs.client("iam").delete_role(RoleName="theirs-excepted-role")
    before, reported = theirs.settings(), list[str]()
    with pytest.raises(Refused, match="NotPrincipal with deleted roles") as error:
        leave_out_deleted(Aws(account.session(theirs.region), account.endpoint), reported.append)
    assert "put-bucket-policy" in error.value.remedy
    assert (theirs.settings(), reported) == (before, [])


def _delete_environment(guest: DeploymentContext) -> None:
    """Delete the environment with the role of its instances, as the roll-back of its creation does."""
    stack = guest.deployment.stack_name("environment")
    guest.aws.client("cloudformation").delete_stack(StackName=stack)
    guest.aws.client("cloudformation").get_waiter("stack_delete_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )


def _launch(theirs: Neighbour, service_role: str = "") -> str:
    """Launch an environment, as Beanstalk itself or with a service role; return its last error."""
    eb = theirs.client("elasticbeanstalk")
    eb.create_application(ApplicationName="theirs")
    stacks = eb.list_available_solution_stacks()["SolutionStacks"]
    options = [
        ("aws:autoscaling:launchconfiguration", "IamInstanceProfile", "" if service_role else theirs.name),
        ("aws:elasticbeanstalk:environment", "ServiceRole", service_role),
    ]
    eb.create_environment(
        ApplicationName="theirs",
        EnvironmentName="theirs-env",
        SolutionStackName=next(stack for stack in stacks if "Python" in stack),
        OptionSettings=[
            {"Namespace": space, "OptionName": name, "Value": value} for space, name, value in options
        ],
    )
    at_rest = ("Ready", "Terminated")
    until(
        lambda: (
            eb.describe_environments(EnvironmentNames=["theirs-env"])["Environments"][0]["Status"] in at_rest
        )
    )
    errors = eb.describe_events(EnvironmentName="theirs-env", Severity="ERROR")["Events"]
    return str(errors[-1]["Message"]) if errors else ""


@pytest.mark.parametrize(
    ("region", "ownership", "allowed", "error"),
    [
        ("ca-central-1", "BucketOwnerEnforced", "s3:*", "The bucket does not allow ACLs"),
        ("us-west-1", "BucketOwnerPreferred", "s3:Put*ject", "s3:PutObjectAcl"),
        ("us-west-2", "BucketOwnerPreferred", "s3:PutObject*", ""),
    ],
)
def test_beanstalk_writes_an_environments_data_with_an_acl(
    account: LocalAws, region: str, ownership: str, allowed: str, error: str
) -> None:
    """So that it launches none where ACLs are off, or where its service role can set none."""
    theirs = Neighbour(account, region, f"theirs-{region}")
    theirs.join()
    rules = {"Rules": [{"ObjectOwnership": ownership}]}
    theirs.client("s3").put_bucket_ownership_controls(Bucket=theirs.bucket, OwnershipControls=rules)
    iam, name = theirs.client("iam"), f"service-{region}"
    trust = {"Effect": "Allow", "Principal": {"Service": "elasticbeanstalk.amazonaws.com"}}
    trust["Action"] = "sts:AssumeRole"
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    put = {"Effect": "Allow", "Action": allowed, "Resource": f"arn:aws:s3:::{theirs.bucket}/*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [put]})
    iam.put_role_policy(RoleName=name, PolicyName="put", PolicyDocument=text)
    found = _launch(theirs, name)
    assert error in found
    assert bool(found) is bool(error)


def _balancer_tags(theirs: Neighbour) -> dict[str, str]:
    elb = theirs.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    (described,) = elb.describe_tags(ResourceArns=[balancer["LoadBalancerArn"]])["TagDescriptions"]
    return {tag["Key"]: tag["Value"] for tag in described["Tags"]}


def test_a_bucket_that_takes_no_acl_is_refused_before_anything_is_created(account: LocalAws) -> None:
    """The remedy is a command that works: after it the deployment is accepted."""
    theirs = Neighbour(account, "ap-south-1", "theirs-enforced")
    theirs.join()
    s3 = theirs.client("s3")
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=theirs.bucket, OwnershipControls=enforced)
    guest = context(account, file_of(theirs.region))
    with pytest.raises(Refused, match="no ACLs") as refused:
        deploy(guest)
    assert "BucketOwnerPreferred" in str(refused.value.remedy)
    assert theirs.client("cloudformation").describe_stacks()["Stacks"] == []
    assert Verdict.BAD in {result.verdict for result in check_shared_bucket(guest.deployment, guest.aws)}
    preferred = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=theirs.bucket, OwnershipControls=preferred)
    assert {r.outcome for r in deploy(guest, LAYERS)} == {StackOutcome.CREATED}
    destroy(guest)
    assert s3.get_bucket_ownership_controls(Bucket=theirs.bucket)["OwnershipControls"] == preferred


def test_a_bucket_that_is_not_there_is_refused(account: LocalAws) -> None:
    guest = context(account, file_of("ap-southeast-1"))
    with pytest.raises(Refused, match="does not exist"):
        deploy(guest)
