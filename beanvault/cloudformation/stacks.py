"""One layer's stack: brought to its template by a change set, watched, repaired, deleted.

Each function can be repeated after an interruption at any place: it looks at the stack's state first, waits
for what is still under way, removes the change sets it left behind, and goes on from there.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from cfn_tools import load_yaml

from ..aws import BUSY_CODES, code
from ..errors import Refused, TimedOut
from ..polling import PollingClock, attempts
from ..ui import StackEvent, Ui
from . import changes
from .changes import ResourceChange
from .stack import (
    StackError,
    StackOutcome,
    StackResource,
    StackResult,
    StackSpec,
    event_of,
    first_failures,
    name_of,
)

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

CHANGE_SET_PREFIX = "beanvault-"
CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM")
INLINE_LIMIT = 51_200
"""Bytes of a template that may be sent in the request (CloudFormation quotas); a longer one goes to S3."""

CHANGE_SET_SECONDS = 300
STACK_SECONDS = 2 * 60 * 60
"""A Multi-AZ database takes about half an hour; CloudFormation gives up on a Beanstalk environment after
one.
"""

DEAD = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})
"""States of a stack that never came to be, or half went; all that can be done is delete it."""
GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
STAYING = frozenset({"Retain", "RetainExceptOnCreate", "Snapshot"})
"""Deletion policies by which something outlives its stack."""
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True)
class Stacks:
    """CloudFormation, as far as layers need it."""

    client: CloudFormationClient
    ui: Ui
    clock: PollingClock = field(default_factory=PollingClock)

    def describe(self, name: str) -> Mapping[str, Any] | None:
        """Return DescribeStacks' answer for a stack's name or id, or nothing when there is none."""
        try:
            found = self.client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
        return found[0] if found else None

    def outputs(self, name: str) -> Mapping[str, str]:
        """Return a stack's outputs; nothing when there is no such stack."""
        described = self.describe(name) or {}
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs") or ()}

    def settled(self, name: str) -> Mapping[str, Any] | None:
        """Return the stack once nothing is under way; an earlier run may have been interrupted.

        Raises:
            TimedOut: it is still under way after two hours
        """
        described = self.describe(name)
        if described is None or described["StackStatus"] == "REVIEW_IN_PROGRESS":
            return described
        if described["StackStatus"].endswith("_IN_PROGRESS"):
            self.ui.step(f"{name} is {described['StackStatus']}: waiting for that to end")
            self._wait(described["StackId"])
            return self.describe(name)
        return described

    def deploy(self, stack: StackSpec, *, plan_only: bool = False, revert_drift: bool = False) -> StackResult:
        """Create *stack*, or update it to its template, and wait until that is done.

        With *revert_drift* also what was changed by hand goes back to the template.

        Raises:
            StackError: CloudFormation gave up; the error names the first failures
            Refused: it would lose data, or the stack has to be deleted first, and nobody agreed
            TimedOut: it takes longer than two hours; the same call goes on waiting
        """
        begin = self.clock.now()
        status = self._ready(stack.name, plan_only=plan_only)
        creating = status is None
        made = self._change_set(stack, "CREATE" if creating else "UPDATE", revert_drift=revert_drift)
        if made is None:
            self._protect(stack)
            return self._result(stack.name, StackOutcome.UNCHANGED, (), begin)
        change_set, planned = made
        self.ui.changes(stack.name, planned)
        if plan_only:
            self._discard(stack.name, change_set, also_stack=creating)
            return self._result(stack.name, StackOutcome.PLANNED, planned, begin)
        self._agreed(stack.name, change_set, planned, creating=creating)
        seen = self._newest_event(stack.name)
        self.client.execute_change_set(ChangeSetName=change_set, StackName=stack.name)
        self._follow(self._id(stack.name), seen, wanted=GOOD)
        self._protect(stack)
        return self._result(
            stack.name, StackOutcome.CREATED if creating else StackOutcome.UPDATED, planned, begin
        )

    def delete(self, name: str) -> StackResult:
        """Delete the stack *name* and wait; what its template retains stays.

        Raises:
            StackError: something couldn't be deleted; the error names it
        """
        begin = self.clock.now()
        described = self.settled(name)
        if described is None:
            return StackResult(name, StackOutcome.ABSENT)
        self._delete(described)
        return StackResult(name, StackOutcome.DELETED, seconds=self.clock.now() - begin)

    def template(self, name: str) -> Mapping[str, Any]:
        """Return the template that a stack has now."""
        body: Any = self.client.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
        parsed: Mapping[str, Any] = body if isinstance(body, Mapping) else load_yaml(body)  # also JSON
        return parsed

    def resources(self, name: str) -> tuple[StackResource, ...]:
        """Return what a stack consists of, and which of it stays when the stack is deleted."""
        if self.describe(name) is None:
            return ()
        declared: Mapping[str, Any] = self.template(name)["Resources"]
        pages = self.client.get_paginator("list_stack_resources").paginate(StackName=name)
        return tuple(
            StackResource(
                item["ResourceType"],
                item["PhysicalResourceId"],
                stays=declared.get(item["LogicalResourceId"], {}).get("DeletionPolicy") in STAYING,
            )
            for page in pages
            for item in page["StackResourceSummaries"]
            if item.get("PhysicalResourceId") and item["ResourceStatus"] != "DELETE_COMPLETE"
        )

    # Before a change

    def _ready(self, name: str, *, plan_only: bool) -> str | None:
        """Bring the stack to a state that can be changed; return its status, or nothing to create it."""
        described = self.settled(name)
        if described is None:
            return None
        status: str = described["StackStatus"]
        if status in DEAD:
            if plan_only:
                raise Refused(f"{name} is {status}: it has to be deleted before it can be planned")
            question = f"{name} is {status}: it has to be deleted and created again. Delete it?"
            if not self.ui.confirm(question, loses=status == "DELETE_FAILED"):
                raise Refused(
                    f"{name} is {status} and was left as it is", "agree to its deletion, or delete it by hand"
                )
            self._delete(described)
            return None
        if status == "UPDATE_ROLLBACK_FAILED" and not plan_only:
            self.ui.step(f"{name}: continuing the roll-back that failed")
            seen = self._newest_event(name)
            self.client.continue_update_rollback(StackName=name)
            self._follow(described["StackId"], seen, wanted=frozenset({"UPDATE_ROLLBACK_COMPLETE"}))
        self._discard_left_overs(name)
        return None if status == "REVIEW_IN_PROGRESS" else status

    def _discard_left_overs(self, name: str) -> None:
        pages = self.client.get_paginator("list_change_sets").paginate(StackName=name)
        for summary in [item for page in pages for item in page["Summaries"]]:
            if summary["ChangeSetName"].startswith(CHANGE_SET_PREFIX) and summary.get(
                "ExecutionStatus"
            ) not in (
                "EXECUTE_IN_PROGRESS",
                "EXECUTE_COMPLETE",
            ):
                self.client.delete_change_set(StackName=name, ChangeSetName=summary["ChangeSetId"])

    # The change set

    def _agreed(
        self, name: str, change_set: str, planned: tuple[ResourceChange, ...], *, creating: bool
    ) -> None:
        """Ask whether to go on; what would lose data is asked for as such.

        Raises:
            Refused: no; the change set is gone
        """
        endangered = "; ".join(str(change) for change in planned if change.endangers_data)
        question = (
            f"{name} would lose what these hold: {endangered}. Go on?"
            if endangered
            else f"Make these {len(planned)} changes to {name}?"
        )
        if self.ui.confirm(question, loses=bool(endangered)):
            return
        self._discard(name, change_set, also_stack=creating)
        if endangered:
            raise Refused(
                f"{name} was not changed: it would lose what these hold: {endangered}",
                "undo that in the deployment file, or agree when asked (--yes alone doesn't)",
            )
        raise Refused(f"{name} was not changed: nobody agreed", "agree when asked, or pass --yes")

    def _change_set(
        self, stack: StackSpec, kind: str, *, revert_drift: bool
    ) -> tuple[str, tuple[ResourceChange, ...]] | None:
        """Make a change set; return its ARN and what it would do, or nothing when that is nothing."""
        arguments: dict[str, Any] = {
            "StackName": stack.name,
            "ChangeSetName": f"{CHANGE_SET_PREFIX}{secrets.token_hex(8)}",
            "ChangeSetType": kind,
            "Capabilities": CAPABILITIES,
            "Parameters": [
                {"ParameterKey": k, "ParameterValue": v} for k, v in sorted(stack.parameters.items())
            ],
            "Tags": [{"Key": k, "Value": v} for k, v in sorted(stack.tags.items())],
        } | stack.template.argument()
        if revert_drift and kind == "UPDATE":
            # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
            arguments["DeploymentMode"] = "REVERT_DRIFT"
        arn = self.client.create_change_set(**arguments)["Id"]
        for _ in attempts(self.clock, CHANGE_SET_SECONDS):
            described = self.client.describe_change_set(ChangeSetName=arn, StackName=stack.name)
            match described["Status"]:
                case "CREATE_COMPLETE":
                    return arn, changes.parse(self._all_changes(arn, stack.name))
                case "FAILED":
                    reason = described.get("StatusReason", "")
                    self._discard(stack.name, arn, also_stack=kind == "CREATE")
                    if any(words in reason for words in NO_CHANGES):
                        return None
                    raise StackError(f"{stack.name}: CloudFormation refused the change set: {reason}")
        raise TimedOut(
            f"{stack.name}: the change set isn't ready after {CHANGE_SET_SECONDS} s",
            "run the same command again",
        )

    def _all_changes(self, arn: str, name: str) -> Iterator[Mapping[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self.client.describe_change_set(ChangeSetName=arn, StackName=name, **token)  # type: ignore[arg-type]  # one optional string
            yield from page.get("Changes") or ()
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def _discard(self, name: str, change_set: str, *, also_stack: bool) -> None:
        """Remove a change set that won't be executed, and the empty stack that a first one brings with it."""
        self.client.delete_change_set(StackName=name, ChangeSetName=change_set)
        if also_stack:
            self.client.delete_stack(StackName=name)

    # While it runs

    def _delete(self, described: Mapping[str, Any]) -> None:
        name, stack_id = described["StackName"], described["StackId"]
        if described.get("EnableTerminationProtection"):
            if not self.ui.confirm(f"{name} is protected. Delete it all the same?", loses=True):
                raise Refused(f"{name} is protected from termination and was left as it is")
            self.client.update_termination_protection(StackName=name, EnableTerminationProtection=False)
        seen = self._newest_event(name)
        self.client.delete_stack(StackName=stack_id)
        self._follow(stack_id, seen, wanted=frozenset({"DELETE_COMPLETE"}))

    def _follow(self, stack_id: str, seen: str | None, *, wanted: frozenset[str]) -> None:
        """Report events until the stack is in a state of *wanted*.

        Raises:
            StackError: it came to rest in another one
        """
        told: list[StackEvent] = []
        status = self._watch(stack_id, seen, told)
        if status in wanted:
            return
        causes = first_failures(told)
        because = "; ".join(f"{cause.logical_id} ({cause.type}): {cause.reason}" for cause in causes)
        raise StackError(
            f"{name_of(stack_id)} ended as {status}: {because or 'CloudFormation gave no reason'}",
            "mend the cause and run the same command again; it repairs what it left",
            causes,
        )

    def _wait(self, stack_id: str) -> None:
        """Report events until nothing is under way in the stack."""
        seen = self._newest_event(stack_id)
        for _ in attempts(self.clock, STACK_SECONDS):
            described = self.describe(stack_id)
            for event in self._news(stack_id, seen):
                self.ui.event(name_of(stack_id), event)
                seen = event.id
            if described is None or not described["StackStatus"].endswith("_IN_PROGRESS"):
                return
        raise _too_long(stack_id)

    def _watch(self, stack_id: str, seen: str | None, told: list[StackEvent]) -> str:
        """Add events after *seen* to *told* until one says that the stack is at rest; return its status.

        Only an event tells: right after a change was asked for, DescribeStacks may still answer the status
        that the stack had before, and a status read between two events is older than the second one.
        """
        for _ in attempts(self.clock, STACK_SECONDS):
            for event in self._news(stack_id, seen):
                self.ui.event(name_of(stack_id), event)
                seen = event.id
                told.append(event)
                if event.physical_id == stack_id and not event.status.endswith("_IN_PROGRESS"):
                    return event.status
            if self.describe(stack_id) is None:
                return "DELETE_COMPLETE"
        raise _too_long(stack_id)

    def _news(self, stack_id: str, seen: str | None) -> Sequence[StackEvent]:
        """Return the events newer than *seen*; none while AWS is too busy, as the next look has them."""
        try:
            return self._events_after(stack_id, seen)
        except ClientError as error:
            if code(error) not in BUSY_CODES:
                raise
            return ()

    def _events_after(self, stack: str, seen: str | None) -> Sequence[StackEvent]:
        """Return the events newer than *seen*, oldest first."""
        found: list[StackEvent] = []
        try:
            for page in self.client.get_paginator("describe_stack_events").paginate(StackName=stack):
                for raw in page["StackEvents"]:
                    if raw["EventId"] == seen:
                        return found[::-1]
                    found.append(event_of(raw))
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
        return found[::-1]

    def _newest_event(self, name: str) -> str | None:
        events = self._events_after(name, None)
        return events[-1].id if events else None

    # Afterwards

    def _protect(self, stack: StackSpec) -> None:
        described = self.describe(stack.name) or {}
        if stack.protected and not described.get("EnableTerminationProtection"):
            self.client.update_termination_protection(StackName=stack.name, EnableTerminationProtection=True)

    def _id(self, name: str) -> str:
        described = self.describe(name)
        return name if described is None else str(described["StackId"])

    def _result(
        self, name: str, outcome: StackOutcome, planned: tuple[ResourceChange, ...], begin: float
    ) -> StackResult:
        return StackResult(name, outcome, planned, self.outputs(name), self.clock.now() - begin)


def _too_long(stack_id: str) -> TimedOut:
    return TimedOut(
        f"{name_of(stack_id)} is still under way after {STACK_SECONDS // 60} min",
        "run the same command again: it goes on waiting",
    )
