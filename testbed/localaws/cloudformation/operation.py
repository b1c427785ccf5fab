"""One creation or update of a stack, with what undoes it; and deleting."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from . import resolution
from .changes import difference
from .errors import ResourceFailed, ValidationError
from .resource import Resource, reason
from .stack import DesiredStack, Exports, Stack, now
from .types import type_of


class Operation:
    """One creation or update, with what undoes it."""

    def __init__(
        self, exports: Exports, stack: Stack, wanted: DesiredStack, kind: str, *, reverts_drift: bool = False
    ) -> None:
        self.exports, self.stack, self.wanted, self.kind = exports, stack, wanted, kind
        self.reverts_drift = reverts_drift
        self.undo: list[Callable[[], bool]] = []
        self.leftovers: list[Resource] = []
        """What the update superseded: deleted when all else has succeeded."""

    def run(self) -> None:
        stack = self.stack
        before, outputs, imports = stack.wanted, stack.outputs, stack.imports
        stack.wanted = self.wanted
        try:
            if self.reverts_drift:
                # From here on they are what changes begin from, and what a rollback goes back to.
                stack.resources = resolution.actual_resources(stack)
            self._apply(before.document["Resources"])
            self._publish()
        except Exception as error:  # noqa: BLE001 - whatever a type raises fails the stack, as in AWS
            why = reason(error)
            if stack.disable_rollback:
                stack.turn(f"{self.kind}_FAILED", why)
                return
            prefix = "" if self.kind == "CREATE" else "UPDATE_"
            stack.turn(f"{prefix}ROLLBACK_IN_PROGRESS", why)
            failed = [undo for undo in reversed(self.undo) if not undo()]  # each is tried, whatever fails
            if self.kind == "UPDATE":
                stack.wanted, stack.outputs, stack.imports = before, outputs, imports
            stack.turn(f"{prefix}ROLLBACK_{'FAILED' if failed else 'COMPLETE'}")
            return
        if self.leftovers:
            stack.turn("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            for resource in self.leftovers:
                replaced = stack.resources.get(resource.logical_id) not in (None, resource)
                discard(stack, resource, "UpdateReplacePolicy" if replaced else "DeletionPolicy")
        stack.turn(f"{self.kind}_COMPLETE")

    def _apply(self, old: Mapping[str, Any]) -> None:
        stack, wanted = self.stack, self.wanted
        using = resolution.resolver(stack, wanted, self.exports)
        active = resolution.active(wanted, using)
        removed = [
            resource for resource in resolution.last_first(stack, old) if resource.logical_id not in active
        ]
        for name, definition in active.items():
            existing = stack.resources.get(name)
            properties = resolution.properties(using, definition, wanted)
            if existing is None:
                self._create(name, definition, properties)
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
        resource = Resource(kind, definition["Type"], name, stack.place, properties, _policies(definition))
        former = stack.resources.get(name)

        def undo() -> bool:
            gone = not resource.physical_id or discard(stack, resource, "Rollback")
            if former:
                stack.resources[name] = former
            return gone

        self.undo.append(undo)
        stack.note(resource, "CREATE_IN_PROGRESS")
        self._attempt(resource, resource.create, "CREATE_FAILED")
        stack.resources[name] = resource
        stack.note(resource, "CREATE_COMPLETE")

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
            self.stack.note(existing, "UPDATE_FAILED", why)
            raise ResourceFailed(
                f"The following resource(s) failed to update: [{existing.logical_id}]. {why}"
            )
        self.stack.note(
            existing,
            "UPDATE_IN_PROGRESS",
            "Requested update requires the creation of a new physical resource",
        )
        self._create(existing.logical_id, definition, properties)
        self.leftovers.insert(0, existing)

    def _update(self, existing: Resource, properties: dict[str, Any]) -> None:
        stack, before = self.stack, copy.copy(existing)

        def undo() -> bool:
            stack.note(existing, "UPDATE_IN_PROGRESS")
            try:
                existing.update(before.properties)
            except Exception as error:  # noqa: BLE001 - a rollback goes on with the other resources
                stack.note(existing, "UPDATE_FAILED", reason(error))
                return False
            stack.note(existing, "UPDATE_COMPLETE")
            return True

        self.undo.append(undo)
        stack.note(existing, "UPDATE_IN_PROGRESS")
        self._attempt(existing, lambda: existing.update(properties), "UPDATE_FAILED")
        stack.note(existing, "UPDATE_COMPLETE")
        if existing.physical_id != before.physical_id:  # a custom resource says so by a new id
            self.leftovers.insert(0, before)

    def _attempt(self, resource: Resource, work: Callable[[], None], failed: str) -> None:
        try:
            work()
        except Exception as error:
            why = reason(error)
            self.stack.note(resource, failed, why)
            verb = "create" if failed == "CREATE_FAILED" else "update"
            raise ResourceFailed(
                f"The following resource(s) failed to {verb}: [{resource.logical_id}]. {why}"
            ) from error

    def _publish(self) -> None:
        stack, exports = self.stack, self.exports.all()
        outputs, imports = resolution.outputs(stack, self.wanted, self.exports)
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


def discard(stack: Stack, resource: Resource, policy: str = "DeletionPolicy") -> bool:
    """Delete a resource as its policy says; return False, with an event, when that fails.

    *policy* is Rollback for what the failed operation itself created.
    """
    said = resource.policies.get("DeletionPolicy" if policy == "Rollback" else policy)
    said = said or (resource.type.deletion_policy if policy == "DeletionPolicy" else "Delete")
    if said == "Retain" or (said == "RetainExceptOnCreate" and policy != "Rollback"):
        stack.note(resource, "DELETE_SKIPPED")
    else:
        stack.note(resource, "DELETE_IN_PROGRESS")
        try:
            if said == "Snapshot" and resource.type.snapshot and policy != "Rollback":
                resource.type.snapshot(resource)
            resource.delete()
        except Exception as error:  # noqa: BLE001 - the stack says what couldn't be deleted, and goes on
            stack.note(resource, "DELETE_FAILED", reason(error))
            return False
        stack.note(resource, "DELETE_COMPLETE")
    if stack.resources.get(resource.logical_id) is resource:
        del stack.resources[resource.logical_id]
    return True


def delete(stack: Stack) -> None:
    """Delete all that a stack has, as far as policies let it."""
    doomed = resolution.last_first(stack, stack.wanted.document["Resources"])
    if failed := [resource.logical_id for resource in doomed if not discard(stack, resource)]:
        stack.turn("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}].")
    else:
        stack.outputs, stack.imports, stack.deleted = (), frozenset(), now()
        stack.turn("DELETE_COMPLETE")


def _policies(definition: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: definition[name] for name in ("DeletionPolicy", "UpdateReplacePolicy") if name in definition
    }
