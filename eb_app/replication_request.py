"""Asking the replicator for the credential: one event, and not again for a while."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

logger = logging.getLogger(__name__)

QUIET = 10.0
"""Seconds between two events of one process. A replication takes a few; asking more often brings nothing."""


class Events(Protocol):
    """What is used of the EventBridge client."""

    def put_events(self, *, Entries: list[dict[str, str]]) -> Any: ...  # noqa: N803 - the SDK's name


class ReplicationRequester:
    """Puts `Replication Requested` on the bus (docs/design.md, Contracts). Never raises: it is a hint."""

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
            self._next = self._clock() + QUIET
        entry = {
            "EventBusName": self._bus,
            "Source": "beanvault",
            "DetailType": "Replication Requested",
            "Detail": self._detail,
        }
        try:
            answer = self._events.put_events(Entries=[entry])
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread that asks must go on looking
            logger.warning("demand failed", extra={"error": type(error).__name__, "bus": self._bus})
            return
        # PutEvents answers 200 also when it took nothing.
        if answer.get("FailedEntryCount"):
            code = answer["Entries"][0].get("ErrorCode")
            logger.warning("demand refused", extra={"error": code, "bus": self._bus})
        else:
            logger.info("demand sent", extra={"bus": self._bus})
