"""Bounding how many requests of a process use the database or wait for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import TooManyWaiting

SLOT_TIMEOUT_SECONDS = 0.5
"""How long a request waits for a slot; in a busy process one is free within milliseconds."""


class RequestSlots:
    """A fixed number of slots, fewer than the process's threads: the health check always finds a thread.

    A request waits a moment for a slot. After one has timed out, the next ones are refused at once until a
    slot is returned: otherwise every remaining thread would be waiting for a slot while the database hangs.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._exhausted = False
        self._changed = threading.Condition()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take a slot for the length of the block.

        Raises:
            TooManyWaiting: none is free
        """
        self._take()
        try:
            yield
        finally:
            self._give_back()

    def _take(self) -> None:
        with self._changed:
            timeout = 0 if self._exhausted else SLOT_TIMEOUT_SECONDS
            if not self._changed.wait_for(lambda: self._free > 0, timeout):
                self._exhausted = True
                raise TooManyWaiting("the maximum number of requests use the database or wait for it")
            self._free -= 1

    def _give_back(self) -> None:
        with self._changed:
            self._free += 1
            self._exhausted = False
            self._changed.notify()
