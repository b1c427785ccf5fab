"""The nouns of a stack: what it should be, what became of it, what it told. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..errors import BeanvaultError
from ..ui import StackEvent
from .changes import ResourceChange

CANCELLED = ("Resource creation cancelled", "Resource update cancelled", "Resource creation Initiated")
"""Reasons of failures that others caused."""


class StackError(BeanvaultError):
    """A stack couldn't be brought to where it should be; the message begins with the first failures."""

    def __init__(self, message: str, remedy: str = "", causes: tuple[StackEvent, ...] = ()) -> None:
        super().__init__(message, remedy)
        self.causes = causes


class StackOutcome(Enum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    """Shown only."""
    DELETED = "deleted"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A template's text, or where it lies when it is too long to be sent."""

    body: str = field(repr=False)
    url: str | None = None

    def argument(self) -> dict[str, str]:
        return {"TemplateURL": self.url} if self.url else {"TemplateBody": self.body}


@dataclass(frozen=True, slots=True)
class StackSpec:
    """What one stack should be."""

    name: str
    template: TemplateSource
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False
    """Whether CloudFormation refuses to delete it (termination protection)."""


@dataclass(frozen=True, slots=True)
class StackResult:
    stack: str
    outcome: StackOutcome
    changes: tuple[ResourceChange, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StackResource:
    """Something a stack made."""

    type: str
    physical_id: str
    stays: bool
    """Whether it outlives the stack: itself, or as a snapshot."""


def first_failures(events: Sequence[StackEvent]) -> tuple[StackEvent, ...]:
    """Return the failures that others followed from; mere cancellations are none."""
    failures = [
        event for event in events if event.failed and not any(words in event.reason for words in CANCELLED)
    ]
    resources = [event for event in failures if event.type != "AWS::CloudFormation::Stack"]
    return tuple(resources or failures)[:5]


def name_of(stack: str) -> str:
    """Return the name in a stack's ARN; a name stays as it is."""
    return stack.split("/")[1] if "/" in stack else stack


def event_of(raw: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        id=raw["EventId"],
        time=raw["Timestamp"],
        logical_id=raw.get("LogicalResourceId", ""),
        type=raw.get("ResourceType", ""),
        status=raw.get("ResourceStatus", ""),
        reason=raw.get("ResourceStatusReason") or "",
        physical_id=raw.get("PhysicalResourceId") or "",
    )
