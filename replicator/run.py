"""One run from its settings to its report: what the Lambda function and the command line have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing

from . import aws, vault
from .aws import Clients
from .config import Config
from .errors import OutOfTime, ReplicatorError, SourceError, named
from .login import ConnectionSecret, log_in
from .model import Applied, Deferred, Outcome, source_of
from .notify import Bus, publish_health_change
from .replicate import ReplicationRequest, RunClock, replicate
from .report import Report, describe
from .source import VaultSource
from .target import SecretsManagerTarget

logger = logging.getLogger(__name__)

WORK_ENDS_SECONDS = vault.LONGEST_SECONDS + aws.LONGEST_SECONDS + 1
"""With less time left only telling goes on: one request may be under way then, and telling takes another."""


def run(config: Config, clients: Clients, request: ReplicationRequest, clock: RunClock) -> Report:
    """Replicate as *config* says and tell whoever is to be told; the report holds all that failed."""
    bus = Bus(clients, config.bus_name)
    untold: list[ReplicatorError] = []

    def attempt(telling: Callable[[], None]) -> None:
        """Telling must not stop replicating; what could not be told makes the run fail all the same."""
        try:
            telling()
        except Exception as failure:  # noqa: BLE001 - even a bug must not stop it
            untold.append(named(failure))

    def tell(outcome: Outcome) -> None:
        _log(outcome)
        attempt(lambda: bus.tell(outcome))

    clients.in_time = lambda: clock.left() > WORK_ENDS_SECONDS
    report = _connect_and_replicate(config, clients, request, clock, tell)
    clients.in_time = lambda: clock.left() > aws.LONGEST_SECONDS
    attempt(bus.flush)
    if report.left and not any(isinstance(error, OutOfTime) for error in report.errors):
        attempt(lambda: bus.ask_for_continuation(_left(report, request)))
    report.errors += untold
    untold.clear()
    attempt(lambda: publish_health_change(report, clients, config, request))
    report.errors += untold
    return report


def _connect_and_replicate(
    config: Config,
    clients: Clients,
    request: ReplicationRequest,
    clock: RunClock,
    tell: Callable[[Outcome], None],
) -> Report:
    try:
        kept = ConnectionSecret(clients, config.connection_secret, allow_http=config.allow_http)
        connection = kept.read()
        with closing(vault.Vault(connection.address, clients.in_time)) as opened:
            try:
                log_in(opened, connection, kept, clients)
                source = VaultSource(opened, config.mounts, clock.now, kept.hash_key)
                target = SecretsManagerTarget(clients.secretsmanager)
                return replicate(source, target, config, request, clock, tell)
            finally:
                if connection.auth["method"] != "token":
                    _log_out(opened)
    except Exception as failure:  # noqa: BLE001 - what nobody foresaw is told like everything else
        errors = [named(failure)]
        return Report(complete=request.sources is None, dry_run=request.dry_run, errors=errors)


def _log_out(opened: vault.Vault) -> None:
    try:
        opened.revoke_token()
    except (SourceError, OutOfTime):
        # There may be no time, no token, or one of the kind that can't be revoked; its end is near anyway.
        logger.debug("the login to Vault was not ended; it ends by itself")


def _left(report: Report, request: ReplicationRequest) -> tuple[str, ...] | None:
    if request.sources is None:
        return None
    return tuple(source_of(each.change) for each in report.outcomes if isinstance(each, Deferred))


def _log(outcome: Outcome) -> None:
    """Log what was changed, at once: a run that is killed has told so far. Problems are the report's."""
    if isinstance(outcome, Applied):
        told = describe(outcome.change)
        told["secret"] = told.pop("name")  # a log record has a name of its own
        logger.info("changed", extra=told)
