"""Creating, updating and deleting a stack, and rolling back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

from . import faults, resolution
from .changes import difference
from .errors import ResourceFailed, ValidationError
from .resource import Resource, failure_reason
from .stack import DesiredStack, Exports, Stack, now
from .types import type_of


class Operation:
    """One creation or update of a stack, and how to roll it back."""

    def __init__(
        self,
        exports: Exports,
        stack: Stack,
        desired: DesiredStack,
        kind: str,
        *,
        reverts_drift: bool = False,
        imported: Collection[str] = (),
    ) -> None:
        self.exports, self.stack, self.desired, self.kind = exports, stack, desired, kind
        self.reverts_drift, self.imported = reverts_drift, imported
        self.undo: list[tuple[str, Callable[[], bool]]] = []
        """By logical id."""
        self.leftovers: list[Resource] = []
        """Resources that the update replaced or removed: deleted once everything else has succeeded."""

    def run(self) -> None:
        stack = self.stack
        before, outputs, imports = stack.desired, stack.outputs, stack.imports
        stack.desired = self.desired
        try:
            if self.reverts_drift:
                # Changes start from the actual properties, and a rollback returns to them.
                stack.resources = resolution.actual_resources(stack)
            self._apply(before.document["Resources"])
            self._publish()
        except Exception as error:  # noqa: BLE001 - as in AWS, any error of a type fails the stack
            why = failure_reason(error)
            if stack.disable_rollback:
                stack.set_status(f"{self.kind}_FAILED", why)
                return
            prefix = "" if self.kind == "CREATE" else "UPDATE_"
            stack.set_status(f"{prefix}ROLLBACK_IN_PROGRESS", why)
            if self.kind == "UPDATE":
                stack.desired, stack.outputs, stack.imports = before, outputs, imports
            roll_back(stack, self.undo[::-1], prefix)
            return
        if self.leftovers:
            stack.set_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            for resource in self.leftovers:
                replaced = stack.resources.get(resource.logical_id) not in (None, resource)
                discard(stack, resource, "UpdateReplacePolicy" if replaced else "DeletionPolicy")
        stack.set_status(f"{self.kind}_COMPLETE")

    def _apply(self, old: Mapping[str, Any]) -> None:
        stack, desired = self.stack, self.desired
        using = resolution.resolver(stack, desired, self.exports)
        active = resolution.active(desired, using)
        removed = [
            resource for resource in resolution.last_first(stack, old) if resource.logical_id not in active
        ]
        for name, definition in active.items():
            existing = stack.resources.get(name)
            properties = resolution.properties(using, definition, desired)
            if existing is None:
                add = self._import if name in self.imported else self._create
                add(name, definition, properties)
                continue
            kind = type_of(definition["Type"])
            change = difference(existing, old.get(name, {}), kind, definition, properties)
            existing.policies = _policies(definition)
            if change and change.replacement != "False":
                self._replace(existing, definition, properties)
            elif change and change.properties:
                self._update(existing, properties)
        self.leftovers += removed

    def _create(self, name: str, definition: Mapping[str, Any], properties: dict[str, Any]) -> None:
        stack = self.stack
        kind = type_of(definition["Type"])
        resource = Resource(kind, definition["Type"], name, stack.scope, properties, _policies(definition))
        former = stack.resources.get(name)

        def undo() -> bool:
            deleted = not resource.physical_id or discard(stack, resource, "Rollback")
            if former:
                stack.resources[name] = former
            elif not deleted:  # also what was only half created belongs to the stack
                stack.resources[name] = resource
            return deleted

        self.undo.append((name, undo))
        stack.set_resource_status(resource, "CREATE_IN_PROGRESS")
        self._attempt(resource, "create", resource.create)
        stack.resources[name] = resource
        stack.set_resource_status(resource, "CREATE_COMPLETE")

    def _import(self, name: str, definition: Mapping[str, Any], properties: dict[str, Any]) -> None:
        """Take over what exists; its properties are changed by a later update only.

        What the roll-back of a creation does with it is documented nowhere. Here its DeletionPolicy decides,
        as of a resource that was created.
        """
        stack, kind = self.stack, type_of(definition["Type"])
        resource = Resource(kind, definition["Type"], name, stack.scope, properties, _policies(definition))
        found = kind.find(resource) if kind.find else None
        if found is None:
            raise ResourceFailed(f"Resource {name} to import does not exist")
        self.undo.append((name, lambda: discard(stack, resource, "Rollback")))
        stack.set_resource_status(resource, "IMPORT_IN_PROGRESS")
        resource.answer = {key: value for key, value in found.items() if key != "ResponseMetadata"}
        resource.physical_id = str(resource.expand(kind.id))
        stack.resources[name] = resource
        stack.set_resource_status(resource, "IMPORT_COMPLETE")

    def _replace(self, existing: Resource, definition: Mapping[str, Any], properties: dict[str, Any]) -> None:
        named = existing.type.named
        if (
            named
            and existing.type_name == definition["Type"]
            and properties.get(named) == existing.properties.get(named, "")
        ):
            why = (
                "CloudFormation cannot update a stack when a custom-named resource requires replacing."
                f" Rename {existing.name} and update the stack again."
            )
            self.stack.set_resource_status(existing, "UPDATE_FAILED", why)
            raise ResourceFailed(
                f"The following resource(s) failed to update: [{existing.logical_id}]. {why}"
            )
        self.stack.set_resource_status(
            existing,
            "UPDATE_IN_PROGRESS",
            "Requested update requires the creation of a new physical resource",
        )
        self._create(existing.logical_id, definition, properties)
        self.leftovers.insert(0, existing)

    def _update(self, existing: Resource, properties: dict[str, Any]) -> None:
        stack, before = self.stack, copy.copy(existing)

        def undo() -> bool:
            stack.set_resource_status(existing, "UPDATE_IN_PROGRESS")
            try:
                faults.strike(existing, "update")
                existing.update(before.properties)
            except Exception as error:  # noqa: BLE001 - a rollback continues with the other resources
                stack.set_resource_status(existing, "UPDATE_FAILED", failure_reason(error))
                return False
            stack.set_resource_status(existing, "UPDATE_COMPLETE")
            return True

        self.undo.append((existing.logical_id, undo))
        stack.set_resource_status(existing, "UPDATE_IN_PROGRESS")
        self._attempt(existing, "update", lambda: existing.update(properties))
        stack.set_resource_status(existing, "UPDATE_COMPLETE")
        if existing.physical_id != before.physical_id:  # a custom resource was replaced if its id has changed
            self.leftovers.insert(0, before)

    def _attempt(
        self, resource: Resource, verb: Literal["create", "update"], work: Callable[[], None]
    ) -> None:
        try:
            faults.strike(resource, verb)
            work()
        except Exception as error:
            why = failure_reason(error)
            self.stack.set_resource_status(resource, f"{verb.upper()}_FAILED", why)
            raise ResourceFailed(
                f"The following resource(s) failed to {verb}: [{resource.logical_id}]. {why}"
            ) from error

    def _publish(self) -> None:
        stack, exports = self.stack, self.exports.all()
        outputs, imports = resolution.outputs(stack, self.desired, self.exports)
        mine = {output.export: output.value for output in outputs if output.export}
        for name in mine:
            if name in exports and exports[name][0] is not stack:
                raise ValidationError(
                    f"Export with name {name} is already exported by stack {exports[name][0].name}."
                )
        for export, value in ((output.export, output.value) for output in stack.outputs if output.export):
            if mine.get(export) != value and (users := self.exports.importers(export)):
                raise ValidationError(
                    f"Export {export} cannot be updated as it is in use by {' and '.join(users)}"
                )
        stack.outputs, stack.imports = outputs, imports


def roll_back(stack: Stack, undo: Sequence[tuple[str, Callable[[], bool]]], prefix: str) -> None:
    """Undo each, also after one failed, and set the stack's final status."""
    failed = [(name, act) for name, act in undo if not act()]
    stack.unfinished = failed
    why = f"The following resource(s) failed to roll back: [{', '.join(name for name, _ in failed)}]."
    stack.set_status(f"{prefix}ROLLBACK_{'FAILED' if failed else 'COMPLETE'}", f"{why} " if failed else "")


def continue_rollback(stack: Stack, skip: Collection[str]) -> None:
    """Go on with the roll-back of an update that failed, without the resources named in *skip*."""
    for name in skip:
        stack.set_resource_status(stack.resources[name], "UPDATE_COMPLETE", "skipped")
    roll_back(stack, [(name, act) for name, act in stack.unfinished if name not in skip], "UPDATE_")


def discard(stack: Stack, resource: Resource, policy: str = "DeletionPolicy") -> bool:
    """Delete a resource, or keep it if its policy says so; return False, with an event, on failure.

    *policy* is Rollback for a resource that the failed operation created.
    """
    behaviour = resource.policies.get("DeletionPolicy" if policy == "Rollback" else policy)
    behaviour = behaviour or (resource.type.deletion_policy if policy == "DeletionPolicy" else "Delete")
    if behaviour == "Retain" or (behaviour == "RetainExceptOnCreate" and policy != "Rollback"):
        stack.set_resource_status(resource, "DELETE_SKIPPED")
    else:
        stack.set_resource_status(resource, "DELETE_IN_PROGRESS")
        try:
            faults.strike(resource, "delete")
            # Also in a roll-back: a failed creation is undone by deletions, to which the policy applies.
            # RDS's handler knows no other case: aws-rds-dbinstance's DeleteHandler in
            # https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-rds, and
            # https://github.com/go-to-k/cdkd/issues/1358
            resource.delete(with_snapshot=behaviour == "Snapshot")
        except Exception as error:  # noqa: BLE001 - recorded as an event; the other resources are still deleted
            stack.set_resource_status(resource, "DELETE_FAILED", failure_reason(error))
            return False
        stack.set_resource_status(resource, "DELETE_COMPLETE")
    if stack.resources.get(resource.logical_id) is resource:
        del stack.resources[resource.logical_id]
    return True


def delete(stack: Stack) -> None:
    """Delete a stack and those of its resources that no policy retains."""
    to_delete = resolution.last_first(stack, stack.desired.document["Resources"])
    if failed := [resource.logical_id for resource in to_delete if not discard(stack, resource)]:
        stack.set_status(
            "DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]."
        )
    else:
        stack.outputs, stack.imports, stack.deleted = (), frozenset(), now()
        stack.set_status("DELETE_COMPLETE")


def _policies(definition: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: definition[name] for name in ("DeletionPolicy", "UpdateReplacePolicy") if name in definition
    }
