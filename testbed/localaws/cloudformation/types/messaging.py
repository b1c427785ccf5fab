"""AWS::Events, AWS::SNS and AWS::SQS types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..resource import Resource
from ..resource_type import ResourceType, names

_events = partial(ResourceType, service="events")
_sns = partial(ResourceType, service="sns")
_sqs = partial(ResourceType, service="sqs")


def _text(value: Any) -> str:
    """Return a value as SNS and SQS take their attributes: as text."""
    return json.dumps(value) if isinstance(value, (dict, list, bool)) else str(value)


def _put_rule(rule: Resource, old: Mapping[str, Any] | None = None) -> None:
    bus = rule.pick("EventBusName")
    plain = {key: value for key, value in rule.create_arguments().items() if key != "Targets"}
    rule.answer = rule.call("put_rule", Name=rule.name, **plain, **rule.tag_arguments("put_rule"))
    default = not bus or bus["EventBusName"] == "default"
    rule.physical_id = rule.name if default else f"{bus['EventBusName']}|{rule.name}"
    targets = rule.properties.get("Targets") or []
    removed = {target["Id"] for target in (old or {}).get("Targets") or []} - {
        target["Id"] for target in targets
    }
    if removed:
        rule.call("remove_targets", Rule=rule.name, Ids=sorted(removed), **bus)
    if targets:
        answer = rule.call("put_targets", Rule=rule.name, Targets=targets, **bus)
        if failed := answer.get("FailedEntries"):
            raise RuntimeError(f"{failed[0]['TargetId']}: {failed[0]['ErrorMessage']}")


def _delete_rule(rule: Resource) -> None:
    bus = rule.pick("EventBusName")
    if ids := [target["Id"] for target in rule.properties.get("Targets") or []]:
        rule.call("remove_targets", Rule=rule.name, Ids=ids, **bus)
    rule.call("delete_rule", Name=rule.name, **bus)


def _put_bus_policy(policy: Resource, _: Mapping[str, Any] | None = None) -> None:
    sid = policy.properties["StatementId"]
    statement = {"Sid": sid, **policy.properties["Statement"]}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    policy.call("put_permission", Policy=document, **policy.pick("EventBusName"))
    policy.physical_id = sid


def _create_topic(topic: Resource) -> None:
    topic.take_answer(topic.call("create_topic", Name=topic.name, **topic.tag_arguments("create_topic")))
    _topic_attributes(topic)


def _topic_attributes(topic: Resource, old: Mapping[str, Any] | None = None) -> None:
    for name in topic.properties.keys() | (old or {}).keys():
        if name not in ("TopicName", "Tags") and topic.changed(old or {}, name):
            value = _text(topic.properties.get(name, ""))
            topic.call(
                "set_topic_attributes", TopicArn=topic.physical_id, AttributeName=name, AttributeValue=value
            )


def _policy_on(operation: str, holders: str, argument: str, policy: Resource, _: Any = None) -> None:
    document = _text(policy.properties["PolicyDocument"])
    for holder in policy.properties[holders]:
        if operation == "set_topic_attributes":
            arguments: dict[str, Any] = {"AttributeName": "Policy", "AttributeValue": document}
        else:
            arguments = {"Attributes": {"Policy": document}}
        policy.call(operation, **{argument: holder}, **arguments)
    policy.physical_id = policy.name


def _remove_queue_policy(policy: Resource) -> None:
    for queue in policy.properties["Queues"]:
        policy.call("set_queue_attributes", QueueUrl=queue, Attributes={"Policy": ""})


def _queue_attributes(queue: Resource) -> dict[str, str]:
    return {
        name: _text(value) for name, value in queue.properties.items() if name not in ("QueueName", "Tags")
    }


def _create_queue(queue: Resource) -> None:
    attributes, tags = _queue_attributes(queue), queue.tag_arguments("create_queue")
    queue.take_answer(queue.call("create_queue", QueueName=queue.name, Attributes=attributes, **tags))


def _update_queue(queue: Resource, _: Mapping[str, Any]) -> None:
    queue.call("set_queue_attributes", QueueUrl=queue.physical_id, Attributes=_queue_attributes(queue))


TYPES = (
    _events(
        name="AWS::Events::EventBus",
        create="create_event_bus",
        named="Name",
        delete="delete_event_bus",
        attributes={"Arn": "EventBusArn"},
        tagged="EventBusArn",
    ),
    _events(
        name="AWS::Events::EventBusPolicy",
        create=_put_bus_policy,
        known=names("EventBusName StatementId"),
        update=_put_bus_policy,
        mutable=names("Statement"),
        delete="remove_permission",
    ),
    _events(
        name="AWS::Events::Rule",
        create=_put_rule,
        named="Name",
        update=_put_rule,
        mutable=names("Description EventPattern RoleArn ScheduleExpression State Targets"),
        delete=_delete_rule,
        attributes={"Arn": "RuleArn"},
        tagged="RuleArn",
    ),
    _sns(
        name="AWS::SNS::Topic",
        create=_create_topic,
        known=frozenset(),
        id="TopicArn",
        named="TopicName",
        update=_topic_attributes,
        mutable=names("DisplayName KmsMasterKeyId"),
        delete="delete_topic",
        delete_with={"TopicArn": "{id}"},
        tagged="{id}",
    ),
    _sns(
        name="AWS::SNS::TopicPolicy",
        create=partial(_policy_on, "set_topic_attributes", "Topics", "TopicArn"),
        known=frozenset(),
        update=partial(_policy_on, "set_topic_attributes", "Topics", "TopicArn"),
        mutable=names("PolicyDocument Topics"),
    ),
    _sns(
        name="AWS::SNS::Subscription",
        create="subscribe",
        constants={"ReturnSubscriptionArn": True},
        id="SubscriptionArn",
        delete="unsubscribe",
        delete_with={"SubscriptionArn": "{id}"},
    ),
    _sqs(
        name="AWS::SQS::Queue",
        create=_create_queue,
        known=frozenset(),
        id="QueueUrl",
        named="QueueName",
        name_limit=80,
        update=_update_queue,
        mutable=names("DelaySeconds KmsMasterKeyId MessageRetentionPeriod VisibilityTimeout"),
        delete="delete_queue",
        delete_with={"QueueUrl": "{id}"},
        attributes={"Arn": "arn:aws:sqs:{region}:{account}:{name}", "QueueName": "{name}"},
        tagged="{id}",
    ),
    _sqs(
        name="AWS::SQS::QueuePolicy",
        create=partial(_policy_on, "set_queue_attributes", "Queues", "QueueUrl"),
        known=frozenset(),
        update=partial(_policy_on, "set_queue_attributes", "Queues", "QueueUrl"),
        mutable=names("PolicyDocument Queues"),
        delete=_remove_queue_policy,
    ),
)
