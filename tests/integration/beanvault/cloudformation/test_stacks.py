"""Story of beanvault/cloudformation/.

One stack through its life, by change sets against the local AWS.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from beanvault.artifacts.store import Store
from beanvault.aws import Aws
from beanvault.cloudformation.changes import ChangeAction, Replacement, ResourceChange
from beanvault.cloudformation.events import StackEvent
from beanvault.cloudformation.stack import StackError, StackOutcome, StackSpec, TemplateSource
from beanvault.cloudformation.stacks import Stacks
from beanvault.errors import Refused
from templates.rendering import TEMPLATE_LIMIT
from testbed.servers.localaws import LocalAws


@dataclass
class RecordingUi:
    """Answers as it was created, and records what is reported and asked."""

    agrees: bool = True
    accepts_loss: bool = False
    events: list[StackEvent] = field(default_factory=list)
    planned: list[tuple[ResourceChange, ...]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.asked.append(text)

    def deploying(self, stack: str, layer: str) -> None:
        self.asked.append(f"{stack} {layer}")

    def changes(self, stack: str, changes: tuple[ResourceChange, ...]) -> None:  # noqa: ARG002 - the protocol's
        self.planned.append(changes)

    def event(self, stack: str, event: StackEvent) -> None:  # noqa: ARG002 - the protocol's
        self.events.append(event)

    def confirm(self, question: str, *, loses_data: bool = False) -> bool:
        self.asked.append(question)
        return self.accepts_loss if loses_data else self.agrees


def template(**resources: Mapping[str, Any]) -> TemplateSource:
    return TemplateSource(json.dumps({"Resources": resources, "Outputs": {"Said": {"Value": "hello"}}}))


def queue(name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name, **properties}}


@pytest.fixture
def name() -> str:
    return f"stack-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def ui() -> RecordingUi:
    return RecordingUi()


@pytest.fixture
def stacks(local_aws: LocalAws, ui: RecordingUi) -> Stacks:
    return Stacks(local_aws.client("cloudformation"), ui)


def test_a_stack_is_created_then_left_alone_then_updated_then_deleted(
    stacks: Stacks, ui: RecordingUi, name: str
) -> None:
    stack = StackSpec(name, template(Queue=queue(f"{name}-q")), tags={"beanvault:deployment": "x"})
    created = stacks.deploy(stack)
    assert created.outcome is StackOutcome.CREATED
    assert [(c.action, c.logical_id) for c in created.changes] == [(ChangeAction.ADD, "Queue")]
    assert created.outputs == {"Said": "hello"}
    assert {"CREATE_COMPLETE"} <= {event.status for event in ui.events if event.logical_id == "Queue"}

    assert stacks.deploy(stack).outcome is StackOutcome.UNCHANGED

    longer = StackSpec(name, template(Queue=queue(f"{name}-q", VisibilityTimeout=60)))
    updated = stacks.deploy(longer)
    assert updated.outcome is StackOutcome.UPDATED
    (change,) = updated.changes
    assert (change.action, change.replacement) == (ChangeAction.MODIFY, Replacement.NO)
    assert "VisibilityTimeout" in change.properties

    assert stacks.delete(name).outcome is StackOutcome.DELETED
    assert stacks.delete(name).outcome is StackOutcome.ABSENT


def test_a_plan_changes_nothing_and_leaves_nothing(stacks: Stacks, ui: RecordingUi, name: str) -> None:
    result = stacks.deploy(StackSpec(name, template(Queue=queue(f"{name}-q"))), plan_only=True)
    assert result.outcome is StackOutcome.PLANNED
    assert len(ui.planned[0]) == 1
    assert stacks.describe(name) is None


def test_nothing_is_created_without_consent(stacks: Stacks, ui: RecordingUi, name: str) -> None:
    ui.agrees = False
    with pytest.raises(Refused, match="not confirmed"):
        stacks.deploy(StackSpec(name, template(Queue=queue(f"{name}-q"))))
    assert stacks.describe(name) is None


def test_a_replacement_of_what_holds_data_is_refused_unless_agreed_to_as_a_loss(
    stacks: Stacks, ui: RecordingUi, name: str
) -> None:
    """Agreeing to everything else isn't enough; a queue's new name makes a new queue."""
    stacks.deploy(StackSpec(name, template(Queue=queue(f"{name}-one"))))
    other = StackSpec(name, template(Queue=queue(f"{name}-two")))
    with pytest.raises(Refused, match="would lose the data of: REPLACE Queue"):
        stacks.deploy(other)
    assert (
        stacks.deploy(StackSpec(name, template(Queue=queue(f"{name}-one")))).outcome is StackOutcome.UNCHANGED
    )
    ui.accepts_loss = True
    assert stacks.deploy(other).outcome is StackOutcome.UPDATED


def test_a_failed_creation_names_its_cause_and_the_next_try_repairs_it(
    stacks: Stacks, ui: RecordingUi, name: str
) -> None:
    """The function's code isn't there yet; afterwards the dead stack is deleted and created again."""
    bucket = f"{name}-bucket"
    missing = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": f"{name}-f",
            "Handler": "a.b",
            "Runtime": "python3.13",
            "Role": "arn:aws:iam::123456789012:role/nobody-of-this-name",
            "Code": {"S3Bucket": bucket, "S3Key": "nothing.zip"},
        },
    }
    broken = StackSpec(name, template(Queue=queue(f"{name}-q"), Function=missing))
    with pytest.raises(StackError) as failure:
        stacks.deploy(broken)
    assert [cause.logical_id for cause in failure.value.causes] == ["Function"]
    assert "Function (AWS::Lambda::Function)" in str(failure.value)

    good = StackSpec(name, template(Queue=queue(f"{name}-q")))
    ui.agrees = False
    with pytest.raises(Refused, match="ROLLBACK_COMPLETE"):
        stacks.deploy(good)
    ui.agrees = True
    assert stacks.deploy(good).outcome is StackOutcome.CREATED


def test_change_sets_of_an_interrupted_run_are_removed(
    stacks: Stacks, name: str, local_aws: LocalAws
) -> None:
    """Interrupted before the first change set was executed, and before a later one was."""
    client = local_aws.client("cloudformation")
    stack = StackSpec(name, template(Queue=queue(f"{name}-q")))
    body = stack.template.body
    client.create_change_set(
        StackName=name, ChangeSetName="beanvault-dead", ChangeSetType="CREATE", TemplateBody=body
    )
    assert stacks.deploy(stack).outcome is StackOutcome.CREATED
    other = template(Queue=queue(f"{name}-q", VisibilityTimeout=9)).body
    client.create_change_set(
        StackName=name, ChangeSetName="beanvault-dead", ChangeSetType="UPDATE", TemplateBody=other
    )
    client.create_change_set(
        StackName=name, ChangeSetName="somebody-elses", ChangeSetType="UPDATE", TemplateBody=other
    )
    assert stacks.deploy(stack).outcome is StackOutcome.UNCHANGED
    names = [entry["ChangeSetName"] for entry in client.list_change_sets(StackName=name)["Summaries"]]
    assert "beanvault-dead" not in names
    assert "somebody-elses" in names


def test_what_is_under_way_is_waited_for(stacks: Stacks, name: str, local_aws: LocalAws) -> None:
    """Interrupted after the execution began: the next run watches it end and goes on from there."""
    client = local_aws.client("cloudformation")
    stack = StackSpec(name, template(**{f"Queue{n}": queue(f"{name}-{n}") for n in range(8)}))
    client.create_change_set(
        StackName=name,
        ChangeSetName="beanvault-run",
        ChangeSetType="CREATE",
        TemplateBody=stack.template.body,
    )
    client.execute_change_set(StackName=name, ChangeSetName="beanvault-run")
    assert stacks.deploy(stack).outcome is StackOutcome.UNCHANGED
    assert stacks.describe(name)["StackStatus"] == "CREATE_COMPLETE"  # type: ignore[index]  # it exists


def test_a_protected_stack_is_deleted_only_by_agreeing_to_the_loss(
    stacks: Stacks, ui: RecordingUi, name: str
) -> None:
    stack = StackSpec(name, template(Queue=queue(f"{name}-q")), protected=True)
    stacks.deploy(stack)
    assert stacks.describe(name)["EnableTerminationProtection"] is True  # type: ignore[index]  # it exists
    with pytest.raises(Refused, match="protected"):
        stacks.delete(name)
    ui.accepts_loss = True
    assert stacks.delete(name).outcome is StackOutcome.DELETED


def test_a_template_that_is_too_long_for_a_request_is_deployed_from_its_bucket(
    stacks: Stacks, name: str, local_aws: LocalAws
) -> None:
    body = json.dumps(
        {
            "Resources": {"Queue": queue(f"{name}-q")},
            "Outputs": {f"Said{n}": {"Value": "x" * 400} for n in range(150)},
        }
    )
    assert len(body) > TEMPLATE_LIMIT
    aws = Aws(local_aws.session(), local_aws.endpoint)
    store = Store(aws, f"{name}-{aws.account()}", "templates")
    local_aws.client("s3").create_bucket(
        Bucket=store.bucket, CreateBucketConfiguration={"LocationConstraint": aws.region}
    )
    url = store.put("long", ".template", body.encode()).url(aws)
    assert stacks.deploy(StackSpec(name, TemplateSource(body, url))).outcome is StackOutcome.CREATED
    assert len(stacks.outputs(name)) == 150


def test_resources_say_what_is_retained(stacks: Stacks, name: str) -> None:
    kept = queue(f"{name}-kept") | {"DeletionPolicy": "Retain"}
    later = queue(f"{name}-later") | {"DeletionPolicy": "RetainExceptOnCreate"}
    stacks.deploy(StackSpec(name, template(Kept=kept, Later=later, Gone=queue(f"{name}-gone"))))
    retained = {
        resource.physical_id.rpartition("/")[2]: resource.retained for resource in stacks.resources(name)
    }
    assert retained == {f"{name}-kept": True, f"{name}-later": True, f"{name}-gone": False}
