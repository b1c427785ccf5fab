"""The Lambda function: an event in, counts out; failure is raised, so that Lambda sees it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from .aws import Clients
from .config import Config
from .errors import ConfigError, RunFailed
from .names import can_be_addressed
from .notify import REQUEST_TYPE
from .replicate import ReplicationRequest, RunClock
from .report import Report
from .run import run

MARGIN_SECONDS = 45.0
"""No change is begun with less time left: it takes a few calls, and then comes the telling."""

METRIC_NAMESPACE = "beanvault"

logger = Logger(service="replicator")
_clients = Clients()  # kept across warm invocations, unlike a login to Vault, which ends with its lease


class LambdaContext(Protocol):
    """The part of Lambda's context object that is used."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


def handler(event: Mapping[str, object], context: LambdaContext) -> dict[str, Any]:
    """Run once and return the counts; a dry run changes nothing and returns the whole report.

    Raises:
        ConfigError: the environment or the event is wrong.
        RunFailed: something could not be replicated, or the run could not begin.
    """
    logger.append_keys(aws_request_id=context.aws_request_id)
    try:
        config = Config.from_environ(os.environ)
        request = request_of(event)
    except ConfigError as error:
        logger.error("the settings are wrong", extra={"problems": error.problems})  # noqa: TRY400 - no traceback
        raise

    def left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    clock = RunClock(time.time, lambda: left() > MARGIN_SECONDS, left)
    report = run(config, _clients, request, clock)
    if request.dry_run:
        return report.as_json()  # its problems are the answer, and the metrics tell of real runs only
    _emit(report, config)
    counts = report.counts()
    logger.info("run", extra={"counts": counts, "left": report.left, "reason": request.reason})
    problems = list(report.problems())
    for what, kind, cause in problems:
        logger.error("problem", extra={"what": what, "kind": kind, "cause": cause})
    if problems:
        what, kind, cause = problems[0]
        raise RunFailed(f"{len(problems)} problems; the first: {what}: {kind}: {cause}")
    return counts


def request_of(event: Mapping[str, object]) -> ReplicationRequest:
    """Return what *event* asks for; the schedule's, and anything that names no paths, asks for everything."""
    if event.get("detail-type") != REQUEST_TYPE:
        return ReplicationRequest()
    detail = event.get("detail")
    if not isinstance(detail, Mapping):
        raise ConfigError([f"an event {REQUEST_TYPE!r} without a detail"])
    paths = detail.get("paths") or None
    if paths is not None and not (isinstance(paths, list) and all(isinstance(path, str) for path in paths)):
        raise ConfigError([f"an event {REQUEST_TYPE!r} whose paths are not a list of strings"])
    sources = None if paths is None else tuple(sorted({path.strip("/") for path in paths}))
    if wrong := [source for source in sources or () if not can_be_addressed(source)]:
        raise ConfigError([f"an event {REQUEST_TYPE!r} with the path {source!r}" for source in wrong])
    dry_run = detail.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise ConfigError([f"an event {REQUEST_TYPE!r} whose dry_run is neither true nor false"])
    return ReplicationRequest(sources, reason=str(detail.get("reason", "operator")), dry_run=dry_run)


def _emit(report: Report, config: Config) -> None:
    """Write the metrics into the log in CloudWatch's embedded format."""
    metrics = EphemeralMetrics(namespace=METRIC_NAMESPACE)
    metrics.add_dimension(name="deployment", value=config.owner)
    for name, number in report.counts().items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)
    metrics.add_metric(name="LagSeconds", unit=MetricUnit.Seconds, value=report.lag_seconds)
    metrics.add_metric(name="Runs", unit=MetricUnit.Count, value=1)
    metrics.flush_metrics()
