"""IAM enforced by the local AWS, over HTTP: who is allowed what, and the errors of refusals."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from testbed.servers.localaws import REGION, LocalAws

ACCOUNT = "123456789012"


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


@dataclass(frozen=True, slots=True)
class Role:
    """A role with one session, whose policy a test can change."""

    aws: LocalAws
    name: str
    credentials: dict[str, Any]

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{self.name}"

    def client(self, service: str, **config: Any) -> Any:
        return client(self.aws, service, *self.keys(), **config)

    def keys(self) -> tuple[str, str, str]:
        issued = self.credentials
        return issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]

    def allow(self, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
        self.aws.client("iam").put_role_policy(
            RoleName=self.name, PolicyName="all", PolicyDocument=json.dumps(document)
        )


def client(aws: LocalAws, service: str, key: str, secret: str, token: str | None, **config: Any) -> Any:
    return boto3.session.Session(key, secret, token, region_name=REGION).client(  # type: ignore[call-overload]
        service, endpoint_url=aws.endpoint, config=Config(retries={"max_attempts": 0}, **config)
    )


def new_role(aws: LocalAws, *, trust: dict[str, Any] | None = None, **more: Any) -> str:
    name = f"role-{uuid.uuid4().hex[:12]}"
    statement = trust or {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document, **more)
    return name


@pytest.fixture
def role(local_aws: LocalAws) -> Role:
    name = new_role(local_aws)
    made = local_aws.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="test"
    )
    return Role(local_aws, name, made["Credentials"])


def refused(call: Any, /, **parameters: Any) -> dict[str, Any]:
    """Assert that *call* is refused; return code, message and status."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    return {**response["Error"], "Status": response["ResponseMetadata"]["HTTPStatusCode"]}


JSON = ("AccessDeniedException", 400)
EVENT = {"Source": "s", "DetailType": "d", "Detail": "{}"}
PARAMETER = {"Value": "1", "Type": "String", "Overwrite": True}
# service, operation, resource of the allow, parameters allowed and denied, code and status of the refusal
SCOPED = [
    ("sqs", "create_queue", "mine", {"QueueName": "mine"}, {"QueueName": "other"}, "AccessDenied", 400),
    ("sns", "create_topic", "mine", {"Name": "mine"}, {"Name": "other"}, "AuthorizationError", 403),
    ("events", "create_event_bus", "event-bus/mine", {"Name": "mine"}, {"Name": "other"}, *JSON),
    (
        *("events", "put_events", "event-bus/default"),
        {"Entries": [EVENT]},
        {"Entries": [EVENT, {**EVENT, "EventBusName": "other"}]},
        *JSON,
    ),
    (
        *("logs", "create_log_group", "log-group:mine:*"),
        {"logGroupName": "mine"},
        {"logGroupName": "other"},
        *JSON,
    ),
    (
        *("ssm", "put_parameter", "parameter/mine/*"),
        {"Name": "/mine/a", **PARAMETER},
        {"Name": "/other/a", **PARAMETER},
        *JSON,
    ),
    (
        *("elasticbeanstalk", "create_application", "application/mine"),
        {"ApplicationName": "mine"},
        {"ApplicationName": "other"},
        *("AccessDenied", 403),
    ),
]


@pytest.mark.parametrize(("service", "operation", "named", "allowed", "denied", "code", "status"), SCOPED)
def test_an_allow_reaches_as_far_as_its_resource(
    role: Role,
    service: str,
    operation: str,
    named: str,
    allowed: dict[str, Any],
    denied: dict[str, Any],
    code: str,
    status: int,
) -> None:
    """Moto knows no resource for most services: an allow for one ARN denied all calls."""
    role.allow({"Action": f"{service}:*", "Resource": arn(service, named)})
    call = getattr(role.client(service), operation)
    call(**allowed)
    answer = refused(call, **denied)
    assert (answer["Code"], answer["Status"]) == (code, status)
    assert f"assumed-role/{role.name}/test is not authorized to perform: {service}:" in answer["Message"]


def test_functions_are_named_by_name_and_by_arn(role: Role) -> None:
    """An ARN in the path is signed double-encoded; only allowed callers learn what is missing."""
    role.allow({"Action": "lambda:*", "Resource": arn("lambda", "function:allowed")})
    functions = role.client("lambda")
    for name in ("allowed", arn("lambda", "function:allowed")):
        assert refused(functions.invoke, FunctionName=name)["Code"] == "ResourceNotFoundException"
        assert refused(functions.get_function, FunctionName=name)["Code"] == "ResourceNotFoundException"
    answer = refused(functions.invoke, FunctionName="other")
    assert (answer["Code"], answer["Status"]) == ("AccessDeniedException", 403)
    assert "lambda:InvokeFunction" in answer["Message"]


def test_databases_metrics_and_networks(role: Role) -> None:
    """One call of each query protocol, and a condition key of the request."""
    role.allow(
        {"Action": "rds:*", "Resource": arn("rds", "db:allowed")},
        {
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": "allowed"}},
        },
    )
    rds, metrics = role.client("rds"), role.client("cloudwatch")
    assert "NotFound" in refused(rds.describe_db_instances, DBInstanceIdentifier="allowed")["Code"]
    assert refused(rds.describe_db_instances, DBInstanceIdentifier="other")["Code"] == "AccessDenied"
    data = [{"MetricName": "m", "Value": 1}]
    metrics.put_metric_data(Namespace="allowed", MetricData=data)
    assert refused(metrics.put_metric_data, Namespace="other", MetricData=data)["Code"] == "AccessDenied"
    assert refused(role.client("ec2").describe_vpcs)["Code"] == "UnauthorizedOperation"
    assert refused(role.client("iam").list_roles)["Code"] == "AccessDenied"


def test_the_operator_is_never_refused(local_aws: LocalAws) -> None:
    """The operator's key needs no policy."""
    assert local_aws.client("iam").list_roles()["Roles"] is not None


WRONG_KEY = {
    "secretsmanager": ("list_secrets", "UnrecognizedClientException", "InvalidSignatureException"),
    "lambda": ("list_functions", "UnrecognizedClientException", "InvalidSignatureException"),
    "sts": ("get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    "s3": ("list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    "ec2": ("describe_vpcs", "AuthFailure", "AuthFailure"),
}


@pytest.mark.parametrize("service", WRONG_KEY)
def test_credentials_are_verified(role: Role, service: str) -> None:
    """An unknown key, a wrong secret and another session's token each have the service's own code."""
    operation, unknown, mismatch = WRONG_KEY[service]
    key, secret, token = role.keys()
    for keys, code in (
        (("AKIAUNKNOWN000000000", "x", None), unknown),
        ((key, "wrong", token), mismatch),
        ((key, secret, "wrong"), unknown),
    ):
        assert refused(getattr(client(role.aws, service, *keys), operation))["Code"] == code


def test_expired_credentials_are_refused(local_aws: LocalAws) -> None:
    """A session ends after its duration (moto accepts a negative one)."""
    name = new_role(local_aws)
    sts = client(local_aws, "sts", "AKIALOCALOPERATOR000", "operator", None, parameter_validation=False)
    issued = sts.assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="test", DurationSeconds=-1
    )["Credentials"]
    keys = issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]
    assert refused(client(local_aws, "kms", *keys).list_keys)["Code"] == "ExpiredTokenException"


def test_an_unsigned_request_is_refused(local_aws: LocalAws) -> None:
    """Without a signature there is no caller (moto takes such a call as one of S3)."""
    unsigned = Request(local_aws.endpoint, b"{}", {"X-Amz-Target": "secretsmanager.ListSecrets"})  # noqa: S310
    with pytest.raises(HTTPError) as caught:
        urlopen(unsigned)  # noqa: S310  an address of this test
    assert caught.value.code == 403
    assert b"AccessDenied" in caught.value.read()


# --- Secrets Manager and KMS --------------------------------------------------------------------------------


@pytest.fixture
def key(local_aws: LocalAws) -> str:
    made: str = local_aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    return made


def test_a_secret_under_a_customer_managed_key_needs_the_key(
    local_aws: LocalAws, role: Role, key: str
) -> None:
    """Reading needs kms:Decrypt, writing kms:GenerateDataKey too, all through the service."""
    name = f"app/{uuid.uuid4().hex}"
    made = local_aws.client("secretsmanager").create_secret(Name=name, SecretString="v", KmsKeyId=key)
    secrets = {"Action": "secretsmanager:*", "Resource": arn("secretsmanager", f"secret:{name}-??????")}
    via = {
        "StringEquals": {
            "kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com",
            "kms:EncryptionContext:SecretARN": made["ARN"],
        }
    }
    decrypt = {"Action": "kms:Decrypt", "Resource": key, "Condition": via}
    generate = {"Action": "kms:GenerateDataKey", "Resource": key, "Condition": via}
    mine = role.client("secretsmanager")

    role.allow(secrets)
    answer = refused(mine.get_secret_value, SecretId=name)
    assert (answer["Code"], answer["Message"]) == ("AccessDeniedException", "Access to KMS is not allowed")
    assert mine.describe_secret(SecretId=name)["Name"] == name  # metadata needs no key

    role.allow(secrets, decrypt)
    assert mine.get_secret_value(SecretId=name)["SecretString"] == "v"
    assert refused(mine.put_secret_value, SecretId=name, SecretString="w")["Code"] == "AccessDeniedException"
    assert refused(role.client("kms").describe_key, KeyId=key)["Code"] == "AccessDeniedException"

    role.allow(secrets, generate)
    assert refused(mine.put_secret_value, SecretId=name, SecretString="w")["Code"] == "AccessDeniedException"

    role.allow(secrets, decrypt, generate)
    mine.put_secret_value(SecretId=name, SecretString="w")


@pytest.mark.parametrize(
    ("of_new", "of_old", "reencrypted"),
    [
        (["kms:GenerateDataKey", "kms:Decrypt"], ["kms:Decrypt"], False),
        (["kms:GenerateDataKey", "kms:Decrypt", "kms:Encrypt"], [], False),
        (["kms:GenerateDataKey", "kms:Decrypt", "kms:Encrypt"], ["kms:Decrypt"], True),
    ],
)
def test_another_key_reencrypts_only_where_the_caller_may_encrypt_with_it(
    local_aws: LocalAws, role: Role, key: str, of_new: list[str], of_old: list[str], reencrypted: bool
) -> None:
    """Otherwise the value stays under the old key, and UpdateSecret succeeds all the same.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecret.html
    """
    kms, secrets = local_aws.client("kms"), local_aws.client("secretsmanager")
    name, old = f"app/{uuid.uuid4().hex}", kms.create_key()["KeyMetadata"]["Arn"]
    secrets.create_secret(Name=name, SecretString="v", KmsKeyId=old)
    role.allow(
        {"Action": "secretsmanager:*", "Resource": arn("secretsmanager", f"secret:{name}-??????")},
        {"Action": of_new, "Resource": key},
        *([{"Action": of_old, "Resource": old}] if of_old else []),
    )
    role.client("secretsmanager").update_secret(SecretId=name, KmsKeyId=key)
    assert secrets.describe_secret(SecretId=name)["KmsKeyId"] == key
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "v"  # by either key
    kms.disable_key(KeyId=old.rpartition("/")[2])  # moto takes no ARN here
    if reencrypted:
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == "v"
    else:
        assert refused(secrets.get_secret_value, SecretId=name)["Code"] == "DecryptionFailure"
    role.client("secretsmanager").put_secret_value(SecretId=name, SecretString="w")
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "w"


def test_the_key_policy_has_the_last_word(local_aws: LocalAws, role: Role, key: str) -> None:
    """Unless the key policy delegates to the account, IAM policies have no effect on a key."""
    role.allow({"Action": "kms:*", "Resource": "*"})
    role.client("kms").describe_key(KeyId=key)
    administrators = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/administrator"},
        "Action": "kms:*",
        "Resource": "*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [administrators]})
    local_aws.client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=document)
    assert refused(role.client("kms").describe_key, KeyId=key)["Code"] == "AccessDeniedException"


def test_permissions_by_tag_and_by_stage(local_aws: LocalAws, role: Role) -> None:
    """Conditions on the resource's tags, the request's tags and the requested version stage."""
    tags = {"mine": [{"Key": "owner", "Value": "me"}], "theirs": [{"Key": "owner", "Value": "them"}]}
    names = {whose: f"{whose}-{uuid.uuid4().hex}" for whose in tags}
    for whose, name in names.items():
        local_aws.client("secretsmanager").create_secret(Name=name, SecretString="v", Tags=tags[whose])
    role.allow(
        {
            "Action": ["secretsmanager:GetSecretValue"],
            "Resource": "*",
            "Condition": {
                "StringEquals": {
                    "secretsmanager:ResourceTag/owner": "me",
                    "aws:ResourceTag/owner": "me",
                    "secretsmanager:VersionStage": "AWSCURRENT",
                }
            },
        },
        {
            "Action": "secretsmanager:CreateSecret",
            "Resource": "*",
            "Condition": {
                "StringEquals": {"aws:RequestTag/owner": "me"},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["owner"]},
            },
        },
    )
    secrets = role.client("secretsmanager")
    secrets.get_secret_value(SecretId=names["mine"])
    denied = "AccessDeniedException"
    assert refused(secrets.get_secret_value, SecretId=names["theirs"])["Code"] == denied
    assert (
        refused(secrets.get_secret_value, SecretId=names["mine"], VersionStage="AWSPREVIOUS")["Code"]
        == denied
    )
    new = {"Name": uuid.uuid4().hex, "SecretString": "v"}
    assert refused(secrets.create_secret, **new, Tags=tags["theirs"])["Code"] == denied
    more = [*tags["mine"], {"Key": "other", "Value": "x"}]
    assert refused(secrets.create_secret, **new, Tags=more)["Code"] == denied
    secrets.create_secret(**new, Tags=tags["mine"])


def test_a_secrets_own_policy_allows_and_denies(local_aws: LocalAws, role: Role) -> None:
    """Within the account the resource policy suffices, and its deny beats the role's allow."""
    name = uuid.uuid4().hex
    admin, mine = local_aws.client("secretsmanager"), role.client("secretsmanager")
    admin.create_secret(Name=name, SecretString="v")
    for effect in ("Allow", "Deny"):
        statement = {
            "Effect": effect,
            "Principal": {"AWS": role.arn},
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "*",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        admin.put_resource_policy(SecretId=name, ResourcePolicy=document)
        if effect == "Allow":
            assert mine.get_secret_value(SecretId=name)["SecretString"] == "v"
    role.allow({"Action": "*", "Resource": "*"})
    assert "explicit deny" in refused(mine.get_secret_value, SecretId=name)["Message"]


def test_a_batch_needs_permission_for_each_secret(local_aws: LocalAws, role: Role) -> None:
    """Permission for BatchGetSecretValue alone is not enough."""
    names = [uuid.uuid4().hex for _ in range(2)]
    for name in names:
        local_aws.client("secretsmanager").create_secret(Name=name, SecretString="v")
    batch = {"Action": "secretsmanager:BatchGetSecretValue", "Resource": "*"}
    one = {
        "Action": "secretsmanager:GetSecretValue",
        "Resource": arn("secretsmanager", f"secret:{names[0]}-*"),
    }
    role.allow(batch, one)
    secrets = role.client("secretsmanager")
    assert len(secrets.batch_get_secret_value(SecretIdList=names[:1])["SecretValues"]) == 1
    refused(secrets.batch_get_secret_value, SecretIdList=names)
    refused(secrets.batch_get_secret_value, Filters=[{"Key": "name", "Values": names[:1]}])


# --- roles --------------------------------------------------------------------------------------------------


def test_a_role_is_assumed_if_its_trust_policy_allows_it(local_aws: LocalAws, role: Role) -> None:
    """The external id is required; a role that trusts others is refused in spite of any permission."""
    role.allow({"Action": "sts:AssumeRole", "Resource": "*"})
    account = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    condition = {"StringEquals": {"sts:ExternalId": "known"}}
    trust = {"Effect": "Allow", "Principal": account, "Action": "sts:AssumeRole", "Condition": condition}
    parameters = {
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{new_role(local_aws, trust=trust)}",
        "RoleSessionName": "test",
    }
    sts = role.client("sts")
    sts.assume_role(**parameters, ExternalId="known")
    assert refused(sts.assume_role, **parameters)["Code"] == "AccessDenied"
    assert refused(sts.assume_role, **parameters, ExternalId="other")["Code"] == "AccessDenied"

    service = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    other = f"arn:aws:iam::{ACCOUNT}:role/{new_role(local_aws, trust=service)}"
    assert refused(sts.assume_role, RoleArn=other, RoleSessionName="test")["Code"] == "AccessDenied"


def test_a_permissions_boundary_and_a_session_policy_limit_a_role(local_aws: LocalAws) -> None:
    """Each of them must allow what the role's own policy allows."""
    statement = {"Effect": "Allow", "Action": ["sqs:*", "sns:*"], "Resource": "*"}
    boundary = local_aws.client("iam").create_policy(
        PolicyName=uuid.uuid4().hex,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )["Policy"]["Arn"]
    name = new_role(local_aws, PermissionsBoundary=boundary)
    session = {"Version": "2012-10-17", "Statement": [{**statement, "Action": ["sqs:*", "kms:*"]}]}
    made = local_aws.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="test", Policy=json.dumps(session)
    )
    limited = Role(local_aws, name, made["Credentials"])
    limited.allow({"Action": "*", "Resource": "*"})
    limited.client("sqs").list_queues()
    refused(limited.client("sns").list_topics)  # the session policy is silent
    refused(limited.client("kms").list_keys)  # the boundary is silent


def test_a_users_groups_grant_permissions(local_aws: LocalAws) -> None:
    """Long-term keys, with the group's managed policy."""
    iam, name = local_aws.client("iam"), uuid.uuid4().hex
    statement = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    policy = iam.create_policy(
        PolicyName=name, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )["Policy"]["Arn"]
    iam.create_user(UserName=name)
    iam.create_group(GroupName=name)
    iam.attach_group_policy(GroupName=name, PolicyArn=policy)
    issued = iam.create_access_key(UserName=name)["AccessKey"]
    queues = client(local_aws, "sqs", issued["AccessKeyId"], issued["SecretAccessKey"], None)
    refused(queues.list_queues)
    iam.add_user_to_group(UserName=name, GroupName=name)
    queues.list_queues()


def test_a_forwarded_caller_identity_is_verified(role: Role) -> None:
    """Vault's AWS login forwards a signed GetCallerIdentity; header and body are covered by the signature."""
    body = "Action=GetCallerIdentity&Version=2011-06-15"

    def forwarded(server_id: str) -> bytes:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Vault-AWS-IAM-Server-ID": "vault.example",
        }
        request = AWSRequest("POST", role.aws.endpoint, headers, body)
        SigV4Auth(Credentials(*role.keys()), "sts", REGION).add_auth(request)
        sent = dict(request.headers.items()) | {"X-Vault-AWS-IAM-Server-ID": server_id}
        with urlopen(Request(role.aws.endpoint, body.encode(), sent)) as answer:  # noqa: S310
            read: bytes = answer.read()
        return read

    assert f"assumed-role/{role.name}/test".encode() in forwarded("vault.example")
    with pytest.raises(HTTPError) as caught:
        forwarded("elsewhere.example")
    assert caught.value.code == 403


# --- S3 -----------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(local_aws: LocalAws, role: Role) -> str:
    """A bucket that requires TLS, with two objects, one of which the role can read."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    tls_only = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [tls_only]}))
    for name_of in ("mine/a b", "theirs"):
        s3.put_object(Bucket=name, Key=name_of, Body=b"content")
    role.allow({"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/mine/*"})
    return name


def test_a_bucket_that_requires_tls_can_be_used(role: Role, bucket: str) -> None:
    """A TLS-only bucket policy made every object call 403 in moto; loopback counts as TLS here."""
    s3 = role.client("s3")
    assert s3.get_object(Bucket=bucket, Key="mine/a b")["Body"].read() == b"content"
    assert refused(s3.get_object, Bucket=bucket, Key="theirs")["Code"] == "AccessDenied"
    assert refused(s3.list_objects_v2, Bucket=bucket)["Code"] == "AccessDenied"
    assert refused(s3.put_object, Bucket=bucket, Key="mine/c", Body=b"")["Code"] == "AccessDenied"


ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
EXPIRY = {"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}]}
# The permission, the operation that needs it, its parameters beside the bucket.
RENAMED = [
    ("GetEncryptionConfiguration", "get_bucket_encryption", {}),
    (
        "PutEncryptionConfiguration",
        "put_bucket_encryption",
        {"ServerSideEncryptionConfiguration": ENCRYPTION},
    ),
    ("PutEncryptionConfiguration", "delete_bucket_encryption", {}),
    ("GetLifecycleConfiguration", "get_bucket_lifecycle_configuration", {}),
    ("PutLifecycleConfiguration", "put_bucket_lifecycle_configuration", {"LifecycleConfiguration": EXPIRY}),
    ("PutLifecycleConfiguration", "delete_bucket_lifecycle", {}),
    ("GetReplicationConfiguration", "get_bucket_replication", {}),
    ("GetBucketPublicAccessBlock", "get_public_access_block", {}),
    ("PutBucketOwnershipControls", "delete_bucket_ownership_controls", {}),
    ("PutBucketTagging", "delete_bucket_tagging", {}),
    ("ListBucketVersions", "list_object_versions", {}),
    ("ListBucket", "list_objects_v2", {}),
    ("ListBucket", "head_bucket", {}),
]


@pytest.mark.parametrize(("permission", "operation", "more"), RENAMED)
def test_s3s_permissions_have_their_own_names(
    role: Role, bucket: str, permission: str, operation: str, more: dict[str, Any]
) -> None:
    """Only the permission that the service's reference names for an operation lets it through."""

    def code() -> str:
        try:
            getattr(role.client("s3"), operation)(Bucket=bucket, **more)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    bucket_arn = f"arn:aws:s3:::{bucket}"
    role.allow({"NotAction": f"s3:{permission}", "Resource": bucket_arn})
    assert code() in ("AccessDenied", "403")
    ours = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
    role.allow({"Action": f"s3:{permission}", "Resource": bucket_arn, "Condition": ours})
    assert code() not in ("AccessDenied", "403")


def test_reading_an_older_version_needs_its_own_permission(role: Role, bucket: str) -> None:
    """`s3:GetObject` alone reads only the current version."""
    operators = role.aws.client("s3")
    operators.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = operators.put_object(Bucket=bucket, Key="mine/a b", Body=b"newer")["VersionId"]
    one = {"Bucket": bucket, "Key": "mine/a b", "VersionId": version}
    assert refused(role.client("s3").get_object, **one)["Code"] == "AccessDenied"
    role.allow({"Action": "s3:GetObjectVersion", "Resource": f"arn:aws:s3:::{bucket}/mine/*"})
    assert role.client("s3").get_object(**one)["Body"].read() == b"newer"


@pytest.mark.parametrize("version", ["s3v4", "s3-query"])
def test_a_presigned_url_has_the_signers_permissions(role: Role, bucket: str, version: str) -> None:
    """In both of boto3's signature versions; an altered or unsigned URL is refused."""
    s3 = role.client("s3", signature_version=version)

    def address(key: str) -> str:
        url: str = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        return url

    with urlopen(address("mine/a b")) as answer:  # noqa: S310  an address of this test
        assert answer.read() == b"content"
    for url in (
        address("theirs"),
        address("mine/a b").replace("mine/", "theirs"),
        address("mine/a b").split("?")[0],
    ):
        with pytest.raises(HTTPError) as caught:
            urlopen(url)  # noqa: S310
        assert caught.value.code == 403


def test_a_publisher_to_an_encrypted_topic_needs_its_key(local_aws: LocalAws, role: Role) -> None:
    """As in SNS, which encrypts with the rights of whoever publishes."""
    key = local_aws.client("kms").create_key()["KeyMetadata"]
    topic = local_aws.client("sns").create_topic(
        Name=f"encrypted-{uuid.uuid4().hex}", Attributes={"KmsMasterKeyId": key["KeyId"]}
    )["TopicArn"]
    publish = {"Action": "sns:Publish", "Resource": topic}
    role.allow(publish)
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        role.client("sns").publish(TopicArn=topic, Message="hello")
    through = {"StringEquals": {"kms:ViaService": f"sns.{REGION}.amazonaws.com"}}
    use = {"Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": key["Arn"], "Condition": through}
    role.allow(publish, use)
    role.client("sns").publish(TopicArn=topic, Message="hello")
