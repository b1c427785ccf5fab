"""When a change to a stack counts as over, against CloudFormation's answers in an order that it may give."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from troposphere import Output

from beanvault.aws import Aws
from beanvault.cloudformation.stack import StackError, StackOutcome, StackResource, StackSpec, TemplateSource
from beanvault.cloudformation.stacks import Stacks
from beanvault.deployment.deploy import DeploymentContext, StackToDelete, _shared_with_nobody, _stack, deploy
from beanvault.errors import BeanvaultError
from beanvault.polling import PollingClock
from beanvault.ui import NullUi
from templates.deployment_file import parse, read
from templates.layers import LAYERS
from templates.rendering import TEMPLATE_LIMIT
from tests.project import ROOT

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
        own = [_event(f"stack-{n}-{status}", STACK, status) for n, status in enumerate(statuses)]
        self.add("describe_stack_events", StackEvents=own[::-1])

    def until_the_change_set_is_executed(self, status: str, *history: str) -> None:
        self.status(status)
        self.add("list_change_sets", Summaries=[])
        self.add("create_change_set", Id=CHANGE_SET)
        self.add("describe_change_set", Status="CREATE_COMPLETE")
        self.add("describe_change_set", Status="CREATE_COMPLETE", Changes=[])
        self.events(*history)
        self.add("execute_change_set")
        self.status(status)


def _event(event_id: str, physical_id: str, status: str) -> dict[str, Any]:
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


@pytest.fixture
def answers() -> Iterator[Answers]:
    made = Answers()
    with made.stubber:
        yield made
    made.stubber.assert_no_pending_responses()


DEPLOYED = StackSpec(NAME, TemplateSource("{}"))


def test_an_update_is_over_when_an_event_says_so_whatever_status_the_stack_still_shows(
    answers: Answers,
) -> None:
    """The start's event comes while the status is still the one from before."""
    before = ("CREATE_COMPLETE",)
    answers.until_the_change_set_is_executed("CREATE_COMPLETE", *before)
    answers.events(*before, "UPDATE_IN_PROGRESS")
    answers.status("CREATE_COMPLETE")
    answers.events(*before, "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE")
    with pytest.raises(StackError, match=f"{NAME} ended as UPDATE_ROLLBACK_COMPLETE"):
        answers.stacks.deploy(DEPLOYED)


def test_a_deletion_is_over_when_an_event_says_so(answers: Answers) -> None:
    answers.status("CREATE_COMPLETE")
    answers.events("CREATE_COMPLETE")
    answers.add("delete_stack")
    answers.events("CREATE_COMPLETE", "DELETE_IN_PROGRESS")
    answers.status("CREATE_COMPLETE")
    answers.events("CREATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_COMPLETE")
    assert answers.stacks.delete(NAME).outcome is StackOutcome.DELETED


def test_events_that_aws_is_too_busy_to_tell_are_asked_for_again(answers: Answers) -> None:
    answers.until_the_change_set_is_executed("CREATE_COMPLETE", "CREATE_COMPLETE")
    answers.stubber.add_client_error("describe_stack_events", "Throttling", "Rate exceeded")
    answers.status("UPDATE_IN_PROGRESS")
    answers.events("CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    answers.status("UPDATE_COMPLETE")
    answers.status("UPDATE_COMPLETE")
    assert answers.stacks.deploy(DEPLOYED).outcome is StackOutcome.UPDATED


def test_a_roll_back_that_failed_is_continued_before_anything_else(answers: Answers) -> None:
    history = ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED")
    answers.status("UPDATE_ROLLBACK_FAILED")
    answers.events(*history)
    answers.add("continue_update_rollback")
    failed = _event("resource", "shop-database", "UPDATE_FAILED") | {
        "LogicalResourceId": "Database",
        "ResourceType": "AWS::RDS::DBInstance",
        "ResourceStatusReason": "the snapshot is gone",
    }
    own = [_event(f"stack-{n}-{status}", STACK, status) for n, status in enumerate(history)]
    last = _event("last", STACK, "UPDATE_ROLLBACK_FAILED")
    answers.add("describe_stack_events", StackEvents=[last, failed, *own[::-1]])
    with pytest.raises(StackError, match=r"UPDATE_ROLLBACK_FAILED: Database .*the snapshot is gone") as told:
        answers.stacks.deploy(DEPLOYED)
    assert "run the same command again" in told.value.remedy


def _account(answers: Answers) -> Aws:
    """An account where everything is uploaded already."""
    session = boto3.session.Session(
        aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-central-1"
    )
    aws = Aws(session)
    clients = {name: aws.client(name) for name in ("sts", "s3")}
    for name, operation, answer in (
        ("sts", "get_caller_identity", {"Account": "123456789012"}),
        ("s3", "head_object", {}),
    ):
        stubber = Stubber(clients[name])
        for _ in range(5):
            stubber.add_response(operation, answer)
        stubber.activate()
    return Aws(session, None, {**clients, "cloudformation": answers.client})


def test_a_bucket_that_stays_is_taken_from_nobody(answers: Answers) -> None:
    """Its policy, which has the same physical id, goes; who else uses the bucket isn't even asked."""
    work = DeploymentContext(read(ROOT / "config" / "production.toml"), _account(answers), NullUi(), ROOT)
    bucket = "elasticbeanstalk-eu-central-1-123456789012"
    stays = StackResource("AWS::S3::Bucket", bucket, stays=True)
    policy = StackResource("AWS::S3::BucketPolicy", bucket, stays=False)
    _shared_with_nobody(work, [StackToDelete("shop-storage", (stays, policy))])


def test_a_template_that_is_too_long_for_a_request_goes_by_way_of_the_bucket(answers: Answers) -> None:
    """From the layer on that makes it; before, that is an error with a remedy."""
    variables = {f"SETTING_{number}": "x" * 900 for number in range(60)}
    tables = {"name": "beanvault-dev", "region": "eu-central-1", "vault": {"where": "host"}}
    long = parse({**tables, "app": {"environment": variables}})
    work = DeploymentContext(long, _account(answers), NullUi(), ROOT)
    answers.status("CREATE_COMPLETE")
    stack = _stack(work, "environment", LAYERS["environment"](long), plan_only=True)
    assert len(stack.template.body.encode()) > TEMPLATE_LIMIT
    url = stack.template.argument()["TemplateURL"]
    assert url.startswith("https://")
    assert url.endswith(".template")

    small = parse(tables)
    template = LAYERS["network"](small)
    for number in range(120):
        template.add_output(Output(f"Filler{number}", Value="x" * 400))
    with pytest.raises(BeanvaultError, match="there is no bucket yet") as told:
        _stack(
            DeploymentContext(small, _account(answers), NullUi(), ROOT), "network", template, plan_only=False
        )
    assert "fewer" in told.value.remedy


def test_a_creation_that_is_rolling_back_is_a_creation_again(answers: Answers) -> None:
    """Whether the environment begins with the placeholder is decided after the roll-back has ended."""
    file = read(ROOT / "config" / "dev.toml")
    work = DeploymentContext(file, _account(answers), NullUi(agrees=True), ROOT)
    history = ("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
    answers.status("ROLLBACK_IN_PROGRESS")
    answers.events(*history)
    answers.status("ROLLBACK_COMPLETE")
    answers.events(*history, "ROLLBACK_COMPLETE")
    for _ in range(2):
        answers.status("ROLLBACK_COMPLETE")
    for layer in LAYERS:  # what each exports
        answers.status("ROLLBACK_COMPLETE") if layer == "environment" else answers.nothing()
    for _ in range(2):
        answers.status("ROLLBACK_COMPLETE")
    answers.events(*history, "ROLLBACK_COMPLETE")
    answers.add("delete_stack")
    answers.events(*history, "ROLLBACK_COMPLETE", "DELETE_COMPLETE")
    asked: list[Any] = []
    answers.client.meta.events.register(
        "provide-client-params.cloudformation.CreateChangeSet", lambda params, **_: asked.append(params)
    )
    answers.add("create_change_set", Id=CHANGE_SET)
    answers.add("describe_change_set", Status="FAILED", StatusReason="enough of it")
    answers.add("delete_change_set")
    answers.add("delete_stack")
    with pytest.raises(StackError, match="enough of it"):
        deploy(work, ["environment"])
    assert {"ParameterKey": "CreatingEnvironment", "ParameterValue": "true"} in asked[0]["Parameters"]
