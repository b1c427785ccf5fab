"""Requesting a replication of the credential: one event, and no other for some seconds."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

logger = logging.getLogger(__name__)

QUIET_SECONDS = 10.0
"""Between two events of one process. A replication takes a few seconds; more events would not speed it up."""


class Events(Protocol):
    """The part of the EventBridge client that is used."""

    def put_events(self, *, Entries: list[dict[str, str]]) -> Any: ...  # noqa: N803 - the SDK's name


class ReplicationRequester:
    """Puts `Replication Requested` on the bus (docs/design.md, Contracts).

    It never raises: without the event, the credential is replicated by the next scheduled run.
    """

    def __init__(
        self, events: Events, bus: str, source_path: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._events, self._bus, self._clock = events, bus, clock
        self._detail = json.dumps({"paths": [source_path], "reason": "demand"})
        self._lock = threading.Lock()
        self._next = float("-inf")

    def __call__(self) -> None:
        with self._lock:
            if self._clock() < self._next:
                return
            self._next = self._clock() + QUIET_SECONDS
        entry = {
            "EventBusName": self._bus,
            "Source": "beanvault",
            "DetailType": "Replication Requested",
            "Detail": self._detail,
        }
        try:
            answer = self._events.put_events(Entries=[entry])
        except Exception as error:  # noqa: BLE001 - whatever it is, the calling thread must go on reading
            logger.warning(
                "replication request failed", extra={"error": type(error).__name__, "bus": self._bus}
            )
            return
        # PutEvents answers 200 even if it rejected every entry.
        if answer.get("FailedEntryCount"):
            code = answer["Entries"][0].get("ErrorCode")
            logger.warning("replication request rejected", extra={"error": code, "bus": self._bus})
        else:
            logger.info("replication requested", extra={"bus": self._bus})
