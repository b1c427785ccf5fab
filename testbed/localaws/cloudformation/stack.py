"""The data of a stack: its desired state, resources, events, outputs and change sets."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from . import template
from .changes import PlannedChange
from .resource import Resource, ResourceScope


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class DesiredStack:
    """The desired state of a stack: a template with its parameters and tags."""

    body: str = field(repr=False)
    document: dict[str, Any] = field(repr=False)
    parameters: dict[str, str] = field(repr=False)
    tags: dict[str, str]

    def shown_parameters(self) -> list[dict[str, str]]:
        declared = self.document.get("Parameters") or {}
        return [
            {"ParameterKey": key, "ParameterValue": "****" if template.is_hidden(declared[key]) else value}
            for key, value in self.parameters.items()
        ]


@dataclass(frozen=True, slots=True)
class Output:
    key: str
    value: str = field(repr=False)
    description: str = ""
    export: str = ""

    def described(self) -> dict[str, str]:
        found = {"OutputKey": self.key, "OutputValue": self.value}
        found |= {"Description": self.description} if self.description else {}
        return found | ({"ExportName": self.export} if self.export else {})


@dataclass(slots=True, eq=False)
class StoredChangeSet:
    name: str
    id: str
    kind: str
    """CREATE or UPDATE."""
    desired: DesiredStack
    changes: tuple[PlannedChange, ...]
    reverts_drift: bool = False
    description: str = ""
    imports: frozenset[str] = frozenset()
    """The logical ids of resources that exist, and that the stack takes over."""
    validation_errors: tuple[dict[str, Any], ...] = ()
    """As DescribeEvents shows them."""
    status: str = "CREATE_COMPLETE"
    status_reason: str = ""
    execution_status: str = "AVAILABLE"
    created: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class Undo:
    """The way back of one resource that an update changed."""

    resource: Resource
    properties: dict[str, Any] = field(repr=False)
    """From before the update."""
    restore: Callable[[], bool]
    """Returns False if that failed."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """The way back from an update that failed."""

    undo: tuple[Undo, ...]
    """Last change first."""
    created: tuple[Callable[[], bool], ...]
    """What deletes the resources that the update created, last one first."""
    desired: DesiredStack
    outputs: tuple[Output, ...]
    imports: frozenset[str]


@dataclass(slots=True, eq=False)
class Stack:
    scope: ResourceScope
    desired: DesiredStack
    status: str = ""
    reason: str = ""
    resources: dict[str, Resource] = field(default_factory=dict)
    """Existing resources, by logical id."""
    outputs: tuple[Output, ...] = ()
    imports: frozenset[str] = frozenset()
    """The exports of other stacks that this one imports."""
    events: list[dict[str, Any]] = field(default_factory=list, repr=False)
    change_sets: dict[str, StoredChangeSet] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    role: str = ""
    policy: str = ""
    termination_protection: bool = False
    disable_rollback: bool = False
    created: datetime = field(default_factory=now)
    updated: datetime | None = None
    deleted: datetime | None = None
    rollback: Rollback | None = None
    """What a rollback that failed has still to do."""

    @property
    def name(self) -> str:
        return self.scope.stack_name

    @property
    def id(self) -> str:
        return self.scope.stack_id

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    def set_status(self, status: str, reason: str = "") -> None:
        """Set the stack's status and record it as an event."""
        self.status, self.reason = status, reason
        self._event(self.name, self.id, "AWS::CloudFormation::Stack", status, reason)

    def set_resource_status(self, resource: Resource, status: str, reason: str = "") -> None:
        """Set a resource's status and record it as an event."""
        resource.status = status
        self._event(resource.logical_id, resource.physical_id, resource.type_name, status, reason)

    def _event(self, logical_id: str, physical_id: str, type_name: str, status: str, reason: str) -> None:
        self.events.append(
            {
                "StackId": self.id,
                "StackName": self.name,
                "EventId": str(uuid.uuid4()),
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": physical_id,
                "ResourceType": type_name,
                "ResourceStatus": status,
                "ResourceStatusReason": reason or None,
                "Timestamp": now(),
            }
        )

    def described(self) -> dict[str, Any]:
        """Return the stack as DescribeStacks shows it."""
        return {
            "StackId": self.id,
            "StackName": self.name,
            "Description": self.desired.document.get("Description"),
            "Parameters": self.desired.shown_parameters(),
            "CreationTime": self.created,
            "LastUpdatedTime": self.updated,
            "DeletionTime": self.deleted,
            "StackStatus": self.status,
            "StackStatusReason": self.reason or None,
            "DisableRollback": self.disable_rollback,
            "Capabilities": list(self.capabilities),
            "Outputs": [output.described() for output in self.outputs],
            "RoleARN": self.role or None,
            "Tags": [{"Key": key, "Value": value} for key, value in self.desired.tags.items()],
            "EnableTerminationProtection": self.termination_protection,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }


@dataclass(frozen=True, slots=True)
class Exports:
    """The exports of a region's stacks, and who imports them."""

    stacks: Mapping[str, Stack]

    def all(self) -> dict[str, tuple[Stack, Output]]:
        return {o.export: (s, o) for s in self._present() for o in s.outputs if o.export}

    def importers(self, name: str) -> list[str]:
        return [stack.name for stack in self._present() if name in stack.imports]

    def _present(self) -> list[Stack]:
        return [stack for stack in self.stacks.values() if not stack.deleted]
