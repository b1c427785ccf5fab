"""When a change to a stack has ended, against CloudFormation's answers in an order that it can give."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beanvault.cloudformation.stack import StackError, StackOutcome, StackSpec, TemplateSource

from ..cloudformation_answers import NAME, STACK, Answers, played_answers, stack_event

__all__ = ["played_answers"]

DEPLOYED = StackSpec(NAME, TemplateSource("{}"))


def test_an_update_is_over_when_an_event_says_so_whatever_status_the_stack_still_has(
    answers: Answers,
) -> None:
    """The first event can arrive while DescribeStacks still returns the previous status."""
    before = ("CREATE_COMPLETE",)
    answers.until_the_change_set_is_executed("CREATE_COMPLETE", *before)
    answers.events(*before, "UPDATE_IN_PROGRESS")
    answers.status("CREATE_COMPLETE")
    answers.events(*before, "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE")
    answers.status("UPDATE_ROLLBACK_COMPLETE")  # nothing failed: it has no exports that others import, either
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


def test_events_are_requested_again_when_aws_is_busy(answers: Answers) -> None:
    answers.until_the_change_set_is_executed("CREATE_COMPLETE", "CREATE_COMPLETE")
    answers.stubber.add_client_error("describe_stack_events", "Throttling", "Rate exceeded")
    answers.status("UPDATE_IN_PROGRESS")
    answers.events("CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    answers.status("UPDATE_COMPLETE")
    answers.status("UPDATE_COMPLETE")
    assert answers.stacks.deploy(DEPLOYED).outcome is StackOutcome.UPDATED


def test_a_rollback_that_failed_is_continued_before_anything_else(answers: Answers) -> None:
    history = ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED")
    answers.status("UPDATE_ROLLBACK_FAILED")
    answers.events(*history)
    answers.add("continue_update_rollback")
    resource = stack_event("resource", "shop-database", "UPDATE_FAILED") | {
        "LogicalResourceId": "Database",
        "ResourceType": "AWS::RDS::DBInstance",
        "ResourceStatusReason": "the snapshot is gone",
    }
    own = [stack_event(f"stack-{n}-{status}", STACK, status) for n, status in enumerate(history)]
    last = stack_event("last", STACK, "UPDATE_ROLLBACK_FAILED")
    answers.add("describe_stack_events", StackEvents=[last, resource, *own[::-1]])
    with pytest.raises(
        StackError, match=r"UPDATE_ROLLBACK_FAILED: Database .*the snapshot is gone"
    ) as failed:
        answers.stacks.deploy(DEPLOYED)
    assert "run the command again" in failed.value.remedy


EARLY = "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]."


def _refused(answers: Answers) -> str:
    answers.add("delete_change_set")
    with pytest.raises(StackError) as error:
        answers.stacks.deploy(DEPLOYED)
    return str(error.value)


def test_a_refused_change_set_is_explained_by_its_events(answers: Answers) -> None:
    """DescribeChangeSet names the check that failed, and not which resource failed it."""
    answers.until_the_change_set_exists("CREATE_COMPLETE")
    answers.add("describe_change_set", Status="FAILED", StatusReason=EARLY)
    detail = "Resource of type 'AWS::Logs::LogGroup' with identifier '/x' already exists."
    event = {
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": "AuditLogGroup",
        "ResourceType": "AWS::Logs::LogGroup",
        "ValidationStatusReason": detail,
    }
    answers.add("describe_events", OperationEvents=[event])
    assert f"AuditLogGroup (AWS::Logs::LogGroup): {detail}" in _refused(answers)


def test_a_refused_change_set_is_told_also_to_who_may_not_read_its_events(answers: Answers) -> None:
    answers.until_the_change_set_exists("CREATE_COMPLETE")
    answers.add("describe_change_set", Status="FAILED", StatusReason=EARLY)
    answers.stubber.add_client_error("describe_events", "AccessDenied", "no cloudformation:DescribeEvents")
    assert EARLY in _refused(answers)


def test_only_what_a_stack_created_and_did_not_delete_is_its_own(answers: Answers) -> None:
    """Another owner's bucket can have the name of one that was deleted, or that could not be created."""
    names = {"Kept": "a", "Deleted": "b", "Foreign": "c"}
    resources = {key: {"Type": "AWS::S3::Bucket", "DeletionPolicy": "RetainExceptOnCreate"} for key in names}
    answers.add("get_template", TemplateBody=json.dumps({"Resources": resources}))
    history = [
        ("Kept", "CREATE_COMPLETE"),
        ("Deleted", "CREATE_COMPLETE"),
        ("Foreign", "CREATE_FAILED"),
        ("Deleted", "DELETE_COMPLETE"),
        ("Kept", "DELETE_FAILED"),
    ]
    events = [
        {
            **stack_event(f"{key}-{status}", names[key], status),
            "LogicalResourceId": key,
            "ResourceType": "AWS::S3::Bucket",
        }
        for key, status in history
    ]
    answers.add("describe_stack_events", StackEvents=events[::-1])
    described: Any = {"StackName": NAME, "StackId": STACK}
    found = answers.stacks.attempted(described)
    assert {resource.physical_id for resource in found if resource.created} == {"a"}
    assert {resource.deletion_policy for resource in found} == {"RetainExceptOnCreate"}
