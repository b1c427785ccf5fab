"""The demo's output: progress, addresses, summary."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from beanvault.ui import NullUi

Fact = str | int | float | bool
ShowProgress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ProgressUi(NullUi):
    """Shows the library's steps on the display."""

    show: ShowProgress = print

    def step(self, text: str) -> None:
        self.show(text)


@dataclass(slots=True)
class StepRecord:
    """A finished step: its title, duration and facts."""

    title: str
    seconds: float = 0.0
    facts: dict[str, Fact] = field(default_factory=dict)


class Display:
    """Live progress on standard error: a spinner on a terminal, whole lines elsewhere."""

    def __init__(self, steps: int) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._steps = steps
        self.records: list[StepRecord] = []

    @contextmanager
    def step(self, title: str) -> Iterator[StepRecord]:
        """Show *title* while the block runs, then its duration."""
        record = StepRecord(title)
        number = f"{len(self.records) + 1}/{self._steps}"
        start = time.monotonic()
        if not self._console.is_terminal:
            self._console.print(f"… {number} {title}")
        with self._console.status(f"[bold]{number} {title}[/]"):
            yield record
        record.seconds = round(time.monotonic() - start, 2)
        self.records.append(record)
        self._console.print(f"[green]✓[/] [bold]{number} {title}[/] [dim]{record.seconds:.1f} s[/]")
        for name, value in record.facts.items():
            self._console.print(f"      {name}: {value}", markup=False)

    def show(self, text: str) -> None:
        """Show progress within a step."""
        self._console.print(f"    [dim]{text}[/]" if self._console.is_terminal else f"    {text}")

    def failed(self, title: str, error: Exception, directory: Path) -> None:
        self._console.print(f"[red]✗ {title} failed[/]")
        remedy = getattr(error, "remedy", "")
        cause = "\n".join(filter(None, [f"{type(error).__name__}: {error}", remedy]))
        self._console.print(cause, markup=False)
        trace = directory / "failure.log"
        trace.write_text("".join(traceback.format_exception(error)))
        self._console.print(f"The logs are in {directory}, the traceback is in {trace}", markup=False)

    def addresses(self, addresses: Mapping[str, str]) -> None:
        """Show the addresses of the servers that are left running."""
        self._console.print("\nEverything keeps running until Ctrl-C:")
        for name, address in addresses.items():
            self._console.print(f"  {name}: {address}", markup=False)

    def summary(self, total: float) -> None:
        table = Table(title="The whole flow on one machine", title_justify="left")
        table.add_column("step")
        table.add_column("seconds", justify="right")
        for record in self.records:
            table.add_row(record.title, f"{record.seconds:.1f}")
        table.add_section()
        table.add_row("all", f"{total:.1f}")
        Console(soft_wrap=True).print(table)


def print_json(records: Sequence[StepRecord], total: float, addresses: Mapping[str, str]) -> None:
    """Print one JSON object on standard output."""
    steps = [{"title": r.title, "seconds": r.seconds, "facts": r.facts} for r in records]
    json.dump(
        {"seconds": round(total, 2), "steps": steps, "addresses": dict(addresses)}, sys.stdout, indent=2
    )
    sys.stdout.write("\n")
