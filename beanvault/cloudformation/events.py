"""The history of a stack: its events, how they are followed, and which failures caused the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import BUSY_CODES, code
from ..errors import TimedOut
from ..polling import PollingClock, attempts

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef

STACK = "AWS::CloudFormation::Stack"
CANCELLED = ("Resource creation cancelled", "Resource update cancelled", "Resource creation Initiated")
"""CloudFormation's reasons for failures that other failures caused; its API has no code for them."""

USER_INITIATED = "User Initiated"
"""The reason of an operation's first event, which is none."""

STACK_SECONDS = 2 * 60 * 60
"""A Multi-AZ database takes about half an hour; CloudFormation gives up on a Beanstalk environment after an
hour.
"""


@dataclass(frozen=True, slots=True)
class StackEvent:
    """One entry of a stack's history."""

    id: str
    logical_id: str
    type: str
    status: str
    reason: str
    physical_id: str = ""

    @property
    def failed(self) -> bool:
        return self.status.endswith("_FAILED")

    @property
    def complete(self) -> bool:
        return self.status.endswith("_COMPLETE")

    @property
    def cancelled(self) -> bool:
        """Whether it failed only because something else failed."""
        return any(reason in self.reason for reason in CANCELLED)


def first_failures(events: Sequence[StackEvent]) -> tuple[StackEvent, ...]:
    """Return the failures that caused the others, at most five."""
    failures = [event for event in events if event.failed and not event.cancelled]
    resources = [event for event in failures if event.type != STACK]
    # An export in use fails no resource: an update is rolled back, and a deletion cancelled, with the reason.
    without = [event for event in events if event.type == STACK and event.reason not in ("", USER_INITIATED)]
    return tuple(resources or failures or without)[:5]


def never_completed(events: Sequence[StackEvent], stack_id: str) -> bool:
    """Return whether the events of a stack show, from its beginning on, that its creation never succeeded."""
    own = [event.status for event in events if event.physical_id == stack_id]
    completed = (status == "CREATE_COMPLETE" or status.startswith(("UPDATE_", "IMPORT_")) for status in own)
    return bool(own) and own[0] in ("REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS") and not any(completed)


def in_progress(status: str) -> bool:
    """Return whether an operation on a stack of this status is under way."""
    return status.endswith("_IN_PROGRESS")


@dataclass(frozen=True, slots=True)
class StackHistory:
    """Reads and follows the events of stacks."""

    client: CloudFormationClient
    report: Callable[[str, StackEvent], None]
    """Called with the name of the stack for each new event."""
    clock: PollingClock = field(default_factory=PollingClock)

    def newest(self, stack: str) -> str | None:
        """Return the id of the newest event of *stack*, a name or ARN; None where there is none."""
        events = self._events_after(stack, None)
        return events[-1].id if events else None

    def all(self, stack_id: str) -> Sequence[StackEvent]:
        """Return the events of a stack, oldest first. CloudFormation keeps them for 90 days."""
        return self._events_after(stack_id, None)

    def follow(self, stack_id: str, newest: str | None, exists: Callable[[], bool]) -> Iterator[StackEvent]:
        """Yield and report the events after *newest* until one of them ends the operation.

        Only an event is evidence. Right after a request, DescribeStacks can still return the status from
        before it, and a status read between two events is older than the second one.

        The iterator also ends once *exists* returns False: the events of a deleted stack can be missing.

        Raises:
            TimedOut: the operation is still under way after two hours
        """
        for _ in attempts(self.clock, STACK_SECONDS):
            for event in self._new_events(stack_id, newest):
                self.report(name_of(stack_id), event)
                newest = event.id
                yield event
                if event.physical_id == stack_id and not in_progress(event.status):
                    return
            if not exists():
                return
        raise _too_long(stack_id)

    def wait_while(self, stack_id: str, under_way: Callable[[], bool]) -> None:
        """Report events as long as *under_way* returns True.

        Raises:
            TimedOut: that is the case for two hours
        """
        newest = self.newest(stack_id)
        for _ in attempts(self.clock, STACK_SECONDS):
            continues = under_way()
            for event in self._new_events(stack_id, newest):
                self.report(name_of(stack_id), event)
                newest = event.id
            if not continues:
                return
        raise _too_long(stack_id)

    def _new_events(self, stack_id: str, newest: str | None) -> Sequence[StackEvent]:
        """Return the events after *newest*; none while AWS is busy, because the next attempt returns them."""
        try:
            return self._events_after(stack_id, newest)
        except ClientError as error:
            if code(error) not in BUSY_CODES:
                raise
            return ()

    def _events_after(self, stack: str, newest: str | None) -> Sequence[StackEvent]:
        """Return the events after *newest*, oldest first."""
        found: list[StackEvent] = []
        try:
            for page in self.client.get_paginator("describe_stack_events").paginate(StackName=stack):
                for raw in page["StackEvents"]:
                    if raw["EventId"] == newest:
                        return found[::-1]
                    found.append(_parse(raw))
        except ClientError as error:
            if not does_not_exist(error):
                raise
        return found[::-1]


def does_not_exist(error: ClientError) -> bool:
    """Return whether CloudFormation refused because a stack doesn't exist, which has no code of its own."""
    return code(error) == "ValidationError" and "does not exist" in str(error)


def name_of(stack: str) -> str:
    """Return the name in a stack's ARN, or a name as it is."""
    return stack.split("/")[1] if "/" in stack else stack


def _parse(raw: StackEventTypeDef) -> StackEvent:
    return StackEvent(
        id=raw["EventId"],
        logical_id=raw.get("LogicalResourceId", ""),
        type=raw.get("ResourceType", ""),
        status=raw.get("ResourceStatus", ""),
        reason=raw.get("ResourceStatusReason") or "",
        physical_id=raw.get("PhysicalResourceId") or "",
    )


def _too_long(stack_id: str) -> TimedOut:
    return TimedOut(
        f"{name_of(stack_id)} is still under way after {STACK_SECONDS // 60} min",
        "run the command again: it continues waiting",
    )
