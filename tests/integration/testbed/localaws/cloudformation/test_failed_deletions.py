"""Story of testbed/localaws/cloudformation/.

Deletions, clean-ups and rollbacks that fail, and how CloudFormation lets them be continued.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

BROKEN = {
    "Type": "AWS::SNS::Subscription",
    "Properties": {"TopicArn": "arn:aws:sns:eu-central-1:123456789012:none", "Protocol": "email"},
}


def _queue(name: str, **more: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name, "DelaySeconds": 1}, **more}


def _status(stacks: Any, name: str) -> dict[str, str]:
    found = stacks.api.describe_stack_resources(StackName=name)["StackResources"]
    return {each["LogicalResourceId"]: each["ResourceStatus"] for each in found}


def test_what_a_failed_resource_needs_is_not_tried_and_the_next_deletion_goes_on(stacks: Any) -> None:
    name = stacks.name()
    needing = _queue(f"{name}-needing", DependsOn="Needed")
    resources = {"Needed": _queue(f"{name}-needed"), "Needing": needing, "Free": _queue(f"{name}-free")}
    stacks.deploy(name, {"Resources": resources})
    stacks.aws.fail_once(name, "Needing", "delete", "not now")
    stack = stacks.delete(name)
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert stack["StackStatusReason"] == "The following resource(s) failed to delete: [Needing]. "
    assert _status(stacks, name) == {
        "Needed": "CREATE_COMPLETE",
        "Needing": "DELETE_FAILED",
        "Free": "DELETE_COMPLETE",
    }
    assert "not now" in stacks.failures(name)["Needing"]
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


def test_only_resources_that_failed_can_be_retained_and_deleted_stacks_show_them(stacks: Any) -> None:
    name = stacks.name()
    resources = {"Kept": _queue(f"{name}-kept"), "Gone": _queue(f"{name}-gone")}
    stack_id = stacks.deploy(name, {"Resources": resources})["StackId"]
    with pytest.raises(ClientError, match="only when the stack is in the DELETE_FAILED state"):
        stacks.api.delete_stack(StackName=name, RetainResources=["Kept"])
    stacks.aws.fail_once(name, "Kept", "delete", "not now")
    assert stacks.delete(name)["StackStatus"] == "DELETE_FAILED"
    with pytest.raises(ClientError, match="must be in a valid state"):
        stacks.api.delete_stack(StackName=name, RetainResources=["Kept", "Gone"])
    stacks.api.delete_stack(StackName=name, RetainResources=["Kept"])
    assert stacks.at_rest(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert _status(stacks, stack_id) == {"Kept": "DELETE_SKIPPED", "Gone": "DELETE_COMPLETE"}
    deleted = stacks.api.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    assert stack_id in [each["StackId"] for each in deleted]
    sqs = stacks.aws.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=f"{name}-kept")["QueueUrl"])


def test_a_failed_clean_up_leaves_the_resource_and_the_stack_forgets_it(stacks: Any) -> None:
    """After an update, and after the rollback of one."""
    name, sqs = stacks.name(), stacks.aws.client("sqs")
    stacks.deploy(name, {"Resources": {"A": _queue(f"{name}-a"), "B": _queue(f"{name}-b")}})
    stacks.aws.fail_once(name, "B", "delete", "not now")
    stack = stacks.deploy(name, {"Resources": {"A": _queue(f"{name}-a")}})
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.statuses(name, "B")[-1] == "DELETE_FAILED"

    new = {"A": _queue(f"{name}-a"), "C": _queue(f"{name}-c"), "Broken": {**BROKEN, "DependsOn": "C"}}
    stacks.aws.fail_once(name, "C", "delete", "not now")
    assert stacks.deploy(name, {"Resources": new})["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.statuses(name, "C")[-1] == "DELETE_FAILED"
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"
    for left in ("b", "c"):
        sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=f"{name}-{left}")["QueueUrl"])


def test_a_rollback_that_failed_is_continued_or_skipped(stacks: Any) -> None:
    name, sqs = stacks.name(), stacks.aws.client("sqs")
    before = {"Q": _queue(f"{name}-q"), "R": _queue(f"{name}-r")}
    stacks.deploy(name, {"Resources": before})
    with pytest.raises(ClientError, match="can not continue its rollback"):
        stacks.api.continue_update_rollback(StackName=name)
    changed = {
        each: {**body, "Properties": {**body["Properties"], "DelaySeconds": 9}}
        for each, body in before.items()
    }
    stacks.aws.fail_once(name, "Q", "rollback", "not now")
    stack = stacks.deploy(name, {"Resources": {**changed, "Broken": {**BROKEN, "DependsOn": ["Q", "R"]}}})
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(ClientError, match="not in UPDATE_FAILED state"):
        stacks.api.continue_update_rollback(StackName=name, ResourcesToSkip=["R"])
    stacks.aws.fail_once(name, "Q", "rollback", "not now")
    stacks.api.continue_update_rollback(StackName=name)
    assert stacks.at_rest(name)["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    stacks.api.continue_update_rollback(StackName=name, ResourcesToSkip=["Q"])
    assert stacks.at_rest(name)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    delays = {
        each: sqs.get_queue_attributes(
            QueueUrl=sqs.get_queue_url(QueueName=f"{name}-{each}")["QueueUrl"],
            AttributeNames=["DelaySeconds"],
        )["Attributes"]["DelaySeconds"]
        for each in ("q", "r")
    }
    assert delays == {"q": "9", "r": "1"}  # what was skipped differs from its template
