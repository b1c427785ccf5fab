"""Which audit records request the replication of which path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beanvault.listen.audit_records import AuditReader, written_source
from beanvault.listen.write_batcher import WriteBatcher

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
    assert written_source(given, MOUNTS) == source


def requested(lines: bytes) -> list[list[str]]:
    """Return the replication requests that these lines lead to."""
    published: list[list[str]] = []
    batcher = WriteBatcher(published.append)
    AuditReader(MOUNTS, batcher).read_lines(lines)
    batcher.end()
    batcher.run()
    return published


def test_a_record_that_is_nested_too_deeply_requests_every_path() -> None:
    """A client can write such a value, and Vault records the whole of it."""
    assert requested(b"[" * 100_000 + b"\n" + json.dumps(record("beanvault/data/x")).encode()) == [[]]


def test_lines_that_are_not_records_are_skipped() -> None:
    lines = [b"", b"not json", b"[]", b'"text"', json.dumps(record("beanvault/data/x")).encode(), b"\xff\xfe"]
    assert requested(b"\n".join(lines)) == [["beanvault/x"]]


def test_nothing_is_requested_without_a_write() -> None:
    assert requested(json.dumps(record("beanvault/data/x", "read")).encode()) == []
