"""What long operations report while they run, and what they ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .cloudformation.changes import ResourceChange
from .cloudformation.events import StackEvent


class Ui(Protocol):
    """Reports progress to the operator and asks for consent. Nothing passed here is a secret."""

    def step(self, text: str) -> None:
        """Report a step that begins."""

    def deploying(self, stack: str, layer: str) -> None:
        """Report that the deployment of *stack*, which is the layer *layer*, begins."""

    def changes(self, stack: str, changes: tuple[ResourceChange, ...]) -> None:
        """Report the changes that are about to be made to *stack*, or would be."""

    def event(self, stack: str, event: StackEvent) -> None:
        """Report an event of *stack* in CloudFormation."""

    def confirm(self, question: str, *, loses_data: bool = False) -> bool:
        """Return whether the operator agrees; *loses_data*: to losing what can't be recreated."""


@dataclass(frozen=True, slots=True)
class NullUi:
    """Reports nothing, and answers as it was created."""

    agrees: bool = False
    accepts_loss: bool = False

    def step(self, text: str) -> None:
        """Do nothing."""

    def deploying(self, stack: str, layer: str) -> None:  # noqa: ARG002 - the protocol's parameter
        """Report it as a step, for subclasses that report steps."""
        self.step(f"{stack}: deploying")

    def changes(self, stack: str, changes: tuple[ResourceChange, ...]) -> None:
        """Do nothing."""

    def event(self, stack: str, event: StackEvent) -> None:
        """Do nothing."""

    def confirm(self, question: str, *, loses_data: bool = False) -> bool:  # noqa: ARG002 - the protocol's parameter
        return self.accepts_loss if loses_data else self.agrees
