"""What exists already under the names that a change set would create: refused at once, or imported.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import resolution
from .errors import ValidationError
from .intrinsics import UNKNOWN, NotYetCreated, Referable
from .resource import Resource
from .stack import Stack, StoredChangeSet, now
from .types import type_of

if TYPE_CHECKING:
    from .engine import Region

EARLY_VALIDATION = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To troubleshoot"
    " Early Validation errors, use the DescribeEvents API for detailed failure information."
)
"""All that DescribeChangeSet says: https://github.com/aws/aws-cdk-cli/issues/1000"""


@dataclass(frozen=True, slots=True)
class Existing:
    """What has the name of a resource that the template adds."""

    resource: Resource
    definition: Mapping[str, Any]

    @property
    def importable(self) -> bool:
        """Whether the name is static: "Dynamic names (using !Ref or other functions) are not … supported"."""
        return isinstance(self.definition["Properties"].get(self.resource.type.named), str)

    @property
    def identifier(self) -> str:
        return f"{{{self.resource.type.named}={self.resource.name}}}"


def check(stack: Stack, change_set: StoredChangeSet, region: Region, *, imports_existing: bool) -> None:
    """Fail *change_set* because of names in use, or have it import what has them.

    Raises:
        ValidationError: what it would import lacks the DeletionPolicy for that
    """
    found = list(_existing(stack, change_set, region))
    imported = [each for each in found if imports_existing and each.importable]
    # The message is AWS's: https://github.com/aws/aws-cdk-cli/pull/1367
    unprotected = [
        f"{each.resource.logical_id} ({each.identifier})"
        for each in imported
        if each.definition.get("DeletionPolicy") not in ("Retain", "RetainExceptOnCreate")
    ]
    if unprotected:
        raise ValidationError(
            "CloudFormation is attempting to import some resources because they already exist in your"
            " account. The resources must have the DeletionPolicy attribute set to 'Retain' or"
            " 'RetainExceptOnCreate' in the template for successful import. The affected resources are"
            f" {', '.join(unprotected)}"
        )
    owned = [each for each in imported if _owner(each.resource, region.stacks.values())]
    if refused := [each for each in found if each not in imported or each in owned]:
        change_set.status, change_set.status_reason = "FAILED", EARLY_VALIDATION
        change_set.validation_errors = tuple(_event(stack, each) for each in refused)
        return
    change_set.imports = frozenset(each.resource.logical_id for each in imported)
    change_set.changes = tuple(
        replace(change, action="Import") if change.logical_id in change_set.imports else change
        for change in change_set.changes
    )


def _existing(stack: Stack, change_set: StoredChangeSet, region: Region) -> Iterator[Existing]:
    desired = change_set.desired
    added = {change.logical_id for change in change_set.changes if change.action == "Add"}
    using = resolution.resolver(stack, desired, region.exports, _unknown(change_set))
    for name, definition in resolution.active(desired, using).items():
        kind = type_of(definition["Type"])
        if name not in added or kind.find is None or kind.named not in (definition.get("Properties") or {}):
            continue
        properties = resolution.properties(using, definition, desired)
        if UNKNOWN in str(properties[kind.named]):
            continue
        resource = Resource(kind, definition["Type"], name, stack.scope, properties)
        if kind.find(resource) is not None:
            yield Existing(resource, definition)


def _unknown(change_set: StoredChangeSet) -> dict[str, Referable]:
    return {name: NotYetCreated() for name in change_set.desired.document["Resources"]}


def _owner(resource: Resource, stacks: Iterable[Stack]) -> Stack | None:
    """Return the stack that has the resource of this type and name."""
    return next(
        (
            stack
            for stack in stacks
            if not stack.deleted
            for each in stack.resources.values()
            if (each.type_name, each.name) == (resource.type_name, resource.name)
        ),
        None,
    )


def _event(stack: Stack, existing: Existing) -> dict[str, Any]:
    resource = existing.resource
    return {
        "EventId": str(uuid.uuid4()),
        "StackId": stack.id,
        "OperationType": "CREATE_CHANGESET",
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": resource.logical_id,
        "ResourceType": resource.type_name,
        "Timestamp": now(),
        "ValidationFailureMode": "FAIL",
        "ValidationName": "AWS::EarlyValidation::ResourceExistenceCheck",
        "ValidationStatus": "FAILED",
        "ValidationStatusReason": (
            f"Resource of type '{resource.type_name}' with identifier '{resource.name}' already exists."
        ),
        "ValidationPath": f"/Resources/{resource.logical_id}",
    }
