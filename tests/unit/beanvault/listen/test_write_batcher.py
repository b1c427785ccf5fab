"""How the writes of a burst become one replication request."""

from __future__ import annotations

import threading
import time

import pytest

from beanvault.listen.write_batcher import MAX_BATCH_SECONDS, MAX_PATHS, QUIET_SECONDS, WriteBatcher
from beanvault.polling import PollingClock
from tests.interleaving import HookedLock


class ManualTime:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> PollingClock:
        return PollingClock(lambda: self.now, lambda _: None)


def test_a_batch_is_due_after_a_quiet_time() -> None:
    manual = ManualTime()
    batcher = WriteBatcher(lambda _: None, manual.clock())
    assert batcher.seconds_until_due() is None
    batcher.add("beanvault/a")
    assert batcher.seconds_until_due() == pytest.approx(QUIET_SECONDS)
    manual.now = QUIET_SECONDS - 0.1
    batcher.add("beanvault/b")
    assert batcher.seconds_until_due() == pytest.approx(QUIET_SECONDS)
    manual.now = 2 * QUIET_SECONDS
    assert batcher.seconds_until_due() == 0
    assert batcher.take() == ["beanvault/a", "beanvault/b"]
    assert batcher.seconds_until_due() is None


def test_a_batch_is_due_after_a_maximum_time_while_writes_go_on() -> None:
    manual = ManualTime()
    batcher = WriteBatcher(lambda _: None, manual.clock())
    for tick in range(int(MAX_BATCH_SECONDS * 10) + 1):
        manual.now = tick / 10
        batcher.add("beanvault/a")
    assert batcher.seconds_until_due() == 0
    assert batcher.take() == ["beanvault/a"]


def test_too_many_paths_become_a_request_for_every_path() -> None:
    batcher = WriteBatcher(lambda _: None)
    for number in range(MAX_PATHS + 1):
        batcher.add(f"beanvault/{number}")
    assert batcher.take() == []


def test_paths_that_are_too_long_for_one_event_become_a_request_for_every_path() -> None:
    batcher = WriteBatcher(lambda _: None)
    for number in range(MAX_PATHS):
        batcher.add(f"beanvault/{number}/" + "é" * 500)
    assert batcher.take() == []


def test_a_request_for_every_path_ends_with_its_batch() -> None:
    batcher = WriteBatcher(lambda _: None)
    batcher.add("beanvault/a")
    batcher.add_everything()
    assert batcher.take() == []
    assert batcher.seconds_until_due() is None
    batcher.add("beanvault/b")
    assert batcher.take() == ["beanvault/b"]


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
