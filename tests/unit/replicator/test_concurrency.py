"""Concurrent calls."""

from __future__ import annotations

import threading
from collections import deque

import pytest

from replicator.concurrency import concurrently


def test_each_item_is_done_once() -> None:
    assert sorted(concurrently(lambda number: number * 2, range(500), 8)) == list(range(0, 1000, 2))


def test_as_many_are_under_way_as_there_are_workers() -> None:
    barrier = threading.Barrier(4, timeout=10)
    assert sorted(concurrently(lambda _: barrier.wait(), range(8), 4)) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_deque_can_grow_while_its_results_are_consumed() -> None:
    queue = deque([3])
    seen = []
    for number in concurrently(lambda number: number, queue, 2):
        seen.append(number)
        queue.extend([number - 1] * 2 if number else [])
    assert sorted(seen) == sorted([3] + [2] * 2 + [1] * 4 + [0] * 8)


def test_an_exception_ends_it() -> None:
    def fail(number: int) -> int:
        if number == 3:
            raise LookupError(number)
        return number

    with pytest.raises(LookupError):
        list(concurrently(fail, range(1000), 2))
