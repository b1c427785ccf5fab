"""Which events of a stack name the cause of its failure, and whether it was ever in use."""

from __future__ import annotations

import pytest

from beanvault.cloudformation.events import StackEvent, first_failures, never_completed


def event(logical_id: str, status: str, reason: str = "", kind: str = "AWS::SQS::Queue") -> StackEvent:
    return StackEvent(f"{logical_id}-{status}", logical_id, kind, status, reason)


def test_the_causes_are_the_failures_that_nothing_else_caused() -> None:
    events = [
        event("Queue", "CREATE_IN_PROGRESS"),
        event("Topic", "CREATE_FAILED", "access denied"),
        event("Queue", "CREATE_FAILED", "Resource creation cancelled"),
        event("stack", "ROLLBACK_IN_PROGRESS", "…", "AWS::CloudFormation::Stack"),
        event("stack", "ROLLBACK_FAILED", "…", "AWS::CloudFormation::Stack"),
    ]
    assert [cause.logical_id for cause in first_failures(events)] == ["Topic"]
    assert [cause.logical_id for cause in first_failures(events[-1:])] == ["stack"]


@pytest.mark.parametrize(
    ("statuses", "never"),
    [
        ("REVIEW_IN_PROGRESS CREATE_IN_PROGRESS ROLLBACK_IN_PROGRESS ROLLBACK_FAILED", True),
        ("CREATE_IN_PROGRESS ROLLBACK_IN_PROGRESS ROLLBACK_FAILED DELETE_IN_PROGRESS DELETE_FAILED", True),
        ("CREATE_IN_PROGRESS CREATE_FAILED", True),
        ("CREATE_IN_PROGRESS CREATE_COMPLETE DELETE_IN_PROGRESS DELETE_FAILED", False),
        ("CREATE_IN_PROGRESS CREATE_FAILED UPDATE_IN_PROGRESS UPDATE_COMPLETE DELETE_FAILED", False),
        ("IMPORT_IN_PROGRESS IMPORT_COMPLETE DELETE_FAILED", False),
        # CloudFormation deleted the older events: what happened before is not known.
        ("DELETE_IN_PROGRESS DELETE_FAILED", False),
        ("", False),
    ],
)
def test_a_stack_was_never_in_use_only_if_its_whole_history_says_so(statuses: str, never: bool) -> None:
    events = [
        StackEvent(status, "stack", "AWS::CloudFormation::Stack", status, "", "arn")
        for status in statuses.split()
    ]
    resource = event("Queue", "CREATE_COMPLETE")
    assert never_completed([*events[:1], resource, *events[1:]], "arn") is never
