"""SNS, SQS and CloudWatch: how failures are reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .parsing import all_items, parses
from .policies import PolicyStatement, statements
from .stacks import DeploymentStacks

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import DescribeAlarmsOutputTypeDef
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import (
        GetTopicAttributesResponseTypeDef,
        ListSubscriptionsByTopicResponseTypeDef,
    )
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import GetQueueAttributesResultTypeDef


@dataclass(frozen=True, slots=True)
class Topic:
    arn: str
    has_kms_key: bool
    policy: tuple[PolicyStatement, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    has_kms_key: bool
    policy: tuple[PolicyStatement, ...]
    messages: int


@dataclass(frozen=True, slots=True)
class Alarm:
    name: str
    actions: frozenset[str]
    actions_enabled: bool
    missing_data: str
    """How missing data counts: `breaching`, `notBreaching`, `ignore` or `missing`."""


@parses("GetTopicAttributes")
def _topic(answer: GetTopicAttributesResponseTypeDef) -> Topic:
    raw = answer["Attributes"]
    return Topic(raw["TopicArn"], bool(raw.get("KmsMasterKeyId")), statements(raw.get("Policy")))


@parses("ListSubscriptionsByTopic")
def _subscriptions_confirmed(page: ListSubscriptionsByTopicResponseTypeDef) -> tuple[bool, ...]:
    """Return for each subscription whether it is confirmed: one that isn't has a word in the ARN's place."""
    return tuple(each["SubscriptionArn"].startswith("arn:") for each in page["Subscriptions"])


@parses("GetQueueAttributes")
def _queue(answer: GetQueueAttributesResultTypeDef) -> Queue:
    raw = answer["Attributes"]
    return Queue(
        raw["QueueArn"].rpartition(":")[2],
        bool(raw.get("KmsMasterKeyId")),
        statements(raw.get("Policy")),
        int(raw["ApproximateNumberOfMessages"]),
    )


@parses("DescribeAlarms")
def _alarms(page: DescribeAlarmsOutputTypeDef) -> tuple[Alarm, ...]:
    return tuple(
        Alarm(
            each["AlarmName"],
            frozenset(each["AlarmActions"]),
            each["ActionsEnabled"],
            each.get("TreatMissingData", "missing"),
        )
        for each in page["MetricAlarms"]
    )


@dataclass
class AlertsState:
    stacks: DeploymentStacks

    @cached_property
    def topic_arns(self) -> tuple[str, ...]:
        return self.stacks.ids("AWS::SNS::Topic")

    @cached_property
    def topics(self) -> tuple[Topic, ...]:
        return tuple(_topic(self._sns.get_topic_attributes(TopicArn=arn)) for arn in self.topic_arns)

    def subscriptions_confirmed(self, topic_arn: str) -> tuple[bool, ...]:
        """Return for each subscription of a topic whether it is confirmed."""
        pages = self._sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
        return all_items(_subscriptions_confirmed, pages)

    @cached_property
    def queues(self) -> tuple[Queue, ...]:
        client: SQSClient = self.stacks.aws.client("sqs")
        return tuple(
            _queue(client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))
            for url in self.stacks.ids("AWS::SQS::Queue")
        )

    @cached_property
    def alarms(self) -> Mapping[str, Alarm | None]:
        """The stacks' alarms by name; None where one was deleted."""
        client: CloudWatchClient = self.stacks.aws.client("cloudwatch")
        found = {
            alarm.name: alarm
            for alarm in all_items(_alarms, client.get_paginator("describe_alarms").paginate())
        }
        return {name: found.get(name) for name in self.stacks.ids("AWS::CloudWatch::Alarm")}

    @property
    def _sns(self) -> SNSClient:
        client: SNSClient = self.stacks.aws.client("sns")
        return client
