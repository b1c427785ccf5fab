"""The Lambda function: an event in, counts out; failure is raised, so that Lambda sees it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from .aws import WORKERS, Clients
from .config import Config
from .contract.events import ReplicationRequest
from .contract.summary import NOT_CONNECTED
from .errors import ConfigError, RunFailed
from .replicate import RunClock
from .report import RunReport
from .run import run
from .vault import TIMEOUTS, Timeouts

MARGIN_SECONDS = 45.0
"""No change is begun with less time left: it takes a few calls, and notifications follow."""

METRIC_NAMESPACE = "beanvault"

logger = Logger(service="replicator")


class LambdaContext(Protocol):
    """The part of Lambda's context object that is used."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


@dataclass(frozen=True, slots=True)
class HandlerFunction:
    """The function; *clients* are kept across warm invocations, unlike a login to Vault, which expires."""

    clients: Clients
    timeouts: Timeouts = TIMEOUTS
    workers: int = WORKERS

    def handle(self, event: Mapping[str, object], context: LambdaContext) -> dict[str, Any]:
        """Run once and return the counts; a dry run changes nothing and returns the summary of the run.

        Raises:
            ConfigError: the environment or the event is wrong.
            RunFailed: something could not be replicated, or the run could not begin.
        """
        logger.append_keys(aws_request_id=context.aws_request_id)
        try:
            config = Config.from_environ(os.environ)
            request = ReplicationRequest.from_event(event)
        except ConfigError as error:
            logger.error("the configuration is wrong", extra={"problems": error.problems})  # noqa: TRY400 - no traceback
            raise

        def seconds_left() -> float:
            return context.get_remaining_time_in_millis() / 1000

        clock = RunClock(time.time, lambda: seconds_left() > MARGIN_SECONDS, seconds_left)
        report = run(config, self.clients, request, clock, self.timeouts, self.workers)
        if request.dry_run:
            return report.summary().as_json()  # its problems are the answer, and metrics count real runs only
        _emit(report, config)
        return _log_result(report, request)


def _log_result(report: RunReport, request: ReplicationRequest) -> dict[str, int]:
    """Log the result of a real run and return its counts; raise `RunFailed` where something went wrong."""
    counts = {count.value: number for count, number in report.counts().items()}
    logger.info("run", extra={"counts": counts, "deferred": report.deferred, "reason": request.reason.value})
    problems = report.problems()
    if report.not_connected:
        # Raised, it would be repeated, become a dead letter, and start alarms that only an operator can end.
        logger.warning("not connected", extra=asdict(problems[0]))
        return {**counts, NOT_CONNECTED: 1}
    for problem in problems:
        logger.error("problem", extra=asdict(problem))
    if problems:
        raise RunFailed(f"{len(problems)} problems; the first: {problems[0]}")
    return counts


def _emit(report: RunReport, config: Config) -> None:
    """Write the metrics into the log in CloudWatch's embedded format."""
    metrics = EphemeralMetrics(namespace=METRIC_NAMESPACE)
    metrics.add_dimension(name="deployment", value=config.owner)
    for name, number in report.counts().items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)
    metrics.add_metric(name="LagSeconds", unit=MetricUnit.Seconds, value=report.lag_seconds)
    metrics.add_metric(name="Runs", unit=MetricUnit.Count, value=1)
    metrics.add_metric(name=NOT_CONNECTED, unit=MetricUnit.Count, value=int(report.not_connected))
    metrics.flush_metrics()


handler = HandlerFunction(Clients()).handle
"""What Lambda calls."""
