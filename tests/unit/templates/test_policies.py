"""IAM as behaviour: for each role, calls that must be allowed and calls that must be denied."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from localaws.authorization.policy import Decision, Request, evaluate
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
    """Return the role's own policies, with every reference worked out."""
    template = layers(configuration)[layer]["Resources"]
    attached = template[role]["Properties"]["ManagedPolicyArns"]
    own = [template[arn["Ref"]] for arn in attached if isinstance(arn, dict) and "Ref" in arn]
    assert own, f"{role} has no policy of its own"
    return [resolve(policy["Properties"]["PolicyDocument"], configuration, layer) for policy in own]


def _decision(
    role: tuple[str, str], action: str, resource: str, context: Mapping[str, Any], configuration: str
) -> Decision:
    principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role[1]}/session"
    return evaluate(policies_of(configuration, *role), Request(action, resource, principal, context))


FUNCTION = ("replicator", "FunctionRole")
INSTANCE = ("environment", "InstanceRole")
SERVICE = ("environment", "ServiceRole")

Call = tuple[str, str, Mapping[str, Any]]

FUNCTION_MAY: list[Call] = [
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

FUNCTION_MAY_NOT: list[Call] = [
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

INSTANCE_MAY: list[Call] = [
    ("secretsmanager:GetSecretValue", APP_SECRET, OWNED),
    ("secretsmanager:DescribeSecret", APP_SECRET, OWNED),
    ("kms:Decrypt", SECRETS_KEY, _via("secretsmanager", APP_SECRET)),
    ("events:PutEvents", BUS, _event("beanvault", "Replication Requested")),
    ("s3:GetObject", f"{BUNDLES}/{NAME}/version-1.zip", {}),
    ("s3:GetObject", f"{BUNDLES}/resources/environments/e-1/_runtime/versions/manifest", {}),
    ("s3:PutObject", f"{BUNDLES}/resources/environments/logs/publish/e-1/i-1/log.gz", {}),
    ("kms:Decrypt", DATA_KEY, _via("s3")),
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

INSTANCE_MAY_NOT: list[Call] = [
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

SERVICE_MAY: list[Call] = [("kms:GenerateDataKey", DATA_KEY, _via("sns"))]
SERVICE_MAY_NOT: list[Call] = [
    ("kms:GenerateDataKey", DATA_KEY, _via("s3")),
    ("kms:Decrypt", SECRETS_KEY, _via("sns")),
    ("secretsmanager:GetSecretValue", APP_SECRET, {}),
]


def _table(*roles: tuple[tuple[str, str], Iterable[Call]]) -> list[Any]:
    return [
        pytest.param(role, *call, id=f"{role[1]} {call[0]} {number}")
        for role, calls in roles
        for number, call in enumerate(calls)
    ]


@pytest.mark.parametrize(
    ("role", "action", "resource", "context"),
    _table((FUNCTION, FUNCTION_MAY), (INSTANCE, INSTANCE_MAY), (SERVICE, SERVICE_MAY)),
)
def test_a_role_may(role: tuple[str, str], action: str, resource: str, context: Mapping[str, Any]) -> None:
    """What a role needs for its work is allowed."""
    assert _decision(role, action, resource, context, "everything") is Decision.ALLOWED


@pytest.mark.parametrize(
    ("role", "action", "resource", "context"),
    _table((FUNCTION, FUNCTION_MAY_NOT), (INSTANCE, INSTANCE_MAY_NOT), (SERVICE, SERVICE_MAY_NOT)),
)
def test_a_role_may_not(
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
def test_what_must_never_happen_is_denied_explicitly(
    role: tuple[str, str], action: str, resource: str
) -> None:
    """No policy that somebody attaches later can allow it."""
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role[1]}/session"
    attached = [*policies_of("everything", *role), everything]
    assert evaluate(attached, Request(action, resource, principal, {})) is Decision.EXPLICITLY_DENIED


def test_one_user_of_the_database_is_for_tokens() -> None:
    """In mode `iam` the instances may log in as that user, and as no other."""
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
