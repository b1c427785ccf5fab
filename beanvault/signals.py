"""Blocks that an interrupt must not cut in two."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a request to end, and a terminal that was closed."""


@contextmanager
def deferred() -> Iterator[None]:
    """Deliver signals that arrive during the block at its end, unless the block raises an error."""
    received: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _: received.append(number)) for number in SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])
