"""Story of templates/keys_layer.py and templates/alert_topic.py.

`templates.keys_layer` and `alert_topic`: key policies and the topic, as rendered.
"""

import pytest

from tests.unit.templates.renders import ACCOUNT, CONFIGURATIONS, REGION, resolve, resource, resources

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
USING = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:CreateGrant"}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_key_rotates_and_outlives_its_stack(configuration: str) -> None:
    """KMS.3 and KMS.4; a scheduled deletion can be cancelled for 30 days."""
    found = list(resources(configuration, "AWS::KMS::Key"))
    assert len(found) >= 3
    for _, name, key in found:
        assert (key["EnableKeyRotation"], key["PendingWindowInDays"]) == (True, 30), name


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_no_key_is_for_everybody(configuration: str) -> None:
    """KMS.5: principals are the account or named services."""
    for layer, name, key in resources(configuration, "AWS::KMS::Key"):
        for statement in resolve(key["KeyPolicy"]["Statement"], configuration, layer):
            principal = statement["Principal"]
            assert principal == {"AWS": ROOT} or set(principal) == {"Service"}, name


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_managing_a_key_is_not_using_it(configuration: str) -> None:
    """A key is used through a service, or by the one role that it is for."""
    for layer, name, key in resources(configuration, "AWS::KMS::Key"):
        for statement in resolve(key["KeyPolicy"]["Statement"], configuration, layer):
            if statement["Principal"] == {"AWS": ROOT} and USING & set(statement["Action"]):
                conditions = {name for test in statement["Condition"].values() for name in test}
                assert conditions & {"kms:ViaService", "aws:PrincipalArn"}, (name, statement["Sid"])


@pytest.mark.parametrize(
    ("key", "services"),
    [
        ("SecretsKey", {"secretsmanager"}),
        ("FunctionKey", {"lambda", "secretsmanager", "sqs"}),
        ("DataKey", {"backup", "rds", "secretsmanager", "sns"}),
    ],
)
def test_each_key_is_for_its_services_only(key: str, services: set[str]) -> None:
    """Separate keys are worth something only while they are for separate things."""
    statements = resolve(resource("production", "keys", key)["KeyPolicy"]["Statement"], "production", "keys")
    via = next(s for s in statements if s["Sid"] == "AllowUseThroughServices")["Condition"]["StringEquals"]
    assert set(via["kms:ViaService"]) == {f"{service}.{REGION}.amazonaws.com" for service in services}
    assert via["kms:CallerAccount"] == ACCOUNT


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_log_group_may_be_encrypted_by_the_key(configuration: str) -> None:
    """The key policy admits groups by name, so each name must fit it."""
    statements = resource(configuration, "keys", "DataKey")["KeyPolicy"]["Statement"]
    (statement,) = [s for s in statements if s["Sid"] == "AllowLogGroupsToEncrypt"]
    pattern = statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]["Fn::Sub"]
    wanted = pattern.rsplit(":", 1)[1].strip("*")
    groups = [group["LogGroupName"] for _, _, group in resources(configuration, "AWS::Logs::LogGroup")]
    assert len(groups) > 5
    assert all(wanted in resolve(group, configuration, "keys") for group in groups)


def test_the_topic_is_encrypted_and_accepts_known_publishers_over_tls_only() -> None:
    """SNS.1 and SNS.4; addresses and webhooks of the file are subscribed."""
    topic = resource("everything", "keys", "AlertTopic")
    assert topic["KmsMasterKeyId"] == {"Fn::GetAtt": ["DataKey", "Arn"]}
    subscriptions = [p for _, _, p in resources("everything", "AWS::SNS::Subscription")]
    assert {s["TopicArn"]["Ref"] for s in subscriptions} == {"AlertTopic"}
    assert [(s["Protocol"], s["Endpoint"]) for s in subscriptions] == [
        ("email", "ops@example.com"),
        ("https", "https://hooks.example.com/beanvault"),
    ]
    statements = resource("everything", "keys", "AlertTopicPolicy")["PolicyDocument"]["Statement"]
    allowed = {s["Principal"]["Service"]: s.get("Condition") for s in statements if s["Effect"] == "Allow"}
    assert allowed.pop("events.amazonaws.com") is None  # EventBridge's message to a topic satisfies none
    assert set(allowed) == {"cloudwatch.amazonaws.com", "events.rds.amazonaws.com"}
    assert all("aws:SourceArn" in condition["ArnLike"] for condition in allowed.values() if condition)
    assert None not in allowed.values()
    (denied,) = [s for s in statements if s["Effect"] == "Deny"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
