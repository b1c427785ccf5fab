"""The stacks of a region: finding them, checking requests, and starting operations in the background."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..authorization.on_behalf import on_behalf_of, requester
from . import existence, resolution, template
from .errors import (
    AlreadyExists,
    ChangeSetNotFound,
    InsufficientCapabilities,
    InvalidChangeSetStatus,
    ResourceFailed,
    ValidationError,
)
from .operation import Operation, delete, roll_back
from .resource import ResourceScope, failure_reason
from .stack import DesiredStack, Exports, Stack, StoredChangeSet, now
from .types import REGISTRY

NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)
_UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
logger = logging.getLogger(__name__)


class Region:
    """The stacks of one account in one region."""

    def __init__(self, account: str, region: str) -> None:
        self.account, self.region = account, region
        self.stacks: dict[str, Stack] = {}
        self.exports = Exports(self.stacks)
        self._lock = threading.RLock()

    # finding

    def stack(self, name_or_id: str) -> Stack:
        """Return a stack by name, or by id also when it is deleted."""
        for stack in self.stacks.values():
            if stack.id == name_or_id or (stack.name == name_or_id and not stack.deleted):
                return stack
        raise ValidationError(f"Stack with id {name_or_id} does not exist")

    def change_set(self, name: str, stack_name: str = "") -> tuple[Stack, StoredChangeSet]:
        for stack in [self.stack(stack_name)] if stack_name else self.stacks.values():
            for change_set in stack.change_sets.values():
                if change_set.id == name or (stack_name and change_set.name == name):
                    return stack, change_set
        raise ChangeSetNotFound(f"ChangeSet [{name}] does not exist")

    # checking requests

    def desired_stack(
        self,
        body: str,
        given: Mapping[str, Any],
        tags: Mapping[str, str],
        capabilities: list[str],
        stack: Stack | None = None,
    ) -> DesiredStack:
        """Check a template with its parameters; raises ValidationError if they are invalid."""
        document = template.parse(body)
        template.check(document, REGISTRY)
        needed = template.needed_capability(document)
        if needed and not {needed, "CAPABILITY_NAMED_IAM"} & set(capabilities):
            raise InsufficientCapabilities(f"Requires capabilities : [{needed}]")
        previous = stack.desired.parameters if stack else {}
        return DesiredStack(body, document, template.parameter_values(document, given, previous), dict(tags))

    def new_stack(self, name: str, desired: DesiredStack) -> Stack:
        stack_id = f"arn:aws:cloudformation:{self.region}:{self.account}:stack/{name}/{uuid.uuid4()}"
        return Stack(ResourceScope(self.region, self.account, name, stack_id), desired)

    def create_change_set(
        self,
        stack_name: str,
        name: str,
        kind: str,
        desired: DesiredStack,
        *,
        reverts_drift: bool = False,
        imports_existing: bool = False,
        description: str = "",
    ) -> StoredChangeSet:
        with self._lock:
            stack = next(
                (s for s in self.stacks.values() if stack_name in (s.name, s.id) and not s.deleted), None
            )
            if kind == "CREATE" and stack and stack.status != "REVIEW_IN_PROGRESS":
                raise AlreadyExists(
                    f"Stack [{stack_name}] already exists and cannot be created again"
                    f" with the changeSet [{name}]."
                )
            if kind == "CREATE" and not stack:
                stack = self.new_stack(stack_name, DesiredStack("", {"Resources": {}}, {}, {}))
                self.stacks[stack.id] = stack
                stack.set_status("REVIEW_IN_PROGRESS", "User Initiated")
            if stack is None:
                raise ValidationError(f"Stack [{stack_name}] does not exist")
            if kind == "UPDATE":
                self._check_updatable(stack)
            if name in stack.change_sets:
                raise AlreadyExists(
                    f"ChangeSet {name} cannot be created because a change set with that name exists"
                )
        change_set_id = f"arn:aws:cloudformation:{self.region}:{self.account}:changeSet/{name}/{uuid.uuid4()}"
        made = StoredChangeSet(name, change_set_id, kind, desired, (), reverts_drift, description)
        try:
            made.changes = resolution.plan(stack, desired, self.exports, reverts_drift=reverts_drift)
            if (
                kind == "UPDATE"
                and not made.changes
                and not resolution.changes_anything(stack, desired, self.exports)
            ):
                made.status, made.status_reason = "FAILED", NO_CHANGES
            existence.check(stack, made, self, imports_existing=imports_existing)
        except (ValidationError, ResourceFailed) as error:
            made.status, made.status_reason = "FAILED", failure_reason(error)
        if made.status == "FAILED":
            made.execution_status = "UNAVAILABLE"
        stack.change_sets[name] = made
        return made

    # operations

    def execute(self, stack: Stack, change_set: StoredChangeSet) -> None:
        if change_set.execution_status != "AVAILABLE":
            raise InvalidChangeSetStatus(
                f"ChangeSet [{change_set.id}] cannot be executed in its current status"
                f" of [{change_set.status}]"
            )
        stack.change_sets.clear()
        with self._lock:
            if change_set.kind == "UPDATE":
                self._check_updatable(stack)
                stack.updated = now()
            stack.set_status(f"{change_set.kind}_IN_PROGRESS", "User Initiated")
        operation = Operation(
            self.exports,
            stack,
            change_set.desired,
            change_set.kind,
            reverts_drift=change_set.reverts_drift,
            imported=change_set.imports,
        )
        self._in_background(stack, operation.run)

    def delete(self, stack: Stack, retained: Sequence[str] = ()) -> None:
        """Start deleting *stack*; *retained* are logical ids of resources to leave.

        An export in use doesn't refuse the request: the stack returns to its status, with the reason.
        https://github.com/USSBA/aws-cft-tools/issues/27, https://github.com/rlister/stax/issues/40; the words
        are those of https://github.com/aws-samples/iam-identity-center-team/pull/474
        """
        with self._lock:
            if stack.deleted:
                return
            if stack.termination_protection:
                raise ValidationError(
                    f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
                )
            if stack.busy:
                raise ValidationError(
                    f"Stack [{stack.name}] is in {stack.status} state and can not be deleted"
                )
            _check_retained(stack, retained)
            before = stack.status
            stack.set_status("DELETE_IN_PROGRESS", "User Initiated")
            for output in stack.outputs:
                if output.export and (users := self.exports.importers(output.export)):
                    why = f"Cannot delete export {output.export} as it is in use by {' and '.join(users)}."
                    stack.set_status(before, f"Delete canceled. {why}")
                    return
        self._in_background(stack, lambda: delete(stack, frozenset(retained)))

    def continue_rollback(self, stack: Stack, skipped: Sequence[str]) -> None:
        """Start rolling back again what could not be rolled back, but for the resources *skipped*."""
        with self._lock:
            if stack.status != "UPDATE_ROLLBACK_FAILED" or stack.rollback is None:
                raise ValidationError(
                    f"Stack [{stack.name}] is in {stack.status} state and can not continue its rollback"
                )
            if wrong := sorted(set(skipped) - {undo.resource.logical_id for undo in stack.rollback.undo}):
                raise ValidationError(
                    f"Resources {wrong} are not in UPDATE_FAILED state because of a failed rollback"
                )
            rollback = stack.rollback
            stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
        self._in_background(stack, lambda: roll_back(stack, rollback, frozenset(skipped)))

    def _in_background(self, stack: Stack, work: Callable[[], None]) -> None:
        caller = requester()  # whose rights the operation has, to its end

        def run() -> None:
            try:
                with on_behalf_of(caller, "cloudformation.amazonaws.com"):
                    work()
            except Exception:
                logger.exception("the operation on stack %s failed with a bug of the local AWS", stack.name)
                stack.set_status(
                    stack.status.replace("_IN_PROGRESS", "_FAILED"),
                    "Internal failure of the local AWS; its log has the trace",
                )

        threading.Thread(target=run, daemon=True, name=f"stack {stack.name}").start()

    def _check_updatable(self, stack: Stack) -> None:
        if stack.status not in _UPDATABLE:
            raise ValidationError(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")


def _check_retained(stack: Stack, retained: Sequence[str]) -> None:
    """Refuse to retain resources that CloudFormation hasn't failed to delete.

    Messages: https://github.com/rebuy-de/aws-nuke/issues/270,
    https://github.com/awslabs/eks-perf-tests/pull/517 (the other reason to need DELETE_FAILED)
    """
    if retained and stack.status != "DELETE_FAILED":
        raise ValidationError(
            f"Invalid operation on stack [{stack.id}]. When you delete a stack, specify which resources to "
            "retain only when the stack is in the DELETE_FAILED state."
        )
    if any(
        name not in stack.resources or stack.resources[name].status != "DELETE_FAILED" for name in retained
    ):
        raise ValidationError(
            "The specified resources to retain must be in a valid state. Do not specify resources that are "
            "in the DELETE_COMPLETE state."
        )
