"""Story of templates/replicator_layer.py and templates/triggers.py.

`templates.replicator_layer` and `triggers`, as rendered: the function, and what invokes it.
"""

from typing import Any

import pytest

from replicator.config import Config
from tests.unit.templates.renders import CONFIGURATIONS, deployment, layers, resolve, resource, resources


def _environment(configuration: str) -> dict[str, str]:
    variables = resource(configuration, "replicator", "Function")["Environment"]["Variables"]
    resolved: dict[str, str] = resolve(variables, configuration, "replicator")
    return resolved


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_function_understands_its_environment(configuration: str) -> None:
    """The function's own parser accepts what the template sets, and finds every setting."""
    config = Config.from_environ(_environment(configuration))
    expected = deployment(configuration)
    assert config.owner == expected.name
    assert config.prefix == expected.prefix
    assert config.max_delete_share == expected.replicator.max_delete_share
    assert [region.region for region in config.replica_regions] == sorted(expected.replicator.replica_regions)
    assert config.kms_key is not None
    assert config.kms_key.endswith(":key/SecretsKey")
    assert config.kms_keys_allowed >= set(expected.replicator.key_aliases)
    assert config.adopt == {f"{expected.prefix}/{name}" for name in expected.replicator.adopt}
    assert not config.allow_http


def test_one_run_at_a_time_in_private_subnets() -> None:
    """Concurrent runs would plan against each other's unfinished changes."""
    function = resource("production", "replicator", "Function")
    assert function["ReservedConcurrentExecutions"] == 1
    assert len(resolve(function["VpcConfig"]["SubnetIds"], "production", "replicator")) == 3
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["LoggingConfig"]["LogFormat"] == "JSON"
    assert resolve(function["KmsKeyArn"], "production", "replicator").endswith(":key/FunctionKey")


def test_the_code_comes_by_parameter() -> None:
    """The zip's location is known only while deploying."""
    assert resource("dev", "replicator", "Function")["Code"] == {
        "S3Bucket": {"Ref": "FunctionCodeBucket"},
        "S3Key": {"Ref": "FunctionCodeKey"},
    }


def test_the_connection_secret_has_no_value_in_the_template() -> None:
    """Neither a value nor a generator of one: credentials never pass through a template."""
    secret = resource("production", "replicator", "ConnectionSecret")
    assert secret.keys() & {"SecretString", "GenerateSecretString"} == set()
    assert resource("production", "replicator", "ConnectionSecretPolicy")["BlockPublicPolicy"] is True


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_only_these_rules_invoke_the_function(configuration: str) -> None:
    """Each permission names one rule, whose ARN names the account (Lambda.1), and no condition more.

    EventBridge may send no `aws:SourceAccount`: https://github.com/awsdocs/aws-cloudformation-user-guide/pull/481
    """
    permissions = [p for _, _, p in resources(configuration, "AWS::Lambda::Permission")]
    ours = [p for p in permissions if p["FunctionName"] == {"Ref": "Function"}]
    assert sorted(p["SourceArn"]["Fn::GetAtt"] for p in ours) == [
        ["ReplicationRequestedRule", "Arn"],
        ["ScheduleRule", "Arn"],
    ]
    assert all("SourceAccount" not in p for p in permissions)


def test_both_rules_have_the_dead_letter_queue() -> None:
    """A rule without one drops an event that it could not deliver for a day."""
    rules: list[Any] = [
        rule for layer, _, rule in resources("dev", "AWS::Events::Rule") if layer == "replicator"
    ]
    assert len(rules) == 2
    for rule in rules:
        (target,) = rule["Targets"]
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}}


def test_requests_are_accepted_on_the_deployments_bus_only() -> None:
    """The rule listens to one source and one detail type."""
    rule = resource("dev", "replicator", "ReplicationRequestedRule")
    assert rule["EventBusName"] == {"Ref": "EventBus"}
    assert rule["EventPattern"] == {"source": ["beanvault"], "detail-type": ["Replication Requested"]}


def test_nothing_of_value_is_in_the_templates() -> None:
    """No property of any template holds a password, and no parameter asks for one."""
    for configuration in CONFIGURATIONS:
        for layer, template in layers(configuration).items():
            assert _keys(template) & {"MasterUserPassword", "SecretString", "NoEcho"} == set(), layer


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for item in value.values() for key in _keys(item)}
    if isinstance(value, list):
        return {key for item in value for key in _keys(item)}
    return set()
