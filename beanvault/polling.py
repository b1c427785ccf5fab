"""Polling until something is so."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PollingClock:
    """Time as an argument, so that a test needs none."""

    now: Callable[[], float] = time.monotonic
    """Seconds, from any beginning."""
    sleep: Callable[[float], None] = time.sleep


def attempts(clock: PollingClock, seconds: float, first: float = 0.2, longest: float = 5) -> Iterator[float]:
    """Yield the seconds passed, at once and then after growing pauses with jitter, until *seconds* are over.

    The last attempt comes after the time is over, so that what happened in the last pause is seen.
    """
    begin, pause = clock.now(), first
    while True:
        passed = clock.now() - begin
        yield passed
        if passed >= seconds:
            return
        clock.sleep(min(pause * random.uniform(0.8, 1.2), max(seconds - passed, 0.01)))  # noqa: S311 - jitter
        pause = min(pause * 1.5, longest)
