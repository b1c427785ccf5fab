"""The result of a run while it goes on: what was done, what was not, and what went wrong; never a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .changes import (
    Applied,
    Change,
    Conflict,
    Deferred,
    Delete,
    Failed,
    NoLongerNeeded,
    Outcome,
    Postponed,
    Refuse,
    Remark,
    Skip,
)
from .contract.summary import Count, Problem, ProblemKind, RunSummary, SkippedSource
from .contract.tags import HealthState
from .errors import NotConnected, ReplicatorError
from .model import Unreadable


@dataclass(slots=True)
class RunReport:
    """Filled during the run, so that a run that ends early still reports what was done."""

    complete: bool
    dry_run: bool = False
    planned: list[Change] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    remarks: tuple[Remark, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    up_to_date: int = 0
    """How many secrets needed no change by the plan."""
    lag_seconds: float = 0.0
    errors: list[ReplicatorError] = field(default_factory=list)

    @property
    def deferred(self) -> int:
        """How many changes there was no time for."""
        return sum(1 for outcome in self.outcomes if isinstance(outcome, Deferred))

    @property
    def made_progress(self) -> bool:
        """Whether anything changed, so that a continuation will come to an end."""
        return any(isinstance(each, Applied) and not each.no_progress for each in self.outcomes)

    @property
    def unchanged(self) -> int:
        """How many values were current already, by the plan or when they were checked again."""
        rechecked = (
            each for each in self.outcomes if isinstance(each, NoLongerNeeded) and each.conflict is None
        )
        return self.up_to_date + sum(1 for each in rechecked if not isinstance(each.change, Delete))

    @property
    def healthy(self) -> bool:
        return not self.problems()

    @property
    def not_connected(self) -> bool:
        """Whether nothing was wrong but that no connection to Vault is stored yet."""
        return bool(self.errors) and all(isinstance(each, NotConnected) for each in self.errors)

    @property
    def health(self) -> HealthState:
        if self.not_connected:
            return HealthState.NOT_CONNECTED
        return HealthState.HEALTHY if self.healthy else HealthState.UNHEALTHY

    def problems(self) -> tuple[Problem, ...]:
        """Return what went wrong."""
        return tuple(self._problems())

    def _problems(self) -> Iterator[Problem]:
        for error in self.errors:
            yield Problem(ProblemKind.RUN, "", type(error).__name__, str(error))
        for entry in self.unreadable:
            yield Problem(ProblemKind.SOURCE, entry.source, type(entry.error).__name__, str(entry.error))
        rechecked = (each.conflict for each in self.outcomes if isinstance(each, NoLongerNeeded))
        for remark in (*self.remarks, *rechecked):
            match remark:
                case Conflict(name, source, reason):
                    yield Problem(ProblemKind.CONFLICT, name, "Conflict", f"{source}: {reason}")
                case Refuse(source, reason):
                    yield Problem(ProblemKind.REFUSED, source, "Refused", reason)
        for outcome in self.outcomes:
            match outcome:
                case Failed(change, error):
                    yield Problem(ProblemKind.SECRET, change.name, type(error).__name__, str(error))
                case Applied(change, failed_replicas=causes):
                    for cause in causes:
                        yield Problem(ProblemKind.REPLICA, change.name, "ReplicaFailed", cause)

    def counts(self) -> dict[Count, int]:
        """Return all numbers; a dry run counts what would be done."""
        counts = dict.fromkeys(Count, 0)
        counts[Count.UNCHANGED] = self.unchanged
        counts[Count.SKIPPED] = len(self._skipped())
        for change in self._changes():
            counts[change.count] += 1
        for problem in () if self.not_connected else self.problems():
            counts[Count.CONFLICTS if problem.kind is ProblemKind.CONFLICT else Count.FAILED] += 1
        return counts

    def summary(self) -> RunSummary:
        return RunSummary(
            complete=self.complete,
            dry_run=self.dry_run,
            counts=self.counts(),
            deferred=self.deferred,
            lag_seconds=self.lag_seconds,
            changes=tuple(change.summary() for change in self._changes()),
            skipped=self._skipped(),
            problems=self.problems(),
        )

    def _changes(self) -> list[Change]:
        made = [outcome.change for outcome in self.outcomes if isinstance(outcome, Applied)]
        return sorted(self.planned + made, key=lambda change: change.name)

    def _skipped(self) -> tuple[SkippedSource, ...]:
        skips = (each for each in self.remarks if isinstance(each, Skip))
        postponed = (each for each in self.outcomes if isinstance(each, Postponed))
        return (
            *(SkippedSource(each.source, each.reason) for each in skips),
            *(SkippedSource(each.change.source, each.reason) for each in postponed),
        )
