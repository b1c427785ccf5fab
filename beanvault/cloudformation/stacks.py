"""One layer's stack: brought to its template by a change set, followed, repaired, deleted.

Each function can be repeated after an interruption at any point. It reads the stack's state first, waits for
an operation that is still under way, discards the change sets of earlier runs, and resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from cfn_tools import load_yaml

from ..errors import Refused
from ..polling import PollingClock
from ..ui import Ui
from .change_sets import ChangeSet, ChangeSets
from .changes import ResourceChange
from .events import (
    STACK,
    StackEvent,
    StackHistory,
    does_not_exist,
    first_failures,
    in_progress,
    name_of,
    never_completed,
)
from .failures import deletion_remedy, imports_remedy, not_cleaned_up, rollback_remedy
from .stack import (
    COMPLETE,
    EMPTY,
    UNUSABLE,
    AttemptedResource,
    StackError,
    StackOutcome,
    StackResource,
    StackResult,
    StackSpec,
)

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

RETAINING = frozenset({"Retain", "RetainExceptOnCreate", "Snapshot"})
"""Deletion policies that keep a resource, or a snapshot of it, when its stack is deleted."""


@dataclass(frozen=True, slots=True)
class Stacks:
    """CloudFormation, as far as layers need it."""

    client: CloudFormationClient
    ui: Ui
    clock: PollingClock = field(default_factory=PollingClock)

    def describe(self, name: str) -> StackTypeDef | None:
        """Return the answer of DescribeStacks for a stack's name or id; None when it doesn't exist."""
        try:
            found = self.client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if does_not_exist(error):
                return None
            raise
        return found[0] if found else None

    def outputs(self, name: str) -> Mapping[str, str]:
        """Return a stack's outputs; none when it doesn't exist."""
        described = self.describe(name)
        outputs = described.get("Outputs", ()) if described else ()
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def exports(self, name: str) -> frozenset[str]:
        """Return the names that a stack exports; none when it doesn't exist."""
        described = self.describe(name)
        outputs = described.get("Outputs", ()) if described else ()
        return frozenset(output["ExportName"] for output in outputs if "ExportName" in output)

    def importers(self, export: str) -> frozenset[str]:
        """Return the stacks that import *export*."""
        pages = self.client.get_paginator("list_imports").paginate(ExportName=export)
        try:
            return frozenset(name for page in pages for name in page["Imports"])
        except ClientError as error:
            if "is not imported by any stack" not in str(error):  # CloudFormation has no code for it
                raise
            return frozenset()

    def all_importers(self, name: str) -> frozenset[str]:
        """Return the stacks that import anything of the stack *name*."""
        return frozenset[str]().union(*(self.importers(export) for export in self.exports(name)))

    def is_new(self, name: str) -> bool:
        """Return whether a deployment would create the stack."""
        described = self.describe(name)
        return described is None or described["StackStatus"] in {*UNUSABLE, EMPTY}

    def failed_creation(self, name: str) -> StackTypeDef | None:
        """Return the stack if its first creation failed, so that no deployment ever used it; else None.

        The status alone doesn't say so: a deletion fails of a stack that was in use as well.

        Raises:
            TimedOut: an operation is still under way after two hours
        """
        described = self.wait_until_idle(name)
        if described is None or described["StackStatus"] not in UNUSABLE:
            return None
        stack_id = described["StackId"]
        return described if never_completed(self._history.all(stack_id), stack_id) else None

    def delete_unusable(self, name: str) -> None:
        """Delete a stack that can't be updated and has to be created again, once confirmed.

        Raises:
            Refused: it was not confirmed
            StackError: something couldn't be deleted; the error names it
        """
        described = self.wait_until_idle(name)
        if described is None or described["StackStatus"] not in UNUSABLE:
            return
        status = described["StackStatus"]
        question = f"{name} is {status}: it has to be deleted and created again. Delete it?"
        if not self.ui.confirm(question, loses_data=status == "DELETE_FAILED"):
            raise Refused(
                f"{name} is {status} and was not changed",
                "confirm its deletion, or delete it with the AWS CLI",
            )
        self._delete(described)

    def attempted(self, described: StackTypeDef) -> tuple[AttemptedResource, ...]:
        """Return the resources that the creation of a stack began to create, the last one first."""
        declared: Mapping[str, Any] = self.template(described["StackName"])["Resources"]
        found: dict[tuple[str, str, str], bool] = {}
        for event in self._history.all(described["StackId"]):
            if event.physical_id and event.logical_id in declared:
                key = (event.logical_id, event.type, event.physical_id)
                # A resource with the name of a deleted one belongs to another owner.
                changed = {"CREATE_COMPLETE": True, "DELETE_COMPLETE": False}
                found[key] = changed.get(event.status, found.get(key, False))
        return tuple(
            AttemptedResource(
                kind, physical_id, created, declared[logical_id].get("DeletionPolicy", "Delete")
            )
            for (logical_id, kind, physical_id), created in reversed(found.items())
        )

    def wait_until_idle(self, name: str) -> StackTypeDef | None:
        """Return the stack once no operation is under way, as after an interrupted run.

        Raises:
            TimedOut: it is still under way after two hours
        """
        described = self.describe(name)
        if described is None or described["StackStatus"] == EMPTY:
            return described
        if in_progress(described["StackStatus"]):
            self.ui.step(f"{name} is {described['StackStatus']}: waiting until that has ended")
            stack_id = described["StackId"]
            self._history.wait_while(stack_id, lambda: self._is_under_way(stack_id))
            return self.describe(name)
        return described

    def deploy(self, stack: StackSpec, *, plan_only: bool = False, revert_drift: bool = False) -> StackResult:
        """Create *stack*, or update it to its template, and wait until that has ended.

        With *revert_drift*, changes made by hand are reverted to the template.

        Raises:
            StackError: CloudFormation failed; the error names the first failures
            Refused: it would lose data, or the stack has to be deleted first, and that was not confirmed
            TimedOut: it takes longer than two hours; the same call continues waiting
        """
        start = self.clock.now()
        creating = not self._prepare(stack.name, plan_only=plan_only)
        change_set = self._change_sets.create(
            stack, "CREATE" if creating else "UPDATE", revert_drift=revert_drift
        )
        if change_set is None:
            self._protect(stack)
            return self._result(stack.name, StackOutcome.UNCHANGED, (), start)
        self.ui.changes(stack.name, change_set.changes)
        if plan_only:
            self._change_sets.discard(change_set)
            return self._result(stack.name, StackOutcome.PLANNED, change_set.changes, start)
        self._require_consent(change_set)
        newest = self._history.newest(stack.name)
        self.client.execute_change_set(ChangeSetName=change_set.arn, StackName=stack.name)
        described = self.describe(stack.name)
        self._follow(
            described["StackId"] if described else stack.name,
            newest,
            expected=COMPLETE,
            remedy=lambda events: self._update_remedy(events, stack.name),
        )
        self._protect(stack)
        outcome = StackOutcome.CREATED if creating else StackOutcome.UPDATED
        return self._result(stack.name, outcome, change_set.changes, start)

    def delete(self, name: str) -> StackResult:
        """Delete the stack *name* and wait; what its template retains is kept.

        Raises:
            StackError: something couldn't be deleted; the error names it
        """
        start = self.clock.now()
        described = self.wait_until_idle(name)
        if described is None:
            return StackResult(name, StackOutcome.ABSENT)
        self._delete(described)
        return StackResult(name, StackOutcome.DELETED, seconds=self.clock.now() - start)

    def template(self, name: str) -> Mapping[str, Any]:
        """Return the template that a stack has now."""
        # The stubs have a mapping here, boto3 returns text for YAML.
        body: Any = self.client.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
        template: Mapping[str, Any] = body if isinstance(body, Mapping) else load_yaml(body)
        return template

    def resources(self, name: str) -> tuple[StackResource, ...]:
        """Return the resources of a stack, and which of them are retained when it is deleted."""
        if self.describe(name) is None:
            return ()
        declared: Mapping[str, Any] = self.template(name)["Resources"]
        pages = self.client.get_paginator("list_stack_resources").paginate(StackName=name)
        return tuple(
            StackResource(
                item["ResourceType"],
                item["PhysicalResourceId"],
                retained=declared.get(item["LogicalResourceId"], {}).get("DeletionPolicy") in RETAINING,
            )
            for page in pages
            for item in page["StackResourceSummaries"]
            if item.get("PhysicalResourceId") and item["ResourceStatus"] != "DELETE_COMPLETE"
        )

    @property
    def _change_sets(self) -> ChangeSets:
        return ChangeSets(self.client, self.clock)

    @property
    def _history(self) -> StackHistory:
        return StackHistory(self.client, self.ui.event, self.clock)

    def _is_under_way(self, stack_id: str) -> bool:
        described = self.describe(stack_id)
        return described is not None and in_progress(described["StackStatus"])

    def _prepare(self, name: str, *, plan_only: bool) -> bool:
        """Bring the stack to a state that can be changed; return whether it exists then.

        Raises:
            Refused: it has to be deleted first, and that was not confirmed
        """
        described = self.wait_until_idle(name)
        if described is None:
            return False
        status = described["StackStatus"]
        if status in UNUSABLE:
            if plan_only:
                raise Refused(
                    f"{name} is {status}: it has to be deleted before it can be planned",
                    "run it without --plan-only, which asks before it deletes the stack and creates it again",
                )
            self.delete_unusable(name)
            return False
        if status == "UPDATE_ROLLBACK_FAILED" and not plan_only:
            self.ui.step(f"{name}: continuing the rollback that failed")
            newest = self._history.newest(name)
            self.client.continue_update_rollback(StackName=name)
            self._follow(
                described["StackId"],
                newest,
                expected=frozenset({"UPDATE_ROLLBACK_COMPLETE"}),
                remedy=lambda events: rollback_remedy(events, name, self._region),
            )
        self._change_sets.discard_leftovers(name)
        return status != EMPTY

    def _require_consent(self, change_set: ChangeSet) -> None:
        """Ask whether to make the changes; a loss of data is asked about as such.

        Raises:
            Refused: it was not confirmed; the change set is deleted
        """
        name = change_set.stack
        endangered = "; ".join(str(change) for change in change_set.changes if change.endangers_data)
        question = (
            f"{name} would lose the data of: {endangered}. Continue?"
            if endangered
            else f"Make these {len(change_set.changes)} changes to {name}?"
        )
        if self.ui.confirm(question, loses_data=bool(endangered)):
            return
        self._change_sets.discard(change_set)
        if endangered:
            raise Refused(
                f"{name} was not changed: it would lose the data of: {endangered}",
                "revert that in the deployment file, or confirm it with --accept-data-loss (--yes alone "
                "doesn't)",
            )
        raise Refused(
            f"{name} was not changed: the changes were not confirmed", "confirm them, or pass --yes"
        )

    def _delete(self, described: StackTypeDef) -> None:
        name, stack_id = described["StackName"], described["StackId"]
        if described.get("EnableTerminationProtection"):
            if not self.ui.confirm(f"{name} has termination protection. Delete it?", loses_data=True):
                raise Refused(f"{name} is protected from termination and was not changed")
            self.client.update_termination_protection(StackName=name, EnableTerminationProtection=False)
        newest = self._history.newest(name)
        self.client.delete_stack(StackName=stack_id)
        self._follow(
            stack_id,
            newest,
            expected=frozenset({"DELETE_COMPLETE"}),
            remedy=lambda events: deletion_remedy(events, name, self._region, self.all_importers(name)),
        )

    def _follow(
        self,
        stack_id: str,
        newest: str | None,
        *,
        expected: frozenset[str],
        remedy: Callable[[Sequence[StackEvent]], str],
    ) -> None:
        """Report events until the operation has ended, and what an update could not clean up.

        Raises:
            StackError: the stack ended in a state that isn't *expected*
        """
        events = tuple(self._history.follow(stack_id, newest, lambda: self.describe(stack_id) is not None))
        status = _final_status(events, stack_id)
        if "DELETE_COMPLETE" not in expected:
            for line in not_cleaned_up(events):
                self.ui.step(f"{name_of(stack_id)}: {line}")
        if status in expected:
            return
        causes = first_failures(events)
        # What a failed creation could not delete is a consequence of it, and named as what is left.
        shown = [cause for cause in causes if cause.status != "DELETE_FAILED"] or causes
        because = "; ".join(f"{cause.logical_id} ({cause.type}): {cause.reason}" for cause in shown)
        raise StackError(
            f"{name_of(stack_id)} ended as {status}: {because or 'CloudFormation gave no reason'}"
            f"{_left_behind(events)}",
            remedy(events),
            causes,
        )

    def _update_remedy(self, events: Sequence[StackEvent], name: str) -> str:
        repair = "fix the cause and run the command again; it repairs the stack"
        if any(event.failed for event in events):
            return repair
        # Without a failed resource, what CloudFormation refused are the outputs.
        return imports_remedy(self.all_importers(name)) or repair

    @property
    def _region(self) -> str:
        return self.client.meta.region_name

    def _protect(self, stack: StackSpec) -> None:
        described = self.describe(stack.name)
        if stack.protected and described and not described.get("EnableTerminationProtection"):
            self.client.update_termination_protection(StackName=stack.name, EnableTerminationProtection=True)

    def _result(
        self, name: str, outcome: StackOutcome, planned: tuple[ResourceChange, ...], start: float
    ) -> StackResult:
        return StackResult(name, outcome, planned, self.outputs(name), self.clock.now() - start)


def _left_behind(events: Sequence[StackEvent]) -> str:
    """Return which resources could not be deleted, as the end of a sentence."""
    left = {e.logical_id: e for e in events if e.status == "DELETE_FAILED" and e.physical_id}
    names = ", ".join(f"{e.physical_id} ({e.type})" for e in left.values() if e.type != STACK)
    return f". Not deleted, and still incurring cost: {names}" if names else ""


def _final_status(events: Sequence[StackEvent], stack_id: str) -> str:
    """Return the status of the event that ended an operation; without one the stack was deleted."""
    if events and events[-1].physical_id == stack_id and not in_progress(events[-1].status):
        return events[-1].status
    return "DELETE_COMPLETE"
