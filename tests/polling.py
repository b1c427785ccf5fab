"""Wait for what comes soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(found: Callable[[], Any], seconds: float = 90) -> Any:
    """Return what *found* gives as soon as it is something; fail when nothing comes in time."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"nothing came within {seconds:g} s"
        time.sleep(0.02)
    return value
