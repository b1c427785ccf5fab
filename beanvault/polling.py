"""Polling: repeated attempts with growing pauses."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PollingClock:
    """The time and how to wait, as arguments, so that tests don't have to wait."""

    now: Callable[[], float] = time.monotonic
    """Seconds since any fixed moment."""
    sleep: Callable[[float], None] = time.sleep


def attempts(clock: PollingClock, seconds: float, first: float = 0.2, longest: float = 5) -> Iterator[float]:
    """Yield the seconds passed: at once, then after growing pauses with jitter, until *seconds* have passed.

    The last attempt comes after that time, so that it observes what happened during the last pause.
    """
    start, pause = clock.now(), first
    while True:
        passed = clock.now() - start
        yield passed
        if passed >= seconds:
            return
        clock.sleep(min(pause * random.uniform(0.8, 1.2), max(seconds - passed, 0.01)))  # noqa: S311 - jitter
        pause = min(pause * 1.5, longest)
