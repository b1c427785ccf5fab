"""What a failed operation on a stack leaves, and the command that continues it. Pure: reads events."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from .events import STACK, StackEvent

NOT_ROLLED_BACK = "UPDATE_FAILED"
NOT_DELETED = "DELETE_FAILED"


def last_failed(events: Iterable[StackEvent], status: str) -> tuple[StackEvent, ...]:
    """Return the resources whose last event has *status* and was not cancelled, in order."""
    last: dict[tuple[str, str], StackEvent] = {}
    for event in events:
        if event.type != STACK:
            last[event.logical_id, event.physical_id] = event
    return tuple(event for event in last.values() if event.status == status and not event.cancelled)


def not_cleaned_up(events: Sequence[StackEvent]) -> tuple[str, ...]:
    """Return a line for each resource that a finished update could not delete.

    CloudFormation forgets these: they stay in the account, and no stack lists them.
    """
    return tuple(
        f"{event.type} {event.physical_id} could not be deleted and stays in the account, outside the stack: "
        f"{event.reason}"
        for event in last_failed(events, NOT_DELETED)
    )


def deletion_remedy(events: Sequence[StackEvent], stack: str, region: str, importers: Iterable[str]) -> str:
    """Return what to do about a deletion that failed, or that CloudFormation did not begin."""
    if failed := last_failed(events, NOT_DELETED):
        names = shlex.join(event.logical_id for event in failed)
        return (
            "fix the cause and run the command again. To leave what can't be deleted:\n"
            f"  aws cloudformation delete-stack --region {region} --stack-name {stack} "
            f"--retain-resources {names}\n"
            "and run the command again: it deletes the rest, and lists what stays with its price"
        )
    return imports_remedy(importers) or "fix the cause and run the command again"


def rollback_remedy(events: Sequence[StackEvent], stack: str, region: str) -> str:
    """Return what to do about a rollback that failed again."""
    if failed := last_failed(events, NOT_ROLLED_BACK):
        names = shlex.join(event.logical_id for event in failed)
        return (
            "fix the cause and run the command again: it continues the rollback. To leave these resources as "
            "they are:\n"
            f"  aws cloudformation continue-update-rollback --region {region} --stack-name {stack} "
            f"--resources-to-skip {names}\n"
            f"  aws cloudformation wait stack-rollback-complete --region {region} --stack-name {stack}\n"
            "and run the command again with --revert-drift, because they differ from the stack's template"
        )
    return "fix the cause and run the command again: it continues the rollback"


def imports_remedy(importers: Iterable[str]) -> str:
    """Return what to do about exports that other stacks import; nothing where none does."""
    names = ", ".join(sorted(importers))
    return f"delete {names}, or remove its imports; then run the command again" if names else ""
