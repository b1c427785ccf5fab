"""Batching: the writes of a burst become one replication request."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

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
class Batch:
    """The writes since the last replication request. Pure: the caller passes the time and holds the lock."""

    _sources: dict[str, None] = field(default_factory=dict)
    _everything: bool = False
    _first: float = 0.0
    _last: float = 0.0

    @property
    def is_empty(self) -> bool:
        return not self._sources and not self._everything

    def add(self, source: str | None, now: float) -> None:
        """Add the source of a write at the time *now*; None makes this a request for every path."""
        if self.is_empty:
            self._first = now
        self._last = now
        if source is None:
            self._everything = True
        elif len(self._sources) <= MAX_PATHS:
            self._sources[source] = None

    def seconds_until_due(self, now: float) -> float | None:
        """Return in how many seconds the batch is to be published (0: now), or None for an empty batch."""
        if self.is_empty:
            return None
        return max(0.0, min(self._last + QUIET_SECONDS, self._first + MAX_BATCH_SECONDS) - now)

    def sources(self) -> list[str]:
        """Return the sources to request; an empty list requests every path."""
        sources = list(self._sources)
        too_many = len(sources) > MAX_PATHS or len(json.dumps(sources)) > MAX_BYTES
        return [] if self._everything or too_many else sources


class WriteBatcher:
    """Collects written sources and publishes them in batches. `add` never waits for the network.

    The batch itself is what `run` waits for, under one condition: no second flag can disagree with it.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._batch = Batch()
        self._ended = False
        self._changed = threading.Condition()

    def add(self, source: str | None) -> None:
        """Add a source to the current batch; None, for an unknown one, makes it a request for every path."""
        with self._changed:
            if self._batch.is_empty:
                self._changed.notify_all()
            self._batch.add(source, time.monotonic())

    def run(self) -> None:
        """Publish batches until `end`, and then the last one.

        A failure to publish is logged: the next scheduled run replicates those paths.
        """
        while (batch := self._wait_for_batch()) is not None:
            sources = batch.sources()
            named = ", ".join(sources) or "every path"
            try:
                self._publish(sources)
                logger.info("requested replication of %s", named)
            except Exception:  # the listener must survive whatever AWS or the network does
                logger.exception(
                    "could not request replication of %s; the next scheduled run replicates it", named
                )

    def end(self) -> None:
        """Make `run` publish the last batch and return."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _wait_for_batch(self) -> Batch | None:
        """Return the next batch when it is due, or None after `end` when nothing is left."""
        with self._changed:
            while not self._ended and (seconds := self._batch.seconds_until_due(time.monotonic())) != 0:
                self._changed.wait(seconds)
            if self._batch.is_empty:
                return None
            batch, self._batch = self._batch, Batch()
            return batch
