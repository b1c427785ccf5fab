"""Story of templates/policies/ and templates/log_groups.py.

`templates.policies` as behaviour: for each role, calls that must be allowed and that must be denied.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from testbed.localaws.authorization.policy import AccessRequest, Decision, evaluate
from tests.unit.templates.renders import (
    ACCOUNT,
    CONFIGURATIONS,
    REGION,
    deployment,
    layers,
    resolve,
    resources,
)

NAME = "full"  # the name of the configuration `everything`
ARN = f"{REGION}:{ACCOUNT}"
SECRETS_KEY, FUNCTION_KEY, DATA_KEY = (
    f"arn:aws:kms:{ARN}:key/{key}" for key in ("SecretsKey", "FunctionKey", "DataKey")
)
BUS = f"arn:aws:events:{ARN}:event-bus/{NAME}-beanvault"
TOPIC = f"arn:aws:sns:{ARN}:{NAME}-alerts"
CONNECTION = f"arn:aws:secretsmanager:{ARN}:secret:{NAME}-connection-AbCdEf"
APP_SECRET = f"arn:aws:secretsmanager:{ARN}:secret:{NAME}/app/database-AbCdEf"
OTHER_SECRET = f"arn:aws:secretsmanager:{ARN}:secret:payroll/database-AbCdEf"
REPLICATED = f"arn:aws:secretsmanager:{ARN}:secret:{NAME}/team/api-AbCdEf"
NEIGHBOUR = f"arn:aws:secretsmanager:{ARN}:secret:{NAME}/app/database-of-others-AbCdEf"

OWNED = {"secretsmanager:ResourceTag/beanvault:owner": NAME}
FOREIGN = {"secretsmanager:ResourceTag/beanvault:owner": "somebody"}
CLAIM = {"aws:RequestTag/beanvault:owner": NAME, "aws:TagKeys": ("beanvault:owner", "beanvault:source")}
IN_CODE = {"lambda:SourceFunctionArn": f"arn:aws:lambda:{ARN}:function:{NAME}-replicator"}


def _via(service: str, secret: str | None = None) -> dict[str, str]:
    context = {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}
    return context | ({"kms:EncryptionContext:SecretARN": secret} if secret else {})


def _event(source: str, detail_type: str) -> dict[str, str]:
    return {"events:source": source, "events:detail-type": detail_type}


def policies_of(configuration: str, layer: str, role: str) -> list[Mapping[str, Any]]:
    """Return the role's own policies, with every reference resolved."""
    template = layers(configuration)[layer]["Resources"]
    attached = template[role]["Properties"]["ManagedPolicyArns"]
    own = [template[arn["Ref"]] for arn in attached if isinstance(arn, dict) and "Ref" in arn]
    assert own, f"{role} has no policy of its own"
    return [resolve(policy["Properties"]["PolicyDocument"], configuration, layer) for policy in own]


def _decision(
    role: tuple[str, str], action: str, resource: str, context: Mapping[str, Any], configuration: str
) -> Decision:
    principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role[1]}/session"
    return evaluate(policies_of(configuration, *role), AccessRequest(action, resource, principal, context))


FUNCTION = ("replicator", "FunctionRole")
INSTANCE = ("environment", "InstanceRole")
SERVICE = ("environment", "ServiceRole")

Call = tuple[str, str, Mapping[str, Any]]

FUNCTION_ALLOWED: list[Call] = [
    ("secretsmanager:ListSecrets", "*", {}),
    ("secretsmanager:DescribeSecret", REPLICATED, {}),
    ("secretsmanager:CreateSecret", REPLICATED, CLAIM),
    ("secretsmanager:TagResource", REPLICATED, CLAIM),
    ("secretsmanager:PutSecretValue", REPLICATED, OWNED),
    ("secretsmanager:UpdateSecretVersionStage", REPLICATED, OWNED),
    ("secretsmanager:UpdateSecret", REPLICATED, OWNED),
    ("secretsmanager:DeleteSecret", REPLICATED, OWNED),
    ("secretsmanager:RestoreSecret", REPLICATED, OWNED),
    ("secretsmanager:TagResource", REPLICATED, OWNED | {"aws:TagKeys": ("beanvault:version",)}),
    ("secretsmanager:UntagResource", REPLICATED, OWNED | {"aws:TagKeys": ("team",)}),
    ("secretsmanager:ReplicateSecretToRegions", REPLICATED, OWNED),
    ("secretsmanager:GetSecretValue", CONNECTION, {}),
    ("secretsmanager:DescribeSecret", CONNECTION, {}),
    ("secretsmanager:PutSecretValue", CONNECTION, {}),
    ("secretsmanager:TagResource", CONNECTION, {"aws:TagKeys": ("beanvault:health",)}),
    ("kms:GenerateDataKey", SECRETS_KEY, _via("secretsmanager", REPLICATED)),
    ("kms:Encrypt", SECRETS_KEY, _via("secretsmanager", REPLICATED)),
    ("kms:Decrypt", SECRETS_KEY, _via("secretsmanager", REPLICATED)),
    ("kms:Decrypt", FUNCTION_KEY, _via("secretsmanager", CONNECTION)),
    ("kms:Decrypt", FUNCTION_KEY, _via("lambda")),
    ("kms:GenerateDataKey", FUNCTION_KEY, _via("sqs")),
    ("kms:GenerateDataKey", DATA_KEY, _via("sns")),
    ("sns:Publish", TOPIC, {}),
    ("events:PutEvents", BUS, _event("beanvault.replicator", "Secret Replicated")),
    ("events:PutEvents", BUS, _event("beanvault", "Replication Requested")),
    ("sqs:SendMessage", f"arn:aws:sqs:{ARN}:{NAME}-replicator-failed", {}),
    ("logs:PutLogEvents", f"arn:aws:logs:{ARN}:log-group:/aws/lambda/{NAME}-replicator:log-stream:1", {}),
    ("xray:PutTraceSegments", "*", {}),
    ("ec2:CreateNetworkInterface", f"arn:aws:ec2:{ARN}:subnet/subnet-1", {}),
]

FUNCTION_DENIED: list[Call] = [
    # The writer can't read.
    ("secretsmanager:GetSecretValue", REPLICATED, OWNED),
    ("secretsmanager:GetSecretValue", APP_SECRET, OWNED),
    ("secretsmanager:GetSecretValue", OTHER_SECRET, {}),
    ("secretsmanager:BatchGetSecretValue", "*", {}),
    ("kms:Decrypt", SECRETS_KEY, {}),
    ("kms:Decrypt", SECRETS_KEY, _via("secretsmanager", OTHER_SECRET)),
    # What isn't ours stays as it is.
    ("secretsmanager:PutSecretValue", REPLICATED, {}),
    ("secretsmanager:PutSecretValue", REPLICATED, FOREIGN),
    ("secretsmanager:DeleteSecret", REPLICATED, FOREIGN),
    ("secretsmanager:UpdateSecretVersionStage", REPLICATED, FOREIGN),
    ("secretsmanager:TagResource", REPLICATED, FOREIGN | CLAIM),
    ("secretsmanager:CreateSecret", REPLICATED, {}),
    ("secretsmanager:CreateSecret", REPLICATED, {"aws:RequestTag/beanvault:owner": "somebody"}),
    # Nothing outside of the prefix.
    ("secretsmanager:CreateSecret", OTHER_SECRET, CLAIM),
    ("secretsmanager:PutSecretValue", OTHER_SECRET, OWNED),
    ("secretsmanager:DeleteSecret", CONNECTION, OWNED),
    ("secretsmanager:TagResource", CONNECTION, {"aws:TagKeys": ("beanvault:owner",)}),
    ("secretsmanager:TagResource", CONNECTION, {"aws:TagKeys": ("beanvault:health", "other")}),
    # Ownership stays, and deletion waits.
    ("secretsmanager:TagResource", REPLICATED, OWNED | {"aws:RequestTag/beanvault:owner": "somebody"}),
    ("secretsmanager:UntagResource", REPLICATED, OWNED | {"aws:TagKeys": ("beanvault:owner",)}),
    ("secretsmanager:UntagResource", REPLICATED, OWNED | {"aws:TagKeys": ("team", "beanvault:source")}),
    (
        "secretsmanager:DeleteSecret",
        REPLICATED,
        OWNED | {"secretsmanager:ForceDeleteWithoutRecovery": "true"},
    ),
    # Events only of its own two kinds, only on its own bus.
    ("events:PutEvents", BUS, _event("aws.health", "Replication Requested")),
    ("events:PutEvents", BUS, _event("beanvault", "Secret Replicated")),
    (
        "events:PutEvents",
        f"arn:aws:events:{ARN}:event-bus/default",
        _event("beanvault", "Replication Requested"),
    ),
    # No other way around.
    ("sns:Publish", f"arn:aws:sns:{ARN}:other", {}),
    ("kms:Decrypt", DATA_KEY, _via("s3")),
    ("kms:PutKeyPolicy", SECRETS_KEY, {}),
    ("kms:CreateGrant", SECRETS_KEY, {}),
    ("secretsmanager:PutResourcePolicy", REPLICATED, OWNED),
    ("iam:AttachRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/FunctionRole", {}),
    ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {}),
    ("lambda:UpdateFunctionCode", f"arn:aws:lambda:{ARN}:function:{NAME}-replicator", {}),
    ("ec2:CreateNetworkInterface", f"arn:aws:ec2:{ARN}:subnet/subnet-1", IN_CODE),
    ("logs:PutLogEvents", f"arn:aws:logs:{ARN}:log-group:/aws/lambda/other:log-stream:1", {}),
    ("s3:GetObject", "arn:aws:s3:::any/thing", {}),
]

BUNDLES = f"arn:aws:s3:::elasticbeanstalk-{REGION}-{ACCOUNT}"

INSTANCE_ALLOWED: list[Call] = [
    ("secretsmanager:GetSecretValue", APP_SECRET, OWNED),
    ("secretsmanager:DescribeSecret", APP_SECRET, OWNED),
    ("kms:Decrypt", SECRETS_KEY, _via("secretsmanager", APP_SECRET)),
    ("events:PutEvents", BUS, _event("beanvault", "Replication Requested")),
    ("s3:GetObject", f"{BUNDLES}/{NAME}/version-1.zip", {}),
    ("s3:GetObject", f"{BUNDLES}/resources/environments/e-1/_runtime/versions/manifest", {}),
    ("s3:PutObject", f"{BUNDLES}/resources/environments/logs/publish/e-1/i-1/log.gz", {}),
    (
        "logs:PutLogEvents",
        f"arn:aws:logs:{ARN}:log-group:/aws/elasticbeanstalk/{NAME}-app/var/log/x:log-stream:i",
        {},
    ),
    (
        "elasticbeanstalk:PutInstanceStatistics",
        f"arn:aws:elasticbeanstalk:{ARN}:environment/{NAME}/{NAME}-app",
        {},
    ),
    ("ssmmessages:OpenDataChannel", "*", {}),
]

INSTANCE_DENIED: list[Call] = [
    ("secretsmanager:GetSecretValue", REPLICATED, OWNED),
    ("secretsmanager:GetSecretValue", NEIGHBOUR, OWNED),
    ("secretsmanager:GetSecretValue", OTHER_SECRET, {}),
    ("secretsmanager:GetSecretValue", CONNECTION, {}),
    ("secretsmanager:BatchGetSecretValue", "*", {}),
    ("secretsmanager:ListSecrets", "*", {}),
    ("secretsmanager:PutSecretValue", APP_SECRET, OWNED),
    ("secretsmanager:UpdateSecretVersionStage", APP_SECRET, OWNED),
    ("secretsmanager:DeleteSecret", APP_SECRET, OWNED),
    ("kms:Decrypt", SECRETS_KEY, {}),
    ("kms:Decrypt", SECRETS_KEY, _via("secretsmanager", REPLICATED)),
    ("kms:Decrypt", FUNCTION_KEY, _via("secretsmanager", CONNECTION)),
    ("kms:GenerateDataKey", SECRETS_KEY, _via("secretsmanager", APP_SECRET)),
    ("events:PutEvents", BUS, _event("beanvault.replicator", "Secret Replicated")),
    (
        "events:PutEvents",
        f"arn:aws:events:{ARN}:event-bus/default",
        _event("beanvault", "Replication Requested"),
    ),
    ("lambda:InvokeFunction", f"arn:aws:lambda:{ARN}:function:{NAME}-replicator", {}),
    ("rds-db:connect", f"arn:aws:rds-db:{ARN}:dbuser:db-1/app_iam", {}),
    ("s3:PutObject", f"{BUNDLES}/{NAME}/version-1.zip", {}),
    ("s3:GetObject", f"{BUNDLES}/other/version-1.zip", {}),
    ("s3:DeleteObject", f"{BUNDLES}/resources/environments/logs/publish/e-1/i-1/log.gz", {}),
    ("ssm:GetParameter", f"arn:aws:ssm:{ARN}:parameter/any", {}),
    ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/FunctionRole", {}),
    ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/FunctionRole", {}),
]

SERVICE_ALLOWED: list[Call] = [
    ("kms:GenerateDataKey", DATA_KEY, _via("sns")),
]
SERVICE_DENIED: list[Call] = [
    ("kms:Decrypt", DATA_KEY, {}),
    ("kms:Decrypt", SECRETS_KEY, _via("sns")),
    ("secretsmanager:GetSecretValue", APP_SECRET, {}),
]


MASTER = f"arn:aws:secretsmanager:{ARN}:secret:rds!db-0001-AbCdEf"
HOST_KEY = f"arn:aws:kms:{ARN}:key/VaultKey"
HOST_DISK = f"arn:aws:ec2:{ARN}:volume/DataVolume"
MACHINE = f"arn:aws:ec2:{ARN}:instance/i-1"
OF_THE_GROUP = {"aws:ResourceTag/aws:autoscaling:groupName": f"{NAME}-vault"}
ZONE = "arn:aws:route53:::hostedzone/HostedZone"
OWN_RECORD = {
    "route53:ChangeResourceRecordSetsActions": ("UPSERT",),
    "route53:ChangeResourceRecordSetsNormalizedRecordNames": (f"vault.{NAME}.internal",),
    "route53:ChangeResourceRecordSetsRecordTypes": ("A",),
}


def _logs(group: str) -> str:
    return f"arn:aws:logs:{ARN}:log-group:{group}:log-stream:1"


# By role: calls that must be allowed and denied. Those of the function and the instances are above.
OTHERS: Mapping[tuple[str, str], tuple[list[Call], list[Call]]] = {
    SERVICE: (SERVICE_ALLOWED, SERVICE_DENIED),
    ("network", "FlowLogRole"): (
        [("logs:PutLogEvents", _logs(f"/beanvault/{NAME}/flow"), {})],
        [
            ("logs:PutLogEvents", _logs("/beanvault/other/flow"), {}),
            ("logs:CreateLogGroup", f"arn:aws:logs:{ARN}:log-group:/beanvault/{NAME}/flow", {}),
            ("logs:DeleteLogStream", _logs(f"/beanvault/{NAME}/flow"), {}),
        ],
    ),
    ("network", "NetworkSetupRole"): (
        [
            ("ec2:DescribeSecurityGroups", "*", {}),
            (
                "ec2:RevokeSecurityGroupIngress",
                f"arn:aws:ec2:{ARN}:security-group/Vpc.DefaultSecurityGroup",
                {},
            ),
            ("logs:PutLogEvents", _logs(f"/aws/lambda/{NAME}-network-setup"), {}),
        ],
        [
            ("ec2:RevokeSecurityGroupIngress", f"arn:aws:ec2:{ARN}:security-group/sg-1", {}),
            (
                "ec2:AuthorizeSecurityGroupIngress",
                f"arn:aws:ec2:{ARN}:security-group/Vpc.DefaultSecurityGroup",
                {},
            ),
            ("ec2:EnableEbsEncryptionByDefault", "*", {}),  # the region is also others'
            ("ec2:DisableEbsEncryptionByDefault", "*", {}),
        ],
    ),
    ("data", "BootstrapRole"): (
        [
            ("secretsmanager:GetSecretValue", MASTER, {}),
            ("kms:Decrypt", DATA_KEY, _via("secretsmanager", MASTER)),
            ("ec2:CreateNetworkInterface", f"arn:aws:ec2:{ARN}:subnet/subnet-1", {}),
            ("logs:PutLogEvents", _logs(f"/aws/lambda/{NAME}-bootstrap"), {}),
        ],
        [
            ("secretsmanager:GetSecretValue", APP_SECRET, {}),
            ("secretsmanager:GetSecretValue", CONNECTION, {}),
            ("secretsmanager:BatchGetSecretValue", "*", {}),
            ("secretsmanager:PutSecretValue", MASTER, {}),
            ("kms:Decrypt", DATA_KEY, {}),
            ("kms:Decrypt", SECRETS_KEY, _via("secretsmanager", APP_SECRET)),
            ("rds:ModifyDBInstance", f"arn:aws:rds:{ARN}:db:{NAME}-database", {}),
            ("s3:GetObject", f"arn:aws:s3:::elasticbeanstalk-{REGION}-{ACCOUNT}/any", {}),
        ],
    ),
    ("data", "ProxyRole"): (
        [
            ("secretsmanager:GetSecretValue", APP_SECRET, {}),
            ("kms:Decrypt", SECRETS_KEY, _via("secretsmanager", APP_SECRET)),
        ],
        [
            ("secretsmanager:GetSecretValue", MASTER, {}),
            ("secretsmanager:GetSecretValue", NEIGHBOUR, {}),
            ("secretsmanager:PutSecretValue", APP_SECRET, {}),
            ("kms:Decrypt", SECRETS_KEY, {}),
            ("kms:Decrypt", SECRETS_KEY, _via("secretsmanager", REPLICATED)),
            ("kms:Decrypt", DATA_KEY, _via("secretsmanager", MASTER)),
        ],
    ),
    ("vault", "HostRole"): (
        [
            ("kms:GenerateDataKeyWithoutPlaintext", HOST_KEY, {}),
            ("kms:Decrypt", HOST_KEY, {}),
            ("ec2:AttachVolume", HOST_DISK, {}),
            ("ec2:AttachVolume", MACHINE, OF_THE_GROUP),
            (
                "kms:CreateGrant",
                HOST_KEY,
                {"kms:GrantIsForAWSResource": "true", **_via("ec2")},
            ),
            ("route53:ChangeResourceRecordSets", ZONE, OWN_RECORD),
            ("ssm:PutParameter", f"arn:aws:ssm:{ARN}:parameter/beanvault/{NAME}/vault-ca", {}),
            ("ssmmessages:OpenDataChannel", "*", {}),
            ("ssm:UpdateInstanceInformation", MACHINE, {}),
        ],
        [
            ("kms:Decrypt", SECRETS_KEY, {}),
            ("kms:GenerateDataKey", HOST_KEY, {}),
            ("kms:CreateGrant", HOST_KEY, {}),
            ("kms:ScheduleKeyDeletion", HOST_KEY, {}),
            ("ec2:AttachVolume", f"arn:aws:ec2:{ARN}:volume/other", {}),
            ("ec2:AttachVolume", MACHINE, {}),
            ("ec2:DetachVolume", HOST_DISK, {}),
            (
                "route53:ChangeResourceRecordSets",
                ZONE,
                OWN_RECORD | {"route53:ChangeResourceRecordSetsActions": ("DELETE",)},
            ),
            (
                "route53:ChangeResourceRecordSets",
                ZONE,
                OWN_RECORD | {"route53:ChangeResourceRecordSetsNormalizedRecordNames": ("other.internal",)},
            ),
            ("ssm:PutParameter", f"arn:aws:ssm:{ARN}:parameter/any", {}),
            ("ssm:GetParameter", f"arn:aws:ssm:{ARN}:parameter/any", {}),
            ("secretsmanager:GetSecretValue", APP_SECRET, {}),
            ("secretsmanager:ListSecrets", "*", {}),
            ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/FunctionRole", {}),
        ],
    ),
}
BUCKET_IN_PLACE = ("storage", "BucketHardeningRole")
HARDENING: list[tuple[str, str, bool]] = [
    ("s3:PutEncryptionConfiguration", BUNDLES, False),
    ("s3:PutBucketLogging", BUNDLES, False),
    ("s3:PutBucketOwnershipControls", BUNDLES, False),
    ("s3:PutBucketPolicy", BUNDLES, True),
    ("s3:PutLifecycleConfiguration", BUNDLES, True),
    ("s3:PutBucketPolicy", "arn:aws:s3:::somebodys", False),
    ("s3:GetObject", f"{BUNDLES}/any", False),
    ("s3:DeleteBucket", BUNDLES, False),
    ("s3:DeleteBucketPolicy", BUNDLES, True),
]
ONLY_AWS_POLICIES = {("data", "BackupRole"), ("data", "MonitoringRole")}
"""Roles of AWS services that require AWS's own policies, and have no others."""


def test_every_role_has_its_calls() -> None:
    """No role is added without calls that must be allowed and denied."""
    roles = {(layer, name) for layer, name, _ in resources("everything", "AWS::IAM::Role")}
    assert roles == {FUNCTION, INSTANCE, BUCKET_IN_PLACE, *OTHERS, *ONLY_AWS_POLICIES}
    assert {(la, na) for la, na, _ in resources("otherwise", "AWS::IAM::Role")} <= roles
    for layer, name in ONLY_AWS_POLICIES:
        attached = layers("everything")[layer]["Resources"][name]["Properties"]["ManagedPolicyArns"]
        assert all(":iam::aws:policy/" in str(arn) for arn in attached)


@pytest.mark.parametrize(("action", "resource", "allowed"), HARDENING)
def test_the_hardening_role_changes_that_bucket_only(action: str, resource: str, allowed: bool) -> None:
    """And not a bucket of the same name in another account."""
    for account, expected in ((ACCOUNT, allowed), ("999999999999", False)):
        context = {"aws:ResourceAccount": account}
        decision = _decision(BUCKET_IN_PLACE, action, resource, context, "otherwise")
        assert (decision is Decision.ALLOWED) is expected


@pytest.mark.parametrize("role", [INSTANCE, SERVICE])
def test_a_bucket_with_a_key_of_its_own_can_be_used_through_s3(role: tuple[str, str]) -> None:
    """The one key that it has while deploying, for its objects only."""
    key = f"arn:aws:kms:{ARN}:key/theirs"
    for context, allowed in (
        (BUNDLES, True),
        (f"{BUNDLES}/app/version.zip", True),
        ("arn:aws:s3:::somebodys", False),
        ("", False),
    ):
        through = _via("s3") | ({"kms:EncryptionContext:aws:s3:arn": context} if context else {})
        decision = _decision(role, "kms:Decrypt", key, through, "otherwise")
        assert (decision is Decision.ALLOWED) is allowed, context
    assert _decision(role, "kms:Decrypt", key, {}, "otherwise") is not Decision.ALLOWED
    through = _via("s3") | {"kms:EncryptionContext:aws:s3:arn": BUNDLES}
    assert _decision(role, "kms:Decrypt", DATA_KEY, through, "otherwise") is not Decision.ALLOWED


def _table(*roles: tuple[tuple[str, str], Iterable[Call]]) -> list[Any]:
    return [
        pytest.param(role, *call, id=f"{role[1]} {call[0]} {number}")
        for role, calls in roles
        for number, call in enumerate(calls)
    ]


@pytest.mark.parametrize(
    ("role", "action", "resource", "context"),
    _table(
        (FUNCTION, FUNCTION_ALLOWED),
        (INSTANCE, INSTANCE_ALLOWED),
        *((role, allowed) for role, (allowed, _) in OTHERS.items()),
    ),
)
def test_a_role_is_allowed(
    role: tuple[str, str], action: str, resource: str, context: Mapping[str, Any]
) -> None:
    """Every call that the role needs."""
    assert _decision(role, action, resource, context, "everything") is Decision.ALLOWED


@pytest.mark.parametrize(
    ("role", "action", "resource", "context"),
    _table(
        (FUNCTION, FUNCTION_DENIED),
        (INSTANCE, INSTANCE_DENIED),
        *((role, denied) for role, (_, denied) in OTHERS.items()),
    ),
)
def test_a_role_is_denied(
    role: tuple[str, str], action: str, resource: str, context: Mapping[str, Any]
) -> None:
    """Everything else is denied, whether explicitly or because nothing allows it."""
    assert _decision(role, action, resource, context, "everything") is not Decision.ALLOWED


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        (FUNCTION, "secretsmanager:GetSecretValue", REPLICATED),
        (FUNCTION, "secretsmanager:PutSecretValue", OTHER_SECRET),
        (FUNCTION, "iam:PutRolePolicy", "*"),
        (INSTANCE, "secretsmanager:GetSecretValue", NEIGHBOUR),
        (INSTANCE, "secretsmanager:PutSecretValue", APP_SECRET),
    ],
)
def test_the_worst_calls_are_denied_explicitly(role: tuple[str, str], action: str, resource: str) -> None:
    """No policy that is attached later can allow it."""
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role[1]}/session"
    attached = [*policies_of("everything", *role), everything]
    assert evaluate(attached, AccessRequest(action, resource, principal, {})) is Decision.EXPLICITLY_DENIED


def test_one_user_of_the_database_is_for_tokens() -> None:
    """In mode `iam` the instances can log in as that user, and as no other."""
    statements = [s for policy in policies_of("otherwise", *INSTANCE) for s in policy["Statement"]]
    (connect,) = [s for s in statements if "rds-db:connect" in s["Action"]]
    (user,) = connect["Resource"]
    assert user.startswith(f"arn:aws:rds-db:{ARN}:dbuser:")
    assert user.endswith("/app_iam")


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_no_policy_is_too_long_for_iam(configuration: str) -> None:
    """A managed policy holds 6,144 characters, white space not counted."""
    for layer, name, properties in resources(configuration, "AWS::IAM::ManagedPolicy"):
        document = resolve(properties["PolicyDocument"], configuration, layer)
        assert len(str(document).replace(" ", "")) <= 6144, f"{layer} {name}"


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_only_services_take_roles(configuration: str) -> None:
    """No role trusts an account, a person or everybody."""
    found = 0
    for _, name, properties in resources(configuration, "AWS::IAM::Role"):
        for statement in properties["AssumeRolePolicyDocument"]["Statement"]:
            found += 1
            assert list(statement["Principal"]) == ["Service"], name
    assert found > 3


def test_without_replica_regions_nothing_leaves_the_region() -> None:
    """The permission to copy comes with the setting."""
    assert not deployment("dev").replicator.replica_regions
    statements = [s for policy in policies_of("dev", *FUNCTION) for s in policy["Statement"]]
    allowed = [action for s in statements if s["Effect"] == "Allow" for action in s["Action"]]
    assert "secretsmanager:ReplicateSecretToRegions" not in allowed
