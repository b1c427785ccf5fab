"""A replication is requested once, not by every refused login."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from eb_app.replication_request import QUIET_SECONDS, ReplicationRequester


class Bus:
    """Records the entries put on it, and gives a fixed answer."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.entries: list[dict[str, str]] = []
        self._answer = answer

    def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        self.entries += Entries
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_the_event_has_the_documented_shape() -> None:
    """docs/design.md, Contracts."""
    bus = Bus({"FailedEntryCount": 0})
    ReplicationRequester(bus, "dev-beanvault", "beanvault/app/database")()
    (entry,) = bus.entries
    assert (entry["EventBusName"], entry["Source"]) == ("dev-beanvault", "beanvault")
    assert entry["DetailType"] == "Replication Requested"
    assert json.loads(entry["Detail"]) == {"paths": ["beanvault/app/database"], "reason": "demand"}


def test_a_burst_of_calls_sends_one_event() -> None:
    """A thousand refused logins within the quiet time are one event; the next call after it is another."""
    now = 100.0
    bus = Bus({"FailedEntryCount": 0})
    request = ReplicationRequester(bus, "bus", "beanvault/app/database", clock=lambda: now)
    for _ in range(1000):
        request()
    assert len(bus.entries) == 1
    now += QUIET_SECONDS
    request()
    assert len(bus.entries) == 2


def test_a_failing_bus_is_not_an_error_for_the_app(caplog: pytest.LogCaptureFixture) -> None:
    """Without the event, the next scheduled run replicates. The quiet time holds for a failing bus, too."""
    for answer in (
        EndpointConnectionError(endpoint_url="https://events.example"),
        RuntimeError("canary"),
        {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]},
    ):
        bus = Bus(answer)
        request = ReplicationRequester(bus, "bus", "beanvault/app/database", clock=lambda: 0.0)
        request()
        request()
        assert len(bus.entries) == 1
    assert "canary" not in caplog.text
