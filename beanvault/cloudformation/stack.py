"""The nouns of a stack: its desired state, its states in CloudFormation, the result of a change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..errors import BeanvaultError
from .changes import ResourceChange
from .events import StackEvent

UNUSABLE = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})
"""States of a stack whose creation or deletion failed: it can only be deleted."""
COMPLETE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
EMPTY = "REVIEW_IN_PROGRESS"
"""The state of a stack that only a first change set created."""


class StackError(BeanvaultError):
    """A stack could not be brought to its desired state; the message begins with the first failures."""

    def __init__(self, message: str, remedy: str = "", causes: tuple[StackEvent, ...] = ()) -> None:
        super().__init__(message, remedy)
        self.causes = causes


class StackOutcome(Enum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    """The changes were only shown."""
    DELETED = "deleted"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A template's text, and where it was uploaded when it is too long for a request."""

    body: str = field(repr=False)
    url: str | None = None


@dataclass(frozen=True, slots=True)
class StackSpec:
    """The desired state of a stack."""

    name: str
    template: TemplateSource
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False
    """Whether CloudFormation refuses to delete it (termination protection)."""
    imports_existing: bool = False
    """Whether the stack takes over what already has the names of its resources."""


@dataclass(frozen=True, slots=True)
class StackResult:
    stack: str
    outcome: StackOutcome
    changes: tuple[ResourceChange, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class AttemptedResource:
    """A resource of a stack whose creation was tried."""

    type: str
    physical_id: str
    created: bool
    """Whether the stack created it and did not delete it; else what has its name can belong to others."""
    deletion_policy: str


@dataclass(frozen=True, slots=True)
class StackResource:
    """A resource of a stack."""

    type: str
    physical_id: str
    retained: bool
    """Whether it, or a snapshot of it, is kept when the stack is deleted."""
