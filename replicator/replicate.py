"""The run: gather, plan, look again, apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from math import inf

from .apply import Applier
from .aws import WORKERS
from .concurrency import concurrently
from .config import Config
from .desired import DesiredState, resolve_desired
from .errors import OutOfTime, named
from .model import Applied, Entry, NoLongerNeeded, Outcome, TargetSecret, Update
from .plan import check_safe, make_plan
from .report import Report
from .source import Source
from .target import Target


@dataclass(frozen=True, slots=True)
class ReplicationRequest:
    """What a run was asked for: everything, or only some sources (`<mount>/<path>`), and by whom."""

    sources: tuple[str, ...] | None = None
    reason: str = "schedule"
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RunClock:
    """*now* is the time of day in seconds; *has_time* says whether another change may be begun.

    *left* is how many seconds there are until the end.
    """

    now: Callable[[], float]
    has_time: Callable[[], bool] = lambda: True
    left: Callable[[], float] = lambda: inf


def replicate(
    source: Source,
    target: Target,
    config: Config,
    request: ReplicationRequest,
    clock: RunClock,
    tell: Callable[[Outcome], None] = lambda _: None,
) -> Report:
    """Move *target* towards *source* and return what happened; *tell* hears of each outcome at once.

    The source's errors about single paths and folders, and the target's about single secrets, are in the
    report, and so is the error that ended the run early, if one did.
    """
    report = Report(complete=request.sources is None, dry_run=request.dry_run)
    try:
        wishes, held = _gather(source, target, config, request, clock)
        plan = make_plan(wishes, held, config, complete=report.complete)
        check_safe(plan, config)
        report.remarks, report.unreadable, report.current = plan.remarks, plan.unreadable, plan.unchanged
        applier = Applier(source, target, config, plan.holders)
        if request.dry_run:
            for found in applier.recheck(plan.changes):
                if isinstance(found, NoLongerNeeded):
                    report.outcomes.append(found)
                else:
                    report.planned.append(found)
            return report
        for outcome in applier.apply(plan.changes, clock.has_time):
            report.outcomes.append(outcome)
            report.lag_seconds = max(report.lag_seconds, _lag(outcome, clock.now()))
            tell(outcome)
    except Exception as failure:  # noqa: BLE001 - what nobody foresaw is told like everything else
        report.errors.append(named(failure))
    got_on = any(isinstance(outcome, Applied) and not outcome.no_progress for outcome in report.outcomes)
    if report.left and not got_on:
        report.errors.append(OutOfTime(f"the time ended before the first of {report.left} changes was made"))
    return report


def _gather(
    source: Source, target: Target, config: Config, request: ReplicationRequest, clock: RunClock
) -> tuple[DesiredState, dict[str, TargetSecret]]:
    """Return the metadata of both sides, fetched side by side where everything is asked for."""
    entries = _while_time(source.list(request.sources), clock)
    if request.sources is None:
        with ThreadPoolExecutor(1) as pool:
            listing = pool.submit(target.list, config.prefix)
            wishes = resolve_desired(entries, config)
            return wishes, listing.result()
    wishes = resolve_desired(entries, config)
    names = sorted(wishes.wanted.keys() | wishes.rivals.keys())
    found = concurrently(target.describe, names, WORKERS)
    return wishes, {secret.name: secret for secret in found if secret is not None}


def _while_time(entries: Iterable[Entry], clock: RunClock) -> Iterator[Entry]:
    for count, entry in enumerate(entries):
        if count % 100 == 0 and not clock.has_time():
            raise OutOfTime("the time ended while Vault was being listed")
        yield entry


def _lag(outcome: Outcome, now: float) -> float:
    """Return how long a new version of a replicated path has been waiting, in seconds.

    A first copy and a repaired one have not been waiting: their write may be years old.
    """
    change = outcome.change
    if not isinstance(change, Update) or change.drifted:
        return 0.0
    try:
        written = datetime.fromisoformat(change.wanted.revision.created_time)
    except ValueError:  # KV v1 doesn't say when
        return 0.0
    return max(0.0, now - written.timestamp())
