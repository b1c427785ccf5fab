"""Polling with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(found: Callable[[], Any], seconds: float = 90) -> Any:
    """Return the first true value of *found*; fail if there is none within *seconds*."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"no result within {seconds:g} s"
        time.sleep(0.02)
    return value
