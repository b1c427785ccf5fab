"""Breaks of the function, of the secrets it replicates, and of the alerts when it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from .support_breaks import Site, Table, policy

BREAKS = Table()


def _permission(source: Mapping[str, str], site: Site) -> Iterator[None]:
    client, name = site.client("lambda"), site.deployment.function_name
    client.add_permission(FunctionName=name, StatementId="quick", Action="lambda:InvokeFunction", **source)
    yield
    client.remove_permission(FunctionName=name, StatementId="quick")


_EVENTS, _OURS, _THEIRS = "events.amazonaws.com", "123456789012", "999999999999"
for _name, _source in (
    ("a_service_without_a_source", {"Principal": _EVENTS}),
    ("another_account", {"Principal": _THEIRS}),
    (
        "a_rule_of_another_account",
        {"Principal": _EVENTS, "SourceArn": f"arn:aws:events:eu-central-1:{_THEIRS}:rule/theirs"},
    ),
    (
        "another_rule_of_ours",
        {"Principal": _EVENTS, "SourceArn": f"arn:aws:events:eu-central-1:{_OURS}:rule/other"},
    ),
):
    BREAKS.add("Lambda.1", partial(_permission, _source), f"the_function_is_started_by_{_name}")


def _configured(name: str, bad: Any, site: Site) -> Iterator[None]:
    client, function = site.client("lambda"), site.deployment.function_name
    kept = client.get_function_configuration(FunctionName=function).get(name)
    if name == "VpcConfig":
        kept = {key: kept[key] for key in ("SubnetIds", "SecurityGroupIds")}
        bad = {**kept, "SubnetIds": kept["SubnetIds"][:1]}
    if name == "Environment":
        kept = {"Variables": kept["Variables"]}
        bad = {"Variables": {**kept["Variables"], **bad}}
    client.update_function_configuration(FunctionName=function, **{name: bad})
    yield
    client.update_function_configuration(FunctionName=function, **{name: kept})


for _control, _name, _bad in (
    ("Lambda.2", "Runtime", "python3.9"),
    ("Lambda.3", "VpcConfig", None),
    ("BV.FN2", "DeadLetterConfig", {"TargetArn": ""}),
    ("BV.FN3", "Environment", {"VAULT_TOKEN": "canary"}),
):
    BREAKS.add(_control, partial(_configured, _name, _bad), f"another_{_name}")


@BREAKS.breaks("BV.FN1")
def _five_runs_at_a_time(site: Site) -> Iterator[None]:
    client, name = site.client("lambda"), site.deployment.function_name
    for number in (5, 1):
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=number)
        if number == 5:
            yield


@BREAKS.breaks("BV.FN4")
def _the_schedule_is_off(site: Site) -> Iterator[None]:
    events, rule = site.client("events"), f"{site.deployment.name}-replicator-schedule"
    events.disable_rule(Name=rule)
    yield
    events.enable_rule(Name=rule)


def _secret(site: Site, *, owned: bool, key: bool) -> Iterator[None]:
    client = site.client("secretsmanager")
    encrypted = {"KmsKeyId": site.physical_id("keys", "SecretsKey")} if key else {}
    made = client.create_secret(
        Name=f"{site.deployment.prefix}/by-hand",
        SecretString="x",
        Tags=[{"Key": "beanvault:owner", "Value": site.deployment.name if owned else "somebody"}],
        **encrypted,
    )
    yield
    client.delete_secret(SecretId=made["ARN"], ForceDeleteWithoutRecovery=True)


BREAKS.add("BV.SM1", partial(_secret, owned=False, key=True), "a_secret_of_another_owner_below_the_prefix")
BREAKS.add("BV.SM3", partial(_secret, owned=True, key=False), "a_secret_under_awss_own_key")


@BREAKS.breaks("SEC03-BP07")
def _the_connection_secret_accepts_plain_http(site: Site) -> Iterator[None]:
    client, name = site.client("secretsmanager"), site.deployment.connection_secret
    kept = client.get_resource_policy(SecretId=name)["ResourcePolicy"]
    client.delete_resource_policy(SecretId=name)
    yield
    client.put_resource_policy(SecretId=name, ResourcePolicy=kept)


def _topic(name: str, bad: str, site: Site) -> Iterator[None]:
    sns, topic = site.client("sns"), site.physical_id("keys", "AlertTopic")
    kept = sns.get_topic_attributes(TopicArn=topic)["Attributes"][name]
    sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=bad)
    yield
    sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=kept)


def _queue(name: str, bad: str, site: Site) -> Iterator[None]:
    sqs, url = site.client("sqs"), site.physical_id("replicator", "DeadLetterQueue")
    # Both each time: moto forgets a policy that isn't set again.
    kept = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["KmsMasterKeyId", "Policy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={**kept, name: bad})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes=kept)


_NOTHING = policy({"Effect": "Allow", "Principal": {"AWS": _OURS}, "Action": "*", "Resource": "*"})
for _name, _bad in (("KmsMasterKeyId", ""), ("Policy", _NOTHING)):
    BREAKS.add("SNS.1", partial(_topic, _name, _bad), f"the_topics_{_name}_is_another")
    BREAKS.add("SQS.1", partial(_queue, _name, _bad), f"the_queues_{_name}_is_another")


@BREAKS.breaks("SEC04-BP04")
def _no_subscription_to_alerts(site: Site) -> Iterator[None]:
    sns, topic = site.client("sns"), site.physical_id("keys", "AlertTopic")
    found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    for each in found:
        sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
    yield
    for each in found:
        sns.subscribe(TopicArn=topic, Protocol=each["Protocol"], Endpoint=each["Endpoint"])


@BREAKS.breaks("BV.FN5")
def _a_failed_request_is_in_the_queue(site: Site) -> Iterator[None]:
    sqs, url = site.client("sqs"), site.physical_id("replicator", "DeadLetterQueue")
    sqs.send_message(QueueUrl=url, MessageBody="failed")
    yield
    sqs.purge_queue(QueueUrl=url)


_KEPT = (
    *("AlarmName", "ActionsEnabled", "AlarmActions", "OKActions", "MetricName", "Namespace", "Statistic"),
    *("Dimensions", "Period", "EvaluationPeriods", "Threshold", "ComparisonOperator", "TreatMissingData"),
)


def _alarm(changes: Mapping[str, Any], site: Site) -> Iterator[None]:
    client, name = site.client("cloudwatch"), site.physical_id("observability", "NoRunAlarm")
    (found,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    alarm = {key: found[key] for key in _KEPT if key in found}
    client.put_metric_alarm(**{**alarm, **changes})
    yield
    client.put_metric_alarm(**alarm)


BREAKS.add(
    "BV.ALARM1", partial(_alarm, {"TreatMissingData": "notBreaching"}), "missing_data_is_not_breaching"
)
BREAKS.add("CloudWatch.15", partial(_alarm, {"ActionsEnabled": False}), "an_alarm_is_muted")
BREAKS.add("CloudWatch.15", partial(_alarm, {"AlarmActions": []}), "an_alarm_has_no_action")
_ELSEWHERE = [f"arn:aws:sns:eu-central-1:{_THEIRS}:theirs"]
BREAKS.add("CloudWatch.15", partial(_alarm, {"AlarmActions": _ELSEWHERE}), "an_alarm_notifies_another_topic")


@BREAKS.breaks("BV.ALARM1", "CloudWatch.15")
def _an_alarm_is_deleted(site: Site) -> Iterator[None]:
    client, name = site.client("cloudwatch"), site.physical_id("observability", "NoRunAlarm")
    (found,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    client.delete_alarms(AlarmNames=[name])
    yield
    client.put_metric_alarm(**{key: found[key] for key in _KEPT if key in found})
