"""What a run did or would do: the function's answer, which the command line reads; never a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class Count(StrEnum):
    """What is counted, in the order in which it is shown; the metrics have the same names."""

    CREATED = "Created"
    UPDATED = "Updated"
    RESTORED = "Restored"
    DELETED = "Deleted"
    UNCHANGED = "Unchanged"
    CONFLICTS = "Conflicts"
    SKIPPED = "Skipped"
    FAILED = "Failed"


NOT_CONNECTED = "NotConnected"
"""A metric, and with 1 a key of the function's answer: there was no connection to Vault to run with."""


class ProblemKind(StrEnum):
    """What a problem happened to."""

    RUN = "run"
    """The run as a whole: it could not begin, ended early, or could not be reported. It has no subject."""
    SOURCE = "source"
    """A path, or with a final `/` a folder or mount, could not be read in Vault."""
    CONFLICT = "conflict"
    """A secret's name belongs to another owner, or to another path."""
    REFUSED = "refused"
    """A path's custom metadata asks for something that can't be done."""
    SECRET = "secret"
    """A secret could not be changed."""
    REPLICA = "replica"
    """A secret's replica region failed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that went wrong."""

    kind: ProblemKind
    subject: str
    """The secret's name, or the `<mount>/<path>`; empty for the run itself."""
    error: str
    """Its name in the tables of docs/operations.md and docs/replicator.md."""
    cause: str

    def __str__(self) -> str:
        return f"{self.subject or 'the run'}: {self.error}: {self.cause}"


@dataclass(frozen=True, slots=True)
class ChangeSummary:
    """One change that was made, or would be."""

    action: str
    name: str
    source: str
    version: str
    """Vault's; empty for a deletion."""
    reason: str
    """Empty where the action is clear without it."""


@dataclass(frozen=True, slots=True)
class SkippedSource:
    """One path that is not replicated, or whose secret is kept, on purpose."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The result of one run."""

    complete: bool
    """Whether everything was asked for, and not only some paths."""
    dry_run: bool
    counts: Mapping[Count, int]
    deferred: int
    """Changes for which there was no time."""
    lag_seconds: float
    changes: tuple[ChangeSummary, ...] = ()
    skipped: tuple[SkippedSource, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def healthy(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the summary for programs; the keys are part of the command line's contract."""
        return {
            "healthy": self.healthy,
            "complete": self.complete,
            "dry_run": self.dry_run,
            "counts": {count.value: self.counts[count] for count in Count},
            "deferred": self.deferred,
            "lag_seconds": round(self.lag_seconds, 3),
            "changes": [asdict(change) for change in self.changes],
            "skipped": [asdict(skipped) for skipped in self.skipped],
            "problems": [asdict(problem) | {"kind": problem.kind.value} for problem in self.problems],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what `as_json` returned.

        Raises:
            ValueError: it has another shape.
        """
        try:
            return cls(
                complete=content["complete"],
                dry_run=content["dry_run"],
                counts={count: int(content["counts"][count.value]) for count in Count},
                deferred=content["deferred"],
                lag_seconds=content["lag_seconds"],
                changes=tuple(ChangeSummary(**change) for change in content["changes"]),
                skipped=tuple(SkippedSource(**skipped) for skipped in content["skipped"]),
                problems=tuple(
                    Problem(**{**problem, "kind": ProblemKind(problem["kind"])})
                    for problem in content["problems"]
                ),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the summary of a run: {error}") from None

    def lines(self) -> Iterator[str]:
        """Yield the summary for people, one line for each change, skipped path and problem."""
        would = "would " if self.dry_run else ""
        for change in self.changes:
            reason = f"  ({change.reason})" if change.reason else ""
            yield f"{would}{change.action:<10} {change.name}  from {change.source}{reason}"
        for skipped in self.skipped:
            yield f"skip       {skipped.source}: {skipped.reason}"
        for problem in self.problems:
            yield f"{problem.error}  {problem.subject or 'the run'}: {problem.cause}"
        deferred = f", {self.deferred} deferred to the next run" if self.deferred else ""
        yield counts_line(self.counts) + deferred


def counts_line(counts: Mapping[Count, int] | Mapping[str, int]) -> str:
    """Return the counts for people: `1 created, 0 updated, …`."""
    return ", ".join(f"{number} {name.lower()}" for name, number in counts.items())
