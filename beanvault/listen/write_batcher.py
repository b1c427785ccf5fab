"""Batching: the writes of a burst become one replication request."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ..polling import PollingClock

logger = logging.getLogger(__name__)

QUIET_SECONDS = 0.3
"""A batch is published when no write has arrived for this long ..."""
MAX_BATCH_SECONDS = 2.0
"""... or this long after its first write, however many still arrive."""
MAX_PATHS = 100
MAX_BYTES = 200_000
"""A batch of more or longer paths than this becomes a request for every path: an event is limited to 256 KB.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html"""

Publish = Callable[[list[str]], None]
"""Requests the replication of sources; an empty list requests all."""


@dataclass(slots=True)
class WriteBatcher:
    """Collects written sources and publishes them in batches. `add` never blocks on the network.

    All state is read and changed under one condition, and the collected sources themselves are what `run`
    waits for: there is no second flag that could disagree with them.
    """

    publish: Publish
    clock: PollingClock = field(default_factory=PollingClock)
    _sources: dict[str, None] = field(default_factory=dict, init=False)
    _everything: bool = field(default=False, init=False)
    _first: float = field(default=0.0, init=False)
    _last: float = field(default=0.0, init=False)
    _ended: bool = field(default=False, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)

    def add(self, source: str) -> None:
        """Add a source to the current batch."""
        with self._changed:
            self._record_write()
            if len(self._sources) <= MAX_PATHS:
                self._sources[source] = None

    def add_everything(self) -> None:
        """Make the current batch a request for every path, because the written one is unknown."""
        with self._changed:
            self._record_write()
            self._everything = True

    def seconds_until_due(self) -> float | None:
        """Return in how many seconds the batch is to be published (0: now), or None for an empty batch."""
        with self._changed:
            return self._seconds_until_due()

    def take(self) -> list[str]:
        """Return the batch and begin a new one. An empty list means every path."""
        with self._changed:
            return self._take()

    def run(self) -> None:
        """Publish batches until `end`, and then the last one.

        A failure to publish is logged: the next scheduled run replicates those paths.
        """
        while (sources := self._wait_for_batch()) is not None:
            named = ", ".join(sources) or "every path"
            try:
                self.publish(sources)
                logger.info("requested replication of %s", named)
            except Exception:  # the listener must survive whatever AWS or the network does
                logger.exception(
                    "could not request replication of %s; the next scheduled run replicates it", named
                )

    def end(self) -> None:
        """Let `run` publish what is left and return."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _record_write(self) -> None:
        now = self.clock.now()
        if self._is_empty():
            self._first = now
            self._changed.notify_all()
        self._last = now

    def _is_empty(self) -> bool:
        return not self._sources and not self._everything

    def _seconds_until_due(self) -> float | None:
        if self._is_empty():
            return None
        due = min(self._last + QUIET_SECONDS, self._first + MAX_BATCH_SECONDS)
        return max(0.0, due - self.clock.now())

    def _wait_for_batch(self) -> list[str] | None:
        """Return the next batch when it is due, or None after `end` when nothing is left."""
        with self._changed:
            while not self._ended and (seconds := self._seconds_until_due()) != 0:
                self._changed.wait(seconds)
            return None if self._is_empty() else self._take()

    def _take(self) -> list[str]:
        sources, everything = list(self._sources), self._everything
        self._sources.clear()
        self._everything = False
        too_many = len(sources) > MAX_PATHS or len(json.dumps(sources)) > MAX_BYTES
        return [] if everything or too_many else sources
