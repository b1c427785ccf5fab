"""Notifications of what a run did: events on the bus, a message when the state of health changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from .aws import Clients, call
from .changes import Applied, Outcome
from .config import Config
from .contract.events import (
    REPLICATION_REQUESTED,
    SECRET_REPLICATED,
    ReplicationRequest,
    RequestReason,
    SecretReplicated,
)
from .contract.summary import counts_line
from .contract.tags import TAG_HEALTH, HealthState
from .errors import OutOfTime, TargetError
from .report import RunReport

EVENTS_AT_ONCE = 10
"""https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html"""

LINES_IN_MESSAGE = 50
SUBJECT_LENGTH = 100
"""https://docs.aws.amazon.com/sns/latest/api/API_Publish.html; an owner's name may be longer."""


class Bus:
    """Puts an event for each changed secret, ten in one call."""

    def __init__(self, clients: Clients, name: str | None) -> None:
        self._clients = clients
        self._name = name
        self._operation = f"PutEvents on the bus {name}"
        self._pending: list[dict[str, str]] = []

    def publish(self, outcome: Outcome) -> None:
        """Queue the event of a changed secret, and send the queue when it is full."""
        if self._name is None or not isinstance(outcome, Applied) or outcome.change.event is None:
            return
        change = outcome.change
        event = SecretReplicated(
            change.source, change.name, outcome.arn, outcome.version_id, outcome.change.event
        )
        self._pending.append(SECRET_REPLICATED.entry(event.detail(), self._name))
        if len(self._pending) >= EVENTS_AT_ONCE:
            # Without time they stay queued: time for notifications is reserved after the work.
            with suppress(OutOfTime):
                self.flush()

    def request_continuation(self, sources: tuple[str, ...] | None) -> None:
        """Request another run over *sources*, or over everything."""
        if self._name is None:
            raise TargetError(
                "the time ended, and without BEANVAULT_BUS_NAME no continuation can be requested"
            )
        request = ReplicationRequest(sources, RequestReason.CONTINUATION)
        self._pending.append(REPLICATION_REQUESTED.entry(request.detail(), self._name))
        self.flush()

    def flush(self) -> None:
        """Send all queued events.

        Raises:
            TargetError: the bus did not accept all of them.
            OutOfTime: there was no time; what was not sent stays queued.
        """
        refused: list[tuple[dict[str, str], str]] = []
        while self._pending:
            sent = self._pending[:EVENTS_AT_ONCE]
            done = len(sent)
            try:
                failed = self._put(sent)
                # A busy bus refuses single entries of a successful call, which botocore does not retry.
                refused += self._put([entry for entry, _ in failed])
            except OutOfTime:
                done = 0
                raise
            finally:
                del self._pending[:done]
        if refused:
            codes = ", ".join(sorted({code for _, code in refused}))
            raise TargetError(f"{self._operation}: {len(refused)} events were not accepted ({codes})")

    def _put(self, entries: list[dict[str, str]]) -> list[tuple[dict[str, str], str]]:
        """Return the entries that were not accepted, each with AWS's error code."""
        if not entries:
            return []
        answer = call(self._clients.events.put_events, self._operation, Entries=entries)
        results = zip(entries, answer["Entries"], strict=False)
        return [(entry, result["ErrorCode"]) for entry, result in results if "ErrorCode" in result]


def publish_health_change(
    report: RunReport, clients: Clients, config: Config, request: ReplicationRequest
) -> None:
    """Publish a message when the state of health has changed since the run before.

    The state is a tag of the connection secret, written after the message: a run killed in between causes a
    second message rather than none. A run over some paths can find us unhealthy; only one that has done
    everything can find us healthy again. Vault not being connected yet is a state as well, reported once.
    Raises `TargetError`.
    """
    partial = report.deferred or not report.complete
    if config.topic_arn is None or request.dry_run or (report.healthy and partial):
        return
    state = report.health
    try:
        before = _reported_state(clients, config)
    except TargetError:
        # It is not known what was reported before; too many messages are better than none.
        _publish(report, clients, config, state)
        raise
    if state == before:
        return
    _publish(report, clients, config, state)
    call(
        clients.secretsmanager.tag_resource,
        f"TagResource for the connection secret {config.connection_secret}",
        SecretId=config.connection_secret,
        Tags=[{"Key": TAG_HEALTH, "Value": state.value}],
    )


def _reported_state(clients: Clients, config: Config) -> str:
    answer = call(
        clients.secretsmanager.describe_secret,
        f"DescribeSecret for the connection secret {config.connection_secret}",
        SecretId=config.connection_secret,
    )
    tags = {each["Key"]: each["Value"] for each in answer.get("Tags", [])}
    return tags.get(TAG_HEALTH, HealthState.HEALTHY)


def _publish(report: RunReport, clients: Clients, config: Config, state: HealthState) -> None:
    call(
        clients.sns.publish,
        f"Publish to {config.topic_arn}",
        TopicArn=config.topic_arn,
        Subject=f"beanvault: replication is {state} for {config.owner}"[:SUBJECT_LENGTH],
        Message="\n".join(_message(report, config, state)),
    )


def _message(report: RunReport, config: Config, state: HealthState) -> Iterator[str]:
    yield f"The replication of {config.owner} is {state}."
    yield ""
    yield counts_line(report.counts())
    problems = report.problems()
    for problem in problems[:LINES_IN_MESSAGE]:
        yield f"- {problem}"
    if len(problems) > LINES_IN_MESSAGE:
        yield f"- and {len(problems) - LINES_IN_MESSAGE} more; the function's log names each"
