"""Which audit records ask for what, and how a burst becomes one request."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from beanvault.listen.listener import MAX_PATHS, Burst, Intake, family, written
from beanvault.polling import PollingClock

MOUNTS = ("beanvault", "team/kv", "database")


def record(path: str, operation: str = "update", **more: Any) -> dict[str, Any]:
    request = {"operation": operation, "path": path} | more.pop("request", {})
    return {"type": "response", "request": request} | more


KV1: dict[str, Any] = {"request": {"mount_type": "kv"}}
ENGINE: dict[str, Any] = {"request": {"mount_type": "database"}}


@pytest.mark.parametrize(
    ("given", "source"),
    [
        (record("beanvault/data/app/database"), "beanvault/app/database"),
        (record("beanvault/data/app/database", "create"), "beanvault/app/database"),
        (record("beanvault/data/app/database", "patch"), "beanvault/app/database"),
        (record("beanvault/metadata/app/database", "delete"), "beanvault/app/database"),
        (record("beanvault/undelete/app/database"), "beanvault/app/database"),
        (record("team/kv/data/a"), "team/kv/a"),
        (record("team/kv/a/b", **KV1), "team/kv/a/b"),
        (record("database/rotate-role/app-blue", **ENGINE), "database/app-blue"),
        (record("database/config/db", **ENGINE), None),
        (record("beanvault/data/app/database", "read"), None),
        (record("beanvault/metadata/app/", "list"), None),
        (record("beanvault/config"), None),
        (record("beanvault/data/"), None),
        (record("beanvaulted/data/app"), None),
        (record("sys/policies/acl/x"), None),
        (record("beanvault/data/app", error="permission denied"), None),
        ({"type": "request", "request": {"operation": "update", "path": "beanvault/data/app"}}, None),
        ({"type": "response"}, None),
        ({}, None),
    ],
)
def test_a_successful_write_below_a_mount_names_its_path(given: dict[str, Any], source: str | None) -> None:
    assert written(given, MOUNTS) == source


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def clock(self) -> PollingClock:
        return PollingClock(lambda: self.at, lambda _: None)


def test_a_burst_is_due_when_it_has_been_quiet() -> None:
    time = Time()
    burst = Burst(lambda _: None, quiet=0.3, longest=2, clock=time.clock())
    assert burst.due() is None
    burst.add("beanvault/a")
    assert burst.due() == pytest.approx(0.3)
    time.at = 0.2
    burst.add("beanvault/b")
    assert burst.due() == pytest.approx(0.3)
    time.at = 0.6
    assert burst.due() == 0
    assert burst.take() == ["beanvault/a", "beanvault/b"]
    assert burst.due() is None


def test_a_burst_that_never_ends_is_due_all_the_same() -> None:
    time = Time()
    burst = Burst(lambda _: None, quiet=0.3, longest=2, clock=time.clock())
    for tick in range(30):
        time.at = tick / 10
        burst.add("beanvault/a")
    assert burst.due() == 0
    assert burst.take() == ["beanvault/a"]


def test_too_many_paths_become_everything() -> None:
    burst = Burst(lambda _: None)
    for number in range(MAX_PATHS + 1):
        burst.add(f"beanvault/{number}")
    assert burst.take() == []


def test_paths_that_are_too_long_for_one_event_become_everything() -> None:
    burst = Burst(lambda _: None)
    for number in range(MAX_PATHS):
        burst.add(f"beanvault/{number}/" + "é" * 500)
    assert burst.take() == []


def test_a_record_that_is_nested_too_deeply_becomes_everything() -> None:
    """Somebody may have written such a value, and Vault records it whole."""
    burst = Burst(lambda _: None)
    Intake(MOUNTS, burst).lines(b"[" * 100_000 + b"\n" + json.dumps(record("beanvault/data/x")).encode())
    assert burst.due() is not None
    assert burst.take() == []


def test_lines_that_are_no_records_are_skipped() -> None:
    burst = Burst(lambda _: None)
    lines = [b"", b"not json", b"[]", b'"text"', json.dumps(record("beanvault/data/x")).encode(), b"\xff\xfe"]
    Intake(MOUNTS, burst).lines(b"\n".join(lines))
    assert burst.take() == ["beanvault/x"]


def test_the_other_loopback_is_of_another_family() -> None:
    assert family(("::1", 8250)) == socket.AF_INET6
    assert family(("localhost", 8250)) == family(("127.0.0.1", 8250)) == socket.AF_INET


def test_a_failure_to_publish_is_survived() -> None:
    """The records of that burst are made up for by the schedule; those after it are published."""
    published: list[list[str]] = []

    def publish(paths: list[str]) -> None:
        if paths == ["beanvault/lost"]:
            raise OSError("no network")
        published.append(paths)
        burst.end()

    burst = Burst(publish, quiet=0)
    burst.add("beanvault/lost")
    burst._flush()
    burst.add("beanvault/next")
    burst.run()
    assert published == [["beanvault/next"]]
