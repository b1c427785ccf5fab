"""Which events of a stack name the cause of its failure."""

from __future__ import annotations

from beanvault.cloudformation.events import StackEvent, first_failures


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
