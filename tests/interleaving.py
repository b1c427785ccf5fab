"""Forcing one interleaving of threads, for tests of code with locks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType


class HookedLock:
    """A lock that calls *after_release* after each release by *thread*, before that thread goes on.

    It can be the lock of a `threading.Condition`, and counts how often it is acquired.
    """

    def __init__(self, thread: threading.Thread, after_release: Callable[[], object]) -> None:
        self._lock, self._thread, self._after_release = threading.Lock(), thread, after_release
        self.acquired = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        taken = self._lock.acquire(blocking, timeout)
        self.acquired += taken
        return taken

    def release(self) -> None:
        self._lock.release()
        if threading.current_thread() is self._thread:
            self._after_release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
