"""The operator's terminal: what long work tells, as lines that read well on a screen and in a CI log."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

import click
from rich.console import Console
from rich.text import Text

from .cloudformation.changes import ChangeAction, Replacement, ResourceChange
from .ui import StackEvent

MINUTES = {
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
"""What a layer's creation usually takes in AWS; told so that nobody thinks it hangs."""


def consoles() -> tuple[Console, Console]:
    """Return where data goes (standard output) and where remarks go (standard error)."""
    # Without markup and emoji, which would turn the `:secret:` of an ARN into a picture.
    plain = {"highlight": False, "soft_wrap": True, "markup": False, "emoji": False}
    return Console(**plain), Console(stderr=True, **plain)  # type: ignore[arg-type]  # all are booleans


@dataclass(slots=True)
class Terminal:
    """The `Ui` of the command line."""

    remarks: Console
    yes: bool = False
    """Agrees to everything but a loss of data."""
    accepts_loss: bool = False
    _begin: float = field(default_factory=time.monotonic)

    def step(self, text: str) -> None:
        layer = text.partition(":")[0].rpartition("-")[2]
        usual = (
            f" (usually {MINUTES[layer]} min when new)"
            if text.endswith("deploying") and layer in MINUTES
            else ""
        )
        self._line(Text(text + usual, style="bold" if usual else ""))

    def changes(self, stack: str, changes: tuple[ResourceChange, ...]) -> None:
        self._line(Text(f"{stack}: {_count(len(changes), 'change')}"))
        for change in changes:
            self.remarks.print(Text("  " + str(change), style=_style(change)))

    def event(self, stack: str, event: StackEvent) -> None:
        style = "red" if event.failed else ("green" if event.status.endswith("COMPLETE") else "dim")
        reason = f": {event.reason}" if event.failed and event.reason else ""
        self._line(Text(f"  {stack} {event.logical_id} {event.status}{reason}", style=style))

    def confirm(self, question: str, *, loses: bool = False) -> bool:
        if self.accepts_loss if loses else self.yes:
            return True
        if not sys.stdin.isatty():
            flag = "--accept-data-loss" if loses else "--yes"
            self.remarks.print(
                Text(f"{question} Nobody is there to answer; {flag} would agree.", style="yellow")
            )
            return False
        return click.confirm(question, default=False, err=True)

    def _line(self, text: Text) -> None:
        seconds = int(time.monotonic() - self._begin)
        self.remarks.print(Text(f"{seconds // 60:02}:{seconds % 60:02} ", style="dim").append_text(text))


def _style(change: ResourceChange) -> str:
    if change.action is ChangeAction.REMOVE or change.replacement is Replacement.YES:
        return "bold red" if change.endangers_data else "red"
    return {ChangeAction.ADD: "green", ChangeAction.MODIFY: "yellow"}.get(change.action, "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
