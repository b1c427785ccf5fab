"""Creating, updating and deleting a stack, and rolling back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Literal

from . import faults, resolution, template
from .changes import difference
from .errors import ResourceFailed, ValidationError
from .resource import Resource, failure_reason
from .stack import DesiredStack, Exports, Rollback, Stack, Undo, now
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
        self.undo: list[Undo] = []
        self.created: list[Callable[[], bool]] = []
        """What deletes the resources that this operation created."""
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
            if self.kind == "UPDATE":
                stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", why)
                undo, created = tuple(reversed(self.undo)), tuple(reversed(self.created))
                roll_back(stack, Rollback(undo, created, before, outputs, imports))
                return
            stack.set_status("ROLLBACK_IN_PROGRESS", why)
            # all are tried, even after a failure
            failed = [delete_created for delete_created in reversed(self.created) if not delete_created()]
            stack.set_status(f"ROLLBACK_{'FAILED' if failed else 'COMPLETE'}")
            return
        if self.leftovers:
            stack.set_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            for resource in self.leftovers:
                replaced = stack.resources.get(resource.logical_id) not in (None, resource)
                discard(stack, resource, "UpdateReplacePolicy" if replaced else "DeletionPolicy")
                if stack.resources.get(resource.logical_id) is resource:
                    # As in AWS, the stack forgets what it could not clean up.
                    del stack.resources[resource.logical_id]
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

        self.created.append(undo)
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
        self.created.append(lambda: discard(stack, resource, "Rollback"))
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
                faults.strike(existing, "rollback")
                existing.update(before.properties)
            except Exception as error:  # noqa: BLE001 - a rollback continues with the other resources
                stack.set_resource_status(existing, "UPDATE_FAILED", failure_reason(error))
                return False
            stack.set_resource_status(existing, "UPDATE_COMPLETE")
            return True

        self.undo.append(Undo(existing, before.properties, undo))
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


def roll_back(stack: Stack, rollback: Rollback, skipped: frozenset[str] = frozenset()) -> None:
    """Restore the state from before an update.

    What can't be restored is kept for ContinueUpdateRollback; *skipped* stays as it is. The resources that
    the update created are deleted in the clean-up, whose failures don't fail the rollback: the stack forgets
    them.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html (status codes)
    """
    stack.desired, stack.outputs, stack.imports = rollback.desired, rollback.outputs, rollback.imports
    failed = []
    for undo in rollback.undo:
        if undo.resource.logical_id in skipped:
            undo.resource.properties = undo.properties  # what CloudFormation believes from now on
            stack.set_resource_status(undo.resource, "UPDATE_COMPLETE", "Rollback skipped")
        elif not undo.restore():
            failed.append(undo)
    stack.rollback = replace(rollback, undo=tuple(failed)) if failed else None
    if failed:
        names = ", ".join(undo.resource.logical_id for undo in failed)
        stack.set_status("UPDATE_ROLLBACK_FAILED", f"The following resource(s) failed to update: [{names}]. ")
        return
    stack.set_status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
    for delete_created in rollback.created:
        delete_created()
    active = stack.desired.document["Resources"]
    stack.resources = {name: each for name, each in stack.resources.items() if name in active}
    stack.set_status("UPDATE_ROLLBACK_COMPLETE")


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


def delete(stack: Stack, retained: frozenset[str] = frozenset()) -> None:
    """Delete a stack and those of its resources that neither a policy nor *retained* keeps.

    As in AWS, a resource is deleted once nothing that depends on it is left: after a failure, what the failed
    resource needs isn't tried.
    """
    definitions = stack.desired.document["Resources"]
    failed: list[str] = []
    needed: set[str] = set()
    """What the failed resources need, directly or not."""
    for resource in resolution.last_first(stack, definitions):
        name = resource.logical_id
        if name in retained:
            stack.set_resource_status(resource, "DELETE_SKIPPED")
            del stack.resources[name]
        elif name in needed:
            needed |= template.depends_on(definitions[name])
        elif not discard(stack, resource):
            failed.append(name)
            needed |= template.depends_on(definitions[name])
    if failed:
        stack.set_status(
            "DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]. "
        )
    else:
        stack.outputs, stack.imports, stack.deleted = (), frozenset(), now()
        stack.set_status("DELETE_COMPLETE")


def _policies(definition: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: definition[name] for name in ("DeletionPolicy", "UpdateReplacePolicy") if name in definition
    }
