"""A replication is asked for once, not by every refused login."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from eb_app.replication_request import QUIET, ReplicationRequester


class Bus:
    """Keeps what was put on it, or refuses."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.entries: list[dict[str, str]] = []
        self._answer = answer

    def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - the SDK's name
        self.entries += Entries
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_the_event_is_the_one_that_the_replicator_takes() -> None:
    """docs/design.md, Contracts: asking."""
    bus = Bus({"FailedEntryCount": 0})
    ReplicationRequester(bus, "dev-beanvault", "beanvault/app/database")()
    (entry,) = bus.entries
    assert (entry["EventBusName"], entry["Source"]) == ("dev-beanvault", "beanvault")
    assert entry["DetailType"] == "Replication Requested"
    assert json.loads(entry["Detail"]) == {"paths": ["beanvault/app/database"], "reason": "demand"}


def test_a_burst_sends_one_event_and_time_allows_another() -> None:
    """A thousand refused logins within a few seconds are one reason to replicate."""
    now = 100.0
    bus = Bus({"FailedEntryCount": 0})
    demand = ReplicationRequester(bus, "bus", "beanvault/app/database", clock=lambda: now)
    for _ in range(1000):
        demand()
    assert len(bus.entries) == 1
    now += QUIET
    demand()
    assert len(bus.entries) == 2


def test_a_bus_that_fails_is_no_error_for_the_app(caplog: pytest.LogCaptureFixture) -> None:
    """The event is a hint; the schedule replicates without it. A failing bus isn't hammered either."""
    for answer in (
        EndpointConnectionError(endpoint_url="https://events.example"),
        RuntimeError("canary"),
        {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]},
    ):
        bus = Bus(answer)
        demand = ReplicationRequester(bus, "bus", "beanvault/app/database", clock=lambda: 0.0)
        demand()
        demand()
        assert len(bus.entries) == 1
    assert "canary" not in caplog.text
