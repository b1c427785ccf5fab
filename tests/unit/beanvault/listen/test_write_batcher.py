"""How the writes of a burst become one replication request."""

from __future__ import annotations

import threading
import time

import pytest

from beanvault.listen.write_batcher import MAX_BATCH_SECONDS, MAX_PATHS, QUIET_SECONDS, Batch, WriteBatcher
from tests.interleaving import HookedLock


def test_a_batch_is_due_after_a_quiet_time() -> None:
    batch = Batch()
    assert batch.seconds_until_due(0) is None
    batch.add("beanvault/a", 0)
    assert batch.seconds_until_due(0) == pytest.approx(QUIET_SECONDS)
    later = QUIET_SECONDS - 0.1
    batch.add("beanvault/b", later)
    assert batch.seconds_until_due(later) == pytest.approx(QUIET_SECONDS)
    assert batch.seconds_until_due(later + QUIET_SECONDS) == 0
    assert batch.sources() == ["beanvault/a", "beanvault/b"]


def test_a_batch_is_due_after_a_maximum_time_while_writes_go_on() -> None:
    batch = Batch()
    for tick in range(int(MAX_BATCH_SECONDS * 10) + 1):
        batch.add("beanvault/a", tick / 10)
    assert batch.seconds_until_due(MAX_BATCH_SECONDS) == 0
    assert batch.sources() == ["beanvault/a"]


def test_too_many_paths_become_a_request_for_every_path() -> None:
    batch = Batch()
    for number in range(MAX_PATHS + 1):
        batch.add(f"beanvault/{number}", 0)
    assert batch.sources() == []


def test_paths_that_are_too_long_for_one_event_become_a_request_for_every_path() -> None:
    batch = Batch()
    for number in range(MAX_PATHS):
        batch.add(f"beanvault/{number}/" + "é" * 500, 0)
    assert batch.sources() == []


def test_an_unknown_path_makes_its_batch_a_request_for_every_path() -> None:
    batch = Batch()
    batch.add(None, 0)
    assert batch.seconds_until_due(0) == pytest.approx(QUIET_SECONDS)
    batch.add("beanvault/a", 0)
    assert batch.sources() == []


def test_a_failure_to_publish_loses_that_batch_only() -> None:
    """The next scheduled run replicates the paths of that batch; later batches are published."""
    published: list[list[str]] = []

    def publish(sources: list[str]) -> None:
        if sources == ["beanvault/lost"]:
            batcher.add("beanvault/next")
            raise OSError("no network")
        published.append(sources)
        batcher.end()

    batcher = WriteBatcher(publish)
    batcher.add("beanvault/lost")
    batcher.run()
    assert published == [["beanvault/next"]]


def test_what_is_left_is_published_at_the_end() -> None:
    published: list[list[str]] = []
    batcher = WriteBatcher(published.append)
    batcher.add("beanvault/a")
    batcher.end()
    batcher.run()
    assert published == [["beanvault/a"]]


def test_a_batch_that_is_taken_while_its_write_is_being_added_leaves_the_publisher_waiting() -> None:
    """The publisher must not loop over an empty batch."""
    published = threading.Event()
    batcher = WriteBatcher(lambda _: published.set())
    # The publisher takes and publishes the source between the release of the lock by `add` and its return.
    lock = HookedLock(threading.current_thread(), lambda: published.wait(10))
    batcher._changed = threading.Condition(lock)  # type: ignore[arg-type]  # a lock, with a hook
    publisher = threading.Thread(target=batcher.run)
    publisher.start()
    batcher.add("beanvault/a")
    assert published.is_set()
    before = lock.acquired
    time.sleep(0.5)
    turns = lock.acquired - before
    batcher.end()
    publisher.join(10)
    assert not publisher.is_alive()
    assert turns <= 2
