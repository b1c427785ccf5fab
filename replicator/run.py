"""One run from its settings to its report: what the Lambda function and the command line have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict

from . import aws
from .aws import Clients
from .changes import Applied, Deferred, Outcome
from .config import Config
from .contract.connection import LoginMethod
from .contract.events import ReplicationRequest
from .errors import NotConnected, OutOfTime, ReplicatorError, SourceError, named
from .notify import Bus, publish_health_change
from .replicate import RunClock, replicate
from .report import RunReport
from .source import VaultSource
from .target import SecretsManagerTarget
from .vault import TIMEOUTS, Timeouts, Vault
from .vault_login import ConnectionSecret, connection_lost, log_in

logger = logging.getLogger(__name__)

WORK_ENDS_SECONDS = TIMEOUTS.longest_seconds + aws.LONGEST_SECONDS + 1
"""With less time left only notifications are sent: one request may be under way, and they need another."""


def run(
    config: Config,
    clients: Clients,
    request: ReplicationRequest,
    clock: RunClock,
    timeouts: Timeouts = TIMEOUTS,
    workers: int = aws.WORKERS,
) -> RunReport:
    """Replicate as *config* describes, and notify; the report contains all that failed."""
    bus = Bus(clients, config.bus_name)
    unreported: list[ReplicatorError] = []

    def attempt(notify: Callable[[], None]) -> None:
        """A notification failure must not stop replication, but it still fails the run."""
        try:
            notify()
        except Exception as failure:  # noqa: BLE001 - even a bug must not stop it
            unreported.append(named(failure))

    def report_outcome(outcome: Outcome) -> None:
        _log(outcome)
        attempt(lambda: bus.publish(outcome))

    clients.in_time = lambda: clock.seconds_left() > WORK_ENDS_SECONDS
    try:
        report = _connect_and_replicate(config, clients, request, clock, report_outcome, timeouts, workers)
    except Exception as failure:  # noqa: BLE001 - unforeseen errors are reported like all others
        report = RunReport(complete=request.sources is None, dry_run=request.dry_run, errors=[named(failure)])
    clients.in_time = lambda: clock.seconds_left() > aws.LONGEST_SECONDS
    attempt(bus.flush)
    if report.deferred and not any(isinstance(error, OutOfTime) for error in report.errors):
        attempt(lambda: bus.request_continuation(_remaining(report, request)))
    report.errors += unreported
    unreported.clear()
    attempt(lambda: publish_health_change(report, clients, config, request))
    report.errors += unreported
    return report


def _connect_and_replicate(
    config: Config,
    clients: Clients,
    request: ReplicationRequest,
    clock: RunClock,
    report_outcome: Callable[[Outcome], None],
    timeouts: Timeouts,
    workers: int,
) -> RunReport:
    secret = ConnectionSecret(clients, config.connection_secret, allow_http=config.allow_http)
    target = SecretsManagerTarget(clients.secretsmanager)
    try:
        connection = secret.read()
    except NotConnected:
        if any(each.owner == config.owner for each in target.list(config.prefix).values()):
            # The secret was made again: without a connection these secrets are no longer replicated.
            raise connection_lost(config.connection_secret) from None
        raise
    with closing(Vault(connection.address, clients.in_time, timeouts)) as vault:
        try:
            log_in(vault, connection, secret, clients)
            source = VaultSource(vault, config.mounts, clock.now, secret.hash_key)
            return replicate(source, target, config, request, clock, report_outcome, workers)
        finally:
            if connection.method is not LoginMethod.TOKEN:
                _log_out(vault)


def _log_out(vault: Vault) -> None:
    try:
        vault.revoke_token()
    except (SourceError, OutOfTime):
        # There may be no time, no token, or one that can't be revoked; it expires soon in any case.
        logger.debug("the Vault token was not revoked; it expires with its lease")


def _remaining(report: RunReport, request: ReplicationRequest) -> tuple[str, ...] | None:
    if request.sources is None:
        return None
    return tuple(each.change.source for each in report.outcomes if isinstance(each, Deferred))


def _log(outcome: Outcome) -> None:
    """Log a change at once, so that a run that is killed has logged it. Problems are in the report."""
    if isinstance(outcome, Applied):
        fields = asdict(outcome.change.summary())
        fields["secret"] = fields.pop("name")  # a log record has a name of its own
        logger.info("changed", extra=fields)
