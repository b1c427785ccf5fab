"""Resolving a template against existing resources: conditions, properties, outputs, an update's plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import drift, template
from .changes import PlannedChange, difference
from .errors import ValidationError
from .intrinsics import NotYetCreated, Referable, Resolver
from .resource import Resource
from .resource_type import tag_mapping
from .stack import DesiredStack, Exports, Output, Stack
from .types import type_of


def resolver(
    stack: Stack,
    desired: DesiredStack,
    exports: Exports,
    resources: Mapping[str, Referable] | None = None,
    imports: set[str] | None = None,
) -> Resolver:
    """Return a resolver of *desired* over the stack's resources, or over *resources* instead.

    The exports it uses are added to *imports*.
    """
    known = exports.all()

    def imported(name: str) -> str:
        if name not in known:
            raise ValidationError(f"No export named {name} found.")
        if imports is not None:
            imports.add(name)
        return known[name][1].value

    pseudo: dict[str, Any] = {
        "AWS::AccountId": stack.scope.account,
        "AWS::NotificationARNs": [],
        "AWS::Partition": "aws",
        "AWS::Region": stack.scope.region,
        "AWS::StackId": stack.id,
        "AWS::StackName": stack.name,
        "AWS::URLSuffix": "amazonaws.com",
    }
    return Resolver(
        desired.document,
        pseudo | desired.parameters,
        stack.resources if resources is None else resources,
        imported,
    )


def active(desired: DesiredStack, using: Resolver) -> dict[str, Mapping[str, Any]]:
    """Return the resources that exist under the conditions, each after those it depends on."""
    found = {n: d for n, d in desired.document["Resources"].items() if using.applies(d)}
    return {name: found[name] for name in template.ordered(found)}


def properties(using: Resolver, definition: Mapping[str, Any], desired: DesiredStack) -> dict[str, Any]:
    """Return a resource's resolved properties, with the stack's tags where its type takes tags."""
    resolved: dict[str, Any] = using.resolve(definition.get("Properties") or {})
    kind = type_of(definition["Type"])
    if kind.tagged and desired.tags:
        tags = desired.tags | tag_mapping(resolved.get(kind.tags))
        resolved[kind.tags] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return resolved


def outputs(
    stack: Stack, desired: DesiredStack, exports: Exports
) -> tuple[tuple[Output, ...], frozenset[str]]:
    """Return the outputs, and every export that the template uses anywhere."""
    imports: set[str] = set()
    using = resolver(stack, desired, exports, imports=imports)
    found = []
    for key, output in (desired.document.get("Outputs") or {}).items():
        if using.applies(output):
            value, export = using.resolve(output["Value"]), using.resolve(output.get("Export", {}))
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            found.append(Output(key, text, output.get("Description", ""), export.get("Name", "")))
    for definition in active(desired, using).values():
        using.resolve(definition.get("Properties"))
    return tuple(found), frozenset(imports)


def plan(
    stack: Stack, desired: DesiredStack, exports: Exports, *, reverts_drift: bool = False
) -> tuple[PlannedChange, ...]:
    """Return what an update to *desired* would do, without doing it."""
    present = actual_resources(stack) if reverts_drift else dict(stack.resources)
    known: dict[str, Referable] = {**present}
    using = resolver(stack, desired, exports, known)
    old = stack.desired.document["Resources"]
    changes: list[PlannedChange] = []
    definitions = active(desired, using)
    for name, definition in definitions.items():
        existing = present.get(name)
        resolved = properties(using, definition, desired)
        if existing is None:
            was_deleted = reverts_drift and name in stack.resources
            change: PlannedChange | None = PlannedChange(
                "Add", name, definition["Type"], drift="DELETED" if was_deleted else ""
            )
        else:
            change = difference(
                existing, old.get(name, {}), type_of(definition["Type"]), definition, resolved
            )
        if change:
            if reverts_drift and existing is not None:
                drifted = existing is not stack.resources[name]
                change = replace(change, drift="MODIFIED" if drifted else "IN_SYNC")
            changes.append(change)
            if change.replacement != "False":
                known[name] = NotYetCreated()
    removed = [resource for name, resource in present.items() if name not in definitions]
    changes += [PlannedChange("Remove", r.logical_id, r.type_name, r.physical_id) for r in removed]
    return tuple(changes)


def actual_resources(stack: Stack) -> dict[str, Resource]:
    """Return the stack's resources as they are now, without those deleted outside CloudFormation."""
    found = {
        name: drift.actual(each, stack.resources.values(), stack.desired.tags)
        for name, each in stack.resources.items()
    }
    return {name: each for name, each in found.items() if each is not None}


def changes_anything(stack: Stack, desired: DesiredStack, exports: Exports) -> bool:
    """Return whether an update that changes no resource changes outputs, parameters or tags."""
    was, found = stack.desired, outputs(stack, desired, exports)[0]
    return (found, desired.parameters, desired.tags) != (stack.outputs, was.parameters, was.tags)


def last_first(stack: Stack, definitions: Mapping[str, Any]) -> list[Resource]:
    """Return the stack's resources, each before those it depends on."""
    names = template.ordered(definitions)
    return [stack.resources[name] for name in reversed(names) if name in stack.resources]
