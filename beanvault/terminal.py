"""The operator's terminal: progress as lines that read well on a screen and in a CI log."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import click
from rich.console import Console
from rich.text import Text

from .cloudformation.changes import ChangeAction, Replacement, ResourceChange
from .cloudformation.events import StackEvent

CREATION_MINUTES: Mapping[str, int] = MappingProxyType(
    {
        "network": 4,
        "keys": 1,
        "storage": 1,
        "data": 25,
        "replicator": 3,
        "edge": 4,
        "environment": 8,
        "observability": 1,
        "vault": 4,
    }
)
"""How long a layer usually takes to create in AWS; printed so that it doesn't look stuck."""


def consoles() -> tuple[Console, Console]:
    """Return where data goes (standard output) and where remarks go (standard error)."""

    # Without markup and emoji, which would turn the `:secret:` of an ARN into a picture.
    def console(*, stderr: bool) -> Console:
        return Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    return console(stderr=False), console(stderr=True)


@dataclass(slots=True)
class Terminal:
    """The `Ui` of the command line."""

    remarks: Console
    yes: bool = False
    """Agrees to everything but a loss of data."""
    accepts_loss: bool = False
    _start: float = field(default_factory=time.monotonic)

    def step(self, text: str) -> None:
        self._print(Text(text))

    def deploying(self, stack: str, layer: str) -> None:
        minutes = CREATION_MINUTES[layer]
        self._print(Text(f"{stack}: deploying (usually {minutes} min when new)", style="bold"))

    def changes(self, stack: str, changes: tuple[ResourceChange, ...]) -> None:
        self._print(Text(f"{stack}: {len(changes)} change{'' if len(changes) == 1 else 's'}"))
        for change in changes:
            self.remarks.print(Text("  " + str(change), style=_style(change)))

    def event(self, stack: str, event: StackEvent) -> None:
        style = "red" if event.failed else ("green" if event.complete else "dim")
        reason = f": {event.reason}" if event.failed and event.reason else ""
        self._print(Text(f"  {stack} {event.logical_id} {event.status}{reason}", style=style))

    def confirm(self, question: str, *, loses_data: bool = False) -> bool:
        if self.accepts_loss if loses_data else self.yes:
            return True
        if not sys.stdin.isatty():
            flag = "--accept-data-loss" if loses_data else "--yes"
            self.remarks.print(
                Text(f"{question} Not confirmed: there is no terminal to ask at; pass {flag}", style="yellow")
            )
            return False
        return click.confirm(question, default=False, err=True)

    def _print(self, text: Text) -> None:
        seconds = int(time.monotonic() - self._start)
        self.remarks.print(Text(f"{seconds // 60:02}:{seconds % 60:02} ", style="dim").append_text(text))


def _style(change: ResourceChange) -> str:
    if change.action is ChangeAction.REMOVE or change.replacement is Replacement.YES:
        return "bold red" if change.endangers_data else "red"
    return {ChangeAction.ADD: "green", ChangeAction.MODIFY: "yellow"}.get(change.action, "")
