"""The number of requests that use the database or wait for it is bounded."""

from __future__ import annotations

import threading
import time

import pytest

from eb_app.errors import TooManyWaiting
from eb_app.request_slots import SLOT_TIMEOUT_SECONDS, RequestSlots
from tests.interleaving import HookedLock


def refused_after(slots: RequestSlots) -> float:
    """Return after how many seconds a request is refused."""
    began = time.monotonic()
    with pytest.raises(TooManyWaiting), slots.taken():
        pass
    return time.monotonic() - began


def test_a_request_waits_a_moment_for_a_slot() -> None:
    slots = RequestSlots(1)
    first = slots.taken()
    first.__enter__()
    threading.Timer(0.1, first.__exit__, (None, None, None)).start()
    with slots.taken():
        pass


def test_after_one_has_waited_in_vain_the_next_are_refused_at_once() -> None:
    slots = RequestSlots(1)
    with slots.taken():
        assert refused_after(slots) >= SLOT_TIMEOUT_SECONDS
        assert refused_after(slots) < SLOT_TIMEOUT_SECONDS / 2
    with slots.taken():
        assert refused_after(slots) >= SLOT_TIMEOUT_SECONDS


def test_a_slot_that_is_returned_while_a_request_is_refused_ends_the_refusals() -> None:
    """The returned slot must not leave a stale mark behind by which later requests are refused at once."""
    slots = RequestSlots(1)
    first, second = slots.taken(), slots.taken()
    releases: list[int] = []

    def return_the_first_slot() -> None:
        releases.append(1)
        if len(releases) == 2:  # the first release begins the wait of the refused request, the second ends it
            first.__exit__(None, None, None)

    lock = HookedLock(threading.current_thread(), return_the_first_slot)
    first.__enter__()
    slots._changed = threading.Condition(lock)  # type: ignore[arg-type]  # a lock, with a hook
    assert refused_after(slots) >= SLOT_TIMEOUT_SECONDS
    taker = threading.Thread(target=second.__enter__)
    taker.start()
    taker.join()
    assert refused_after(slots) >= SLOT_TIMEOUT_SECONDS
