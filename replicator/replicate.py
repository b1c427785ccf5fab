"""The run: gather, plan, check again, apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf

from .apply import Applier
from .aws import WORKERS
from .changes import NoLongerNeeded, Outcome, Update
from .concurrency import concurrently
from .config import Config
from .contract.events import ReplicationRequest
from .desired import DesiredState, resolve_desired
from .errors import OutOfTime, named
from .model import Entry, TargetSecret
from .plan import check_safe, make_plan
from .report import RunReport
from .source import Source
from .target import Target
from .timestamps import parse_time


@dataclass(frozen=True, slots=True)
class RunClock:
    """*now* is the time of day in seconds; *has_time* is whether another change can be begun.

    *seconds_left* is the time until the run is ended from outside.
    """

    now: Callable[[], float]
    has_time: Callable[[], bool] = lambda: True
    seconds_left: Callable[[], float] = lambda: inf


def replicate(
    source: Source,
    target: Target,
    config: Config,
    request: ReplicationRequest,
    clock: RunClock,
    report_outcome: Callable[[Outcome], None] = lambda _: None,
    workers: int = WORKERS,
) -> RunReport:
    """Move *target* towards *source* and return what happened.

    *report_outcome* is called with each outcome at once. The report contains the source's errors about single
    paths and folders, the target's about single secrets, and the error that ended the run early, if one did.
    """
    report = RunReport(complete=request.sources is None, dry_run=request.dry_run)
    try:
        state, current = _gather(source, target, config, request, clock)
        plan = make_plan(state, current, config, complete=report.complete)
        check_safe(plan, config)
        report.remarks, report.unreadable, report.up_to_date = plan.remarks, plan.unreadable, plan.unchanged
        applier = Applier(source, target, config, plan.ownership, workers)
        if request.dry_run:
            for change in applier.recheck(plan.changes):
                if isinstance(change, NoLongerNeeded):
                    report.outcomes.append(change)
                else:
                    report.planned.append(change)
            return report
        for outcome in applier.apply(plan.changes, clock.has_time):
            report.outcomes.append(outcome)
            report.lag_seconds = max(report.lag_seconds, _lag(outcome, clock.now()))
            report_outcome(outcome)
    except Exception as failure:  # noqa: BLE001 - unforeseen errors are reported like all others
        report.errors.append(named(failure))
    if report.deferred and not report.made_progress:
        report.errors.append(
            OutOfTime(f"the time ended before the first of {report.deferred} changes was made")
        )
    return report


def _gather(
    source: Source, target: Target, config: Config, request: ReplicationRequest, clock: RunClock
) -> tuple[DesiredState, dict[str, TargetSecret]]:
    """Return the metadata of both sides, listed at the same time where everything is asked for."""
    entries = _while_time(source.list(request.sources), clock)
    if request.sources is None:
        with ThreadPoolExecutor(1) as pool:
            listing = pool.submit(target.list, config.prefix)
            state = resolve_desired(entries, config)
            return state, listing.result()
    state = resolve_desired(entries, config)
    names = sorted(state.secrets.keys() | state.contenders.keys())
    found = concurrently(target.describe, names, WORKERS)
    return state, {secret.name: secret for secret in found if secret is not None}


def _while_time(entries: Iterable[Entry], clock: RunClock) -> Iterator[Entry]:
    for count, entry in enumerate(entries):
        if count % 100 == 0 and not clock.has_time():
            raise OutOfTime("the time ended while Vault was being listed")
        yield entry


def _lag(outcome: Outcome, now: float) -> float:
    """Return how long a new version of a replicated path waited, in seconds.

    A first copy and a repaired one have not waited: their write may be years old.
    """
    change = outcome.change
    if not isinstance(change, Update) or change.drifted:
        return 0.0
    try:
        written = parse_time(change.desired.revision.created_time)
    except ValueError:  # KV v1 has no times
        return 0.0
    return max(0.0, now - written.timestamp())
