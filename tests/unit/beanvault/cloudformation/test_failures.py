"""Which resources an operation left, and the command that continues it."""

from __future__ import annotations

from beanvault.cloudformation.events import StackEvent, first_failures
from beanvault.cloudformation.failures import deletion_remedy, not_cleaned_up, rollback_remedy

STACK = "AWS::CloudFormation::Stack"


def event(logical_id: str, status: str, reason: str = "", physical_id: str = "") -> StackEvent:
    type_ = STACK if logical_id == "shop-network" else "AWS::EC2::Subnet"
    return StackEvent(f"{logical_id}{status}", logical_id, type_, status, reason, physical_id or logical_id)


def test_all_that_could_not_be_deleted_is_in_the_command_also_beyond_the_five_in_the_message() -> None:
    events = [event(f"Subnet{n}", "DELETE_FAILED", "in use") for n in range(7)]
    events += [event("Gone", "DELETE_FAILED", "in use"), event("Gone", "DELETE_COMPLETE")]
    events.append(event("shop-network", "DELETE_FAILED", "The following resource(s) failed to delete: …"))
    assert len(first_failures(events)) == 5
    remedy = deletion_remedy(events, "shop-network", "eu-central-1", ())
    names = " ".join(f"Subnet{n}" for n in range(7))
    assert (
        "aws cloudformation delete-stack --region eu-central-1 --stack-name shop-network "
        f"--retain-resources {names}\n" in remedy
    )


def test_what_was_cancelled_is_not_skipped() -> None:
    events = [
        event("Table", "UPDATE_FAILED", "Resource update cancelled"),
        event("Queue", "UPDATE_FAILED", "the queue is gone"),
    ]
    assert "--resources-to-skip Queue\n" in rollback_remedy(events, "shop-data", "eu-central-1")
    nothing = rollback_remedy(events[:1], "shop-data", "eu-central-1")
    assert nothing == "fix the cause and run the command again: it continues the rollback"


def test_a_cancelled_deletion_names_who_imports() -> None:
    why = "Delete canceled. Cannot delete export shop-network-Vpc as it is in use by other."
    events = [
        event("shop-network", "DELETE_IN_PROGRESS", "User Initiated"),
        event("shop-network", "CREATE_COMPLETE", why),
    ]
    assert [failure.reason for failure in first_failures(events)] == [why]
    remedy = deletion_remedy(events, "shop-network", "eu-central-1", {"other", "another"})
    assert remedy == "delete another, other, or remove its imports; then run the command again"


def test_a_clean_up_that_succeeded_at_last_leaves_nothing() -> None:
    events = [
        event("Old", "DELETE_FAILED", "in use", "subnet-1"),
        event("Old", "DELETE_COMPLETE", "", "subnet-1"),
        event("Older", "DELETE_FAILED", "in use", "subnet-2"),
    ]
    assert not_cleaned_up(events) == (
        "AWS::EC2::Subnet subnet-2 could not be deleted and stays in the account, outside the stack: in use",
    )
