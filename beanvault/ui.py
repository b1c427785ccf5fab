"""What long work tells while it runs, and what it asks."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

from .cloudformation.changes import ResourceChange


@dataclass(frozen=True, slots=True)
class StackEvent:
    """One line of a stack's history."""

    id: str
    time: dt.datetime
    logical_id: str
    type: str
    status: str
    reason: str
    physical_id: str = ""

    @property
    def failed(self) -> bool:
        return self.status.endswith("_FAILED")


class Ui(Protocol):
    """The operator, or whoever stands in for one. Nothing passed here is a secret."""

    def step(self, text: str) -> None:
        """Something begins, or is worth a line."""

    def changes(self, stack: str, changes: tuple[ResourceChange, ...]) -> None:
        """These are about to be made to *stack*, or would be."""

    def event(self, stack: str, event: StackEvent) -> None:
        """CloudFormation reports on *stack*."""

    def confirm(self, question: str, *, loses: bool = False) -> bool:
        """Return whether the operator agrees; *loses*: to losing something that can't be recreated."""


@dataclass(frozen=True, slots=True)
class NullUi:
    """Says nothing; agrees as it was told beforehand."""

    agrees: bool = False
    accepts_loss: bool = False

    def step(self, text: str) -> None:
        """Do nothing."""

    def changes(self, stack: str, changes: tuple[ResourceChange, ...]) -> None:
        """Do nothing."""

    def event(self, stack: str, event: StackEvent) -> None:
        """Do nothing."""

    def confirm(self, question: str, *, loses: bool = False) -> bool:  # noqa: ARG002 - the protocol's parameter
        return self.accepts_loss if loses else self.agrees
