"""What a run did or would do: counts, names and causes, never a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import ReplicatorError
from .model import (
    Adopt,
    Applied,
    Change,
    Conflict,
    Create,
    Deferred,
    Delete,
    Failed,
    MoveStage,
    NoLongerNeeded,
    Outcome,
    Refuse,
    Remark,
    Restore,
    Retag,
    Skip,
    Unreadable,
    Update,
    name_of,
    source_of,
)

COUNTS = ("Created", "Updated", "Restored", "Deleted", "Unchanged", "Conflicts", "Skipped", "Failed")
"""In the order in which people are told; the metrics bear the same names."""


@dataclass(slots=True)
class Report:
    """The result of one run; filled while it goes on, so that an early end still tells what was done."""

    complete: bool
    dry_run: bool = False
    planned: list[Change] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    remarks: tuple[Remark, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    current: int = 0
    lag_seconds: float = 0.0
    errors: list[ReplicatorError] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many changes the time did not suffice for."""
        return sum(1 for outcome in self.outcomes if isinstance(outcome, Deferred))

    @property
    def unchanged(self) -> int:
        """How many values were current already, on the list or at the closer look."""
        settled = (
            each for each in self.outcomes if isinstance(each, NoLongerNeeded) and each.conflict is None
        )
        return self.current + sum(1 for each in settled if not isinstance(each.change, Delete))

    @property
    def healthy(self) -> bool:
        return next(self.problems(), None) is None

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """Yield what went wrong: what it happened to, the kind, and the cause."""
        for error in self.errors:
            yield "the run", type(error).__name__, str(error)
        for entry in self.unreadable:
            yield entry.source, type(entry.error).__name__, str(entry.error)
        settled = (each.conflict for each in self.outcomes if isinstance(each, NoLongerNeeded))
        for remark in (*self.remarks, *settled):
            if isinstance(remark, Conflict):
                yield remark.name, "Conflict", f"{remark.source}: {remark.reason}"
            elif isinstance(remark, Refuse):
                yield remark.source, "Refused", remark.reason
        for outcome in self.outcomes:
            if isinstance(outcome, Failed):
                yield name_of(outcome.change), type(outcome.error).__name__, str(outcome.error)
            elif isinstance(outcome, Applied):
                for remark_text in outcome.remarks:
                    yield name_of(outcome.change), "ReplicaFailed", remark_text

    def counts(self) -> dict[str, int]:
        """Return the numbers of `COUNTS`; a dry run counts what would be done."""
        counts = dict.fromkeys(COUNTS, 0)
        counts["Unchanged"] = self.unchanged
        counts["Skipped"] = sum(1 for remark in self.remarks if isinstance(remark, Skip))
        for change in self._changes():
            counts[_COUNTED[type(change)]] += 1
        for _, kind, _ in self.problems():
            counts["Conflicts" if kind == "Conflict" else "Failed"] += 1
        return counts

    def _changes(self) -> list[Change]:
        done = [outcome.change for outcome in self.outcomes if isinstance(outcome, Applied)]
        return sorted(self.planned + done, key=name_of)

    def as_json(self) -> dict[str, Any]:
        """Return the report for programs; the keys are part of the command line's contract."""
        return {
            "healthy": self.healthy,
            "complete": self.complete,
            "dry_run": self.dry_run,
            "counts": self.counts(),
            "left": self.left,
            "lag_seconds": round(self.lag_seconds, 3),
            "changes": [describe(change) for change in self._changes()],
            "skipped": [
                {"source": remark.source, "reason": remark.reason}
                for remark in self.remarks
                if isinstance(remark, Skip)
            ],
            "problems": [
                {"what": what, "kind": kind, "cause": cause} for what, kind, cause in self.problems()
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield the report for people, one line a thing."""
        return lines(self.as_json())


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield a report for people, from what `Report.as_json` tells: the function may have answered with it."""
    would = "would " if told["dry_run"] else ""
    for change in told["changes"]:
        why = f"  ({change['why']})" if change["why"] else ""
        yield f"{would}{change['action']:<10} {change['name']}  from {change['source']}{why}"
    for skipped in told["skipped"]:
        yield f"skip       {skipped['source']}: {skipped['reason']}"
    for problem in told["problems"]:
        yield f"{problem['kind']}  {problem['what']}: {problem['cause']}"
    counts = ", ".join(f"{number} {name.lower()}" for name, number in told["counts"].items())
    left = f", {told['left']} left for the next run" if told["left"] else ""
    yield counts + left


_COUNTED: dict[type[Change], Literal["Created", "Updated", "Restored", "Deleted", "Unchanged"]] = {
    Create: "Created",
    Update: "Updated",
    MoveStage: "Updated",
    Adopt: "Updated",
    Restore: "Restored",
    Retag: "Unchanged",  # its value was current
    Delete: "Deleted",
}
_ACTIONS: dict[type[Change], str] = {
    Create: "create",
    Update: "update",
    MoveStage: "move stage",
    Adopt: "adopt",
    Restore: "restore",
    Retag: "retag",
    Delete: "delete",
}


def describe(change: Change) -> dict[str, str]:
    """Return what people and logs are told about *change*."""
    why = ""
    match change:
        case Update(drifted=True):
            why = "the copy was edited"
        case MoveStage():
            why = "the copy was rolled back"
        case Delete(days=days):
            why = f"with a recovery window of {days} days"
        case Retag():
            why = "tags, KMS key or replica regions differ"
        case _:
            pass
    version = "" if isinstance(change, Delete) else change.wanted.revision.label
    return {
        "action": _ACTIONS[type(change)],
        "name": name_of(change),
        "source": source_of(change),
        "version": version,
        "why": why,
    }
