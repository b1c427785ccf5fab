"""Telling others what a run did: events on the bus, a message when the state of health changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .aws import Clients, call
from .config import Config
from .errors import OutOfTime, TargetError
from .model import (
    Adopt,
    Applied,
    Create,
    Delete,
    MoveStage,
    Outcome,
    Restore,
    Retag,
    Update,
    name_of,
    source_of,
)
from .replicate import ReplicationRequest
from .report import Report

EVENT_SOURCE = "beanvault.replicator"
EVENT_TYPE = "Secret Replicated"
REQUEST_SOURCE = "beanvault"
REQUEST_TYPE = "Replication Requested"
EVENTS_AT_ONCE = 10
"""https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html"""

TAG_HEALTH = "beanvault:health"
LINES_IN_MESSAGE = 50
SUBJECT_LENGTH = 100
"""https://docs.aws.amazon.com/sns/latest/api/API_Publish.html; an owner's name may be longer."""

_CHANGES = {
    Create: "created",
    Update: "updated",
    MoveStage: "updated",
    Adopt: "updated",
    Restore: "restored",
    Delete: "deleted",
}


class Bus:
    """Puts an event for each changed secret, ten in one call."""

    def __init__(self, clients: Clients, name: str | None) -> None:
        self._clients = clients
        self._name = name
        self._what = f"PutEvents on the bus {name}"
        self._waiting: list[dict[str, Any]] = []

    def tell(self, outcome: Outcome) -> None:
        if self._name is None or not isinstance(outcome, Applied) or isinstance(outcome.change, Retag):
            return
        detail = {
            "source": source_of(outcome.change),
            "name": name_of(outcome.change),
            "arn": outcome.arn,
            "version_id": outcome.version_id,
            "change": _CHANGES[type(outcome.change)],
        }
        self._waiting.append(self._entry(EVENT_SOURCE, EVENT_TYPE, detail))
        if len(self._waiting) >= EVENTS_AT_ONCE:
            # Where there is no time they wait on: telling comes after the work, and has time of its own.
            with suppress(OutOfTime):
                self.flush()

    def ask_for_continuation(self, paths: tuple[str, ...] | None) -> None:
        """Ask for another run over *paths*, or over everything."""
        if self._name is None:
            raise TargetError(
                "the time ended, and without BEANVAULT_BUS_NAME no continuation can be asked for"
            )
        detail = {"reason": "continuation", **({"paths": list(paths)} if paths is not None else {})}
        self._waiting.append(self._entry(REQUEST_SOURCE, REQUEST_TYPE, detail))
        self.flush()

    def flush(self) -> None:
        """Send what is waiting; raise `TargetError` where the bus did not take all of it.

        `OutOfTime` is raised, and what was not sent waits on, where there is no time.
        """
        refused: list[tuple[dict[str, Any], str]] = []
        while self._waiting:
            sent = self._waiting[:EVENTS_AT_ONCE]
            done = len(sent)
            try:
                failed = self._put(sent)
                # What a bus is too busy for fails by itself, in a call that botocore has no reason to retry.
                refused += self._put([entry for entry, _ in failed])
            except OutOfTime:
                done = 0
                raise
            finally:
                del self._waiting[:done]
        if refused:
            codes = ", ".join(sorted({code for _, code in refused}))
            raise TargetError(f"{self._what}: {len(refused)} not taken ({codes})")

    def _put(self, entries: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
        """Return what was not taken, and AWS's codes for why."""
        if not entries:
            return []
        answer = call(self._clients.events.put_events, self._what, Entries=entries)
        results = zip(entries, answer["Entries"], strict=False)
        return [(entry, result["ErrorCode"]) for entry, result in results if "ErrorCode" in result]

    def _entry(self, source: str, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
        return {
            "Source": source,
            "DetailType": kind,
            "Detail": json.dumps(detail),
            "EventBusName": self._name,
        }


def publish_health_change(
    report: Report, clients: Clients, config: Config, request: ReplicationRequest
) -> None:
    """Publish a message when the state of health has changed since the run before.

    The state is a tag of the connection secret, written after the message: a run killed in between tells it
    twice rather than never. A run over some paths can find us unhealthy; only one that has done everything
    can find us healthy again. Raises `TargetError`.
    """
    partial = report.left or not report.complete
    if config.topic_arn is None or request.dry_run or (report.healthy and partial):
        return
    state = "healthy" if report.healthy else "unhealthy"
    try:
        before = _state_before(clients, config)
    except TargetError:
        # Nobody knows what was told before; too many messages are better than none.
        _publish(report, clients, config, state)
        raise
    if state == before:
        return
    _publish(report, clients, config, state)
    call(
        clients.secretsmanager.tag_resource,
        f"TagResource for the connection secret {config.connection_secret}",
        SecretId=config.connection_secret,
        Tags=[{"Key": TAG_HEALTH, "Value": state}],
    )


def _state_before(clients: Clients, config: Config) -> str:
    answer = call(
        clients.secretsmanager.describe_secret,
        f"DescribeSecret for the connection secret {config.connection_secret}",
        SecretId=config.connection_secret,
    )
    tags = {each["Key"]: each["Value"] for each in answer.get("Tags", [])}
    return tags.get(TAG_HEALTH, "healthy")


def _publish(report: Report, clients: Clients, config: Config, state: str) -> None:
    call(
        clients.sns.publish,
        f"Publish to {config.topic_arn}",
        TopicArn=config.topic_arn,
        Subject=f"beanvault: replication is {state} for {config.owner}"[:SUBJECT_LENGTH],
        Message="\n".join(_message(report, config, state)),
    )


def _message(report: Report, config: Config, state: str) -> Iterator[str]:
    yield f"The replication of {config.owner} is {state}."
    yield ""
    yield ", ".join(f"{number} {name.lower()}" for name, number in report.counts().items())
    problems = list(report.problems())
    for what, kind, cause in problems[:LINES_IN_MESSAGE]:
        yield f"- {what}: {kind}: {cause}"
    if len(problems) > LINES_IN_MESSAGE:
        yield f"- and {len(problems) - LINES_IN_MESSAGE} more; the function's log names each"
