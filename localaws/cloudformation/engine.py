"""Creating, updating, rolling back and deleting stacks."""

from __future__ import annotations

import copy
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from .. import inproc
from . import template
from .changes import Change, difference
from .errors import (
    AlreadyExists,
    ChangeSetNotFound,
    InsufficientCapabilities,
    InvalidChangeSetStatus,
    ResourceFailed,
    ValidationError,
)
from .intrinsics import Referable, Resolver, Unmade
from .resource import Place, Resource, in_api_words, reason
from .stack import ChangeSet, Output, Stack, Wanted, now
from .types import REGISTRY, type_of

NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)
_UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_log = logging.getLogger(__name__)


class Region:
    """The stacks of one account in one region."""

    def __init__(self, account: str, region: str) -> None:
        self.account, self.region = account, region
        self.stacks: dict[str, Stack] = {}
        self._lock = threading.RLock()

    # finding

    def stack(self, name_or_id: str) -> Stack:
        """Return a stack by name, or by id also when it is deleted."""
        for stack in self.stacks.values():
            if stack.id == name_or_id or (stack.name == name_or_id and not stack.deleted):
                return stack
        raise ValidationError(f"Stack with id {name_or_id} does not exist")

    def change_set(self, name: str, stack_name: str = "") -> tuple[Stack, ChangeSet]:
        for stack in [self.stack(stack_name)] if stack_name else self.stacks.values():
            for change_set in stack.change_sets.values():
                if change_set.id == name or (stack_name and change_set.name == name):
                    return stack, change_set
        raise ChangeSetNotFound(f"ChangeSet [{name}] does not exist")

    def exports(self) -> dict[str, tuple[Stack, Output]]:
        return {
            o.export: (s, o) for s in self.stacks.values() if not s.deleted for o in s.outputs if o.export
        }

    def importers(self, export: str) -> list[str]:
        return [s.name for s in self.stacks.values() if export in s.imports and not s.deleted]

    # asking

    def wanted(
        self,
        body: str,
        given: Mapping[str, Any],
        tags: Mapping[str, str],
        capabilities: list[str],
        stack: Stack | None = None,
    ) -> Wanted:
        """Check a template with its parameters; raises ValidationError for all that is wrong on its face."""
        document = template.parse(body)
        template.check(document, REGISTRY)
        needed = template.needed_capability(document)
        if needed and not {needed, "CAPABILITY_NAMED_IAM"} & set(capabilities):
            raise InsufficientCapabilities(f"Requires capabilities : [{needed}]")
        previous = stack.wanted.parameters if stack else {}
        return Wanted(body, document, template.parameter_values(document, given, previous), dict(tags))

    def new_stack(self, name: str, wanted: Wanted) -> Stack:
        stack_id = f"arn:aws:cloudformation:{self.region}:{self.account}:stack/{name}/{uuid.uuid4()}"
        return Stack(Place(self.region, self.account, name, stack_id), wanted)

    def create_change_set(
        self, stack_name: str, name: str, kind: str, wanted: Wanted, **facts: Any
    ) -> ChangeSet:
        with self._lock:
            stack = next(
                (s for s in self.stacks.values() if stack_name in (s.name, s.id) and not s.deleted), None
            )
            if kind == "CREATE" and stack and stack.status != "REVIEW_IN_PROGRESS":
                raise AlreadyExists(
                    f"Stack [{stack_name}] already exists and cannot be created again with the changeSet [{name}]."
                )
            if kind == "CREATE" and not stack:
                stack = self.new_stack(stack_name, Wanted("", {"Resources": {}}, {}, {}))
                self.stacks[stack.id] = stack
                stack.turn("REVIEW_IN_PROGRESS", "User Initiated")
            if stack is None:
                raise ValidationError(f"Stack [{stack_name}] does not exist")
            if kind == "UPDATE":
                self._check_updatable(stack)
            if name in stack.change_sets:
                raise AlreadyExists(
                    f"ChangeSet {name} cannot be created because a change set with that name exists"
                )
        change_set_id = f"arn:aws:cloudformation:{self.region}:{self.account}:changeSet/{name}/{uuid.uuid4()}"
        made = ChangeSet(name, change_set_id, kind, wanted, (), **facts)
        try:
            made.changes = self.plan(stack, wanted)
            if kind == "UPDATE" and not made.changes and not self._differs(stack, wanted):
                made.status, made.status_reason = "FAILED", NO_CHANGES
        except (ValidationError, ResourceFailed) as error:
            made.status, made.status_reason = "FAILED", reason_of(error)
        if made.status == "FAILED":
            made.execution_status = "UNAVAILABLE"
        stack.change_sets[name] = made
        return made

    def plan(self, stack: Stack, wanted: Wanted) -> tuple[Change, ...]:
        """Return what an update to *wanted* would do, without doing it."""
        known: dict[str, Referable] = {**stack.resources}
        resolver = self._resolver(stack, wanted, known)
        changes: list[Change] = []
        old = stack.wanted.document["Resources"]
        active = _active(wanted, resolver)
        for name in template.ordered(active):
            definition, existing = active[name], stack.resources.get(name)
            if existing is None:
                known[name] = Unmade()
                changes.append(Change("Add", name, definition["Type"]))
                continue
            properties = _properties(resolver, definition, wanted)
            change = difference(
                existing, old.get(name, {}), type_of(definition["Type"]), definition, properties
            )
            if change:
                changes.append(change)
                if change.replacement != "False":
                    known[name] = Unmade()
        changes += [
            Change("Remove", name, resource.type_name, resource.physical_id)
            for name, resource in stack.resources.items()
            if name not in active
        ]
        return tuple(changes)

    def _differs(self, stack: Stack, wanted: Wanted) -> bool:
        """Tell whether an update without changed resources still changes something: outputs, parameters, tags."""
        outputs, _ = self._outputs(stack, wanted)
        return (outputs, wanted.parameters, wanted.tags) != (
            stack.outputs,
            stack.wanted.parameters,
            stack.wanted.tags,
        )

    # doing

    def execute(self, stack: Stack, change_set: ChangeSet) -> None:
        if change_set.execution_status != "AVAILABLE":
            raise InvalidChangeSetStatus(
                f"ChangeSet [{change_set.id}] cannot be executed in its current status of [{change_set.status}]"
            )
        stack.change_sets.clear()
        self.start(stack, change_set.wanted, change_set.kind)

    def create(self, stack: Stack) -> None:
        with self._lock:
            if any(s.name == stack.name and not s.deleted for s in self.stacks.values()):
                raise AlreadyExists(f"Stack [{stack.name}] already exists")
            self.stacks[stack.id] = stack
        self.start(stack, stack.wanted, "CREATE")

    def update(self, stack: Stack, wanted: Wanted) -> None:
        self._check_updatable(stack)
        if not self.plan(stack, wanted) and not self._differs(stack, wanted):
            raise ValidationError("No updates are to be performed.")
        self.start(stack, wanted, "UPDATE")

    def start(self, stack: Stack, wanted: Wanted, kind: str) -> None:
        """Begin bringing *stack* to *wanted* in the background."""
        with self._lock:
            if kind == "UPDATE":
                self._check_updatable(stack)
                stack.updated = now()
            stack.turn(f"{kind}_IN_PROGRESS", "User Initiated")
        self._in_background(stack, lambda: _Operation(self, stack, wanted, kind).run())

    def delete(self, stack: Stack) -> None:
        with self._lock:
            if stack.deleted:
                return
            if stack.termination_protection:
                raise ValidationError(
                    f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
                )
            for output in stack.outputs:
                if output.export and (users := self.importers(output.export)):
                    raise ValidationError(
                        f"Export {output.export} cannot be deleted as it is in use by {' and '.join(users)}"
                    )
            if stack.busy:
                raise ValidationError(
                    f"Stack [{stack.name}] is in {stack.status} state and can not be deleted"
                )
            stack.turn("DELETE_IN_PROGRESS", "User Initiated")
        self._in_background(stack, lambda: self._delete(stack))

    def _delete(self, stack: Stack) -> None:
        failed = [resource.logical_id for resource in _last_first(stack) if not discard(stack, resource)]
        if failed:
            stack.turn("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}].")
        else:
            stack.outputs, stack.imports, stack.deleted = (), frozenset(), now()
            stack.turn("DELETE_COMPLETE")

    def _in_background(self, stack: Stack, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except Exception:
                _log.exception("the operation on stack %s ended unexpectedly", stack.name)
                stack.turn(
                    stack.status.replace("_IN_PROGRESS", "_FAILED"), "Internal failure of the local AWS"
                )

        threading.Thread(target=run, daemon=True, name=f"stack {stack.name}").start()

    def _check_updatable(self, stack: Stack) -> None:
        if stack.status not in _UPDATABLE:
            raise ValidationError(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")

    # resolving

    def _resolver(
        self,
        stack: Stack,
        wanted: Wanted,
        resources: Mapping[str, Referable],
        imports: set[str] | None = None,
    ) -> Resolver:
        def imported(name: str) -> str:
            if name not in exports:
                raise ValidationError(f"No export named {name} found.")
            if imports is not None:
                imports.add(name)
            return exports[name][1].value

        exports = self.exports()
        pseudo: dict[str, Any] = {
            "AWS::AccountId": self.account,
            "AWS::NotificationARNs": [],
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackId": stack.id,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        declared = wanted.document.get("Parameters") or {}
        values = {name: self._parameter(declared[name], value) for name, value in wanted.parameters.items()}
        return Resolver(wanted.document, pseudo | values, resources, imported)

    def _parameter(self, spec: Mapping[str, Any], value: str) -> Any:
        if spec["Type"].startswith("AWS::SSM::Parameter::Value"):
            ssm = inproc.client("ssm", self.region, self.account)
            value = ssm.get_parameter(Name=value)["Parameter"]["Value"]
        return template.split_list(value) if template.is_list(spec) else value

    def _outputs(self, stack: Stack, wanted: Wanted) -> tuple[tuple[Output, ...], frozenset[str]]:
        """Return the outputs, and every export that the template uses anywhere."""
        imports: set[str] = set()
        resolver = self._resolver(stack, wanted, stack.resources, imports)
        found = []
        for key, output in (wanted.document.get("Outputs") or {}).items():
            if resolver.applies(output):
                value, export = resolver.resolve(output["Value"]), resolver.resolve(output.get("Export", {}))
                text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
                found.append(Output(key, text, output.get("Description", ""), export.get("Name", "")))
        for definition in _active(wanted, resolver).values():
            resolver.resolve(definition.get("Properties"))
        return tuple(found), frozenset(imports)


class _Operation:
    """One creation or update, with what undoes it."""

    def __init__(self, region: Region, stack: Stack, wanted: Wanted, kind: str) -> None:
        self.region, self.stack, self.wanted, self.kind = region, stack, wanted, kind
        self.undo: list[Callable[[], bool]] = []
        self.leftovers: list[Resource] = []
        """What the update superseded: deleted when all else has succeeded."""

    def run(self) -> None:
        stack = self.stack
        before, outputs, imports = stack.wanted, stack.outputs, stack.imports
        stack.wanted = self.wanted
        try:
            self._apply(before.document["Resources"])
            self._publish()
        except Exception as error:  # noqa: BLE001 - whatever a type raises fails the stack, as in AWS
            why = reason_of(error)
            if stack.disable_rollback:
                stack.turn(f"{self.kind}_FAILED", why)
                return
            prefix = "" if self.kind == "CREATE" else "UPDATE_"
            stack.turn(f"{prefix}ROLLBACK_IN_PROGRESS", why)
            done = all([undo() for undo in reversed(self.undo)])
            if self.kind == "UPDATE":
                stack.wanted, stack.outputs, stack.imports = before, outputs, imports
            stack.turn(f"{prefix}ROLLBACK_{'COMPLETE' if done else 'FAILED'}")
            return
        if self.leftovers:
            stack.turn("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            for resource in self.leftovers:
                replaced = stack.resources.get(resource.logical_id) not in (None, resource)
                discard(stack, resource, "UpdateReplacePolicy" if replaced else "DeletionPolicy")
        stack.turn(f"{self.kind}_COMPLETE")

    def _apply(self, old: Mapping[str, Any]) -> None:
        stack, wanted = self.stack, self.wanted
        resolver = self.region._resolver(stack, wanted, stack.resources)
        active = _active(wanted, resolver)
        removed = [resource for resource in _last_first(stack, old) if resource.logical_id not in active]
        for name in template.ordered(active):
            definition, existing = active[name], stack.resources.get(name)
            properties = _properties(resolver, definition, wanted)
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
                stack.note(existing, "UPDATE_FAILED", reason_of(error))
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
            why = reason_of(error)
            self.stack.note(resource, failed, why)
            verb = "create" if failed == "CREATE_FAILED" else "update"
            raise ResourceFailed(
                f"The following resource(s) failed to {verb}: [{resource.logical_id}]. {why}"
            ) from error

    def _publish(self) -> None:
        stack, exports = self.stack, self.region.exports()
        outputs, imports = self.region._outputs(stack, self.wanted)
        mine = {output.export: output.value for output in outputs if output.export}
        for name in mine:
            if name in exports and exports[name][0] is not stack:
                raise ValidationError(
                    f"Export with name {name} is already exported by stack {exports[name][0].name}."
                )
        for output in stack.outputs:
            if output.export and mine.get(output.export) != output.value:
                if users := self.region.importers(output.export):
                    raise ValidationError(
                        f"Export {output.export} cannot be updated as it is in use by {' and '.join(users)}"
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
            stack.note(resource, "DELETE_FAILED", reason_of(error))
            return False
        stack.note(resource, "DELETE_COMPLETE")
    if stack.resources.get(resource.logical_id) is resource:
        del stack.resources[resource.logical_id]
    return True


def reason_of(error: Exception) -> str:
    return str(error.message) if isinstance(error, ValidationError) else reason(error)


def _policies(definition: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: definition[name] for name in ("DeletionPolicy", "UpdateReplacePolicy") if name in definition
    }


def _active(wanted: Wanted, resolver: Resolver) -> dict[str, Mapping[str, Any]]:
    return {n: d for n, d in wanted.document["Resources"].items() if resolver.applies(d)}


def _properties(resolver: Resolver, definition: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """Return a resource's resolved properties, with the stack's tags where its type takes tags."""
    properties: dict[str, Any] = resolver.resolve(definition.get("Properties") or {})
    kind = type_of(definition["Type"])
    if kind.tagged and wanted.tags:
        tags = wanted.tags | in_api_words(properties.get(kind.tags))
        properties[kind.tags] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return properties


def _last_first(stack: Stack, definitions: Mapping[str, Any] | None = None) -> list[Resource]:
    """Return the stack's resources, each before those it depends on."""
    names = template.ordered(definitions if definitions is not None else stack.wanted.document["Resources"])
    return [stack.resources[name] for name in reversed(names) if name in stack.resources]
