"""CloudFormation's answers, played in an order that it can give."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from beanvault.aws import Aws
from beanvault.cloudformation.stacks import Stacks
from beanvault.polling import PollingClock
from beanvault.ui import NullUi

NAME = "beanvault-dev-environment"
STACK = f"arn:aws:cloudformation:eu-central-1:123456789012:stack/{NAME}/1"
CHANGE_SET = "arn:aws:cloudformation:eu-central-1:123456789012:changeSet/beanvault-1/1"
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Answers:
    """CloudFormation's answers, one a request, in order."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "cloudformation", "eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.stubber = Stubber(self.client)
        self.stacks = Stacks(self.client, NullUi(agrees=True), PollingClock(lambda: 0.0, lambda _: None))

    def add(self, operation: str, **answer: Any) -> None:
        self.stubber.add_response(operation, answer)

    def status(self, status: str) -> None:
        self.add(
            "describe_stacks",
            Stacks=[{"StackId": STACK, "StackName": NAME, "CreationTime": NOW, "StackStatus": status}],
        )

    def nothing(self) -> None:
        """There is no such stack."""
        self.stubber.add_client_error("describe_stacks", "ValidationError", "it does not exist", 400)

    def events(self, *statuses: str) -> None:
        """The stack's own events, oldest first, between those of a resource."""
        own = [stack_event(f"stack-{n}-{status}", STACK, status) for n, status in enumerate(statuses)]
        self.add("describe_stack_events", StackEvents=own[::-1])

    def until_the_change_set_exists(self, status: str) -> None:
        self.status(status)
        self.add("list_change_sets", Summaries=[])
        self.add("create_change_set", Id=CHANGE_SET)

    def until_the_change_set_is_executed(self, status: str, *history: str) -> None:
        self.until_the_change_set_exists(status)
        self.add("describe_change_set", Status="CREATE_COMPLETE")
        self.add("describe_change_set", Status="CREATE_COMPLETE", Changes=[])
        self.events(*history)
        self.add("execute_change_set")
        self.status(status)


def stack_event(event_id: str, physical_id: str, status: str) -> dict[str, Any]:
    return {
        "EventId": event_id,
        "StackId": STACK,
        "StackName": NAME,
        "Timestamp": NOW,
        "LogicalResourceId": NAME,
        "PhysicalResourceId": physical_id,
        "ResourceType": "AWS::CloudFormation::Stack",
        "ResourceStatus": status,
    }


@pytest.fixture(name="answers")
def played_answers() -> Iterator[Answers]:
    made = Answers()
    with made.stubber:
        yield made
    made.stubber.assert_no_pending_responses()


RECOMMENDED = {
    "PlatformArn": "arn:aws:elasticbeanstalk:eu-central-1::platform/"
    "Python 3.14 running on 64bit Amazon Linux 2023/4.99.1",
    "PlatformBranchName": "Python 3.14 running on 64bit Amazon Linux 2023",
    "PlatformLifecycleState": "Recommended",
    "PlatformBranchLifecycleState": "Supported",
    "PlatformStatus": "Ready",
}


def account_with_uploads(answers: Answers, *, creating: bool = True) -> Aws:
    """An account where everything is uploaded already; the environment is asked for unless *creating* it."""
    session = boto3.session.Session(
        aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-central-1"
    )
    aws = Aws(session)
    clients = {name: aws.client(name) for name in ("logs", "sts", "s3", "elasticbeanstalk")}
    answered: dict[str, dict[str, Any]] = {
        "sts": {"get_caller_identity": {"Account": "123456789012"}},
        "s3": {
            **({"get_bucket_policy": {"Policy": '{"Statement": []}'}} if creating else {}),
            "head_object": {},
        },
        "logs": {"describe_log_groups": {"logGroups": []}},
        "elasticbeanstalk": {
            **({} if creating else {"describe_environments": {"Environments": []}}),
            "list_platform_versions": {"PlatformSummaryList": [RECOMMENDED]},
        },
    }
    for name, operations in answered.items():
        stubber = Stubber(clients[name])
        for _ in range(20):
            for operation, answer in operations.items():
                stubber.add_response(operation, answer)
        stubber.activate()
    return Aws(session, None, {**clients, "cloudformation": answers.client})
