"""Vault's audit records: finding the replicated path that a record reports as written.

https://developer.hashicorp.com/vault/docs/audit, https://openbao.org/docs/audit/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .write_batcher import WriteBatcher

MAX_RECORD_BYTES = 1 << 20
"""A longer record is not parsed: every path is requested, unless its first bytes show that it is no write."""
WRITES = frozenset({"create", "update", "patch", "delete"})
KV2_ENDPOINTS = frozenset({"data", "metadata", "delete", "undelete", "destroy"})
OPERATION = re.compile(rb'"operation":\s*"(\w+)"')


def written_source(record: Mapping[str, Any], mounts: Iterable[str]) -> str | None:
    """Return the source (`<mount>/<path>`) that an audit record reports as written, or None.

    Only successful responses count: Vault writes a request's record before it has decided about it.
    """
    request = record.get("request")
    if record.get("type") != "response" or record.get("error") or not isinstance(request, Mapping):
        return None
    if request.get("operation") not in WRITES:
        return None
    path = str(request.get("path", ""))
    mount = next(
        (name for name in sorted(mounts, key=len, reverse=True) if path.startswith(f"{name}/")), None
    )
    if mount is None:
        return None
    below = path.removeprefix(f"{mount}/")
    endpoint, _, rest = below.partition("/")
    if request.get("mount_type") == "database":
        return f"{mount}/{rest}" if endpoint in ("rotate-role", "static-roles") and rest else None
    if endpoint in KV2_ENDPOINTS and rest:
        # A version 1 mount can have a folder called `data`. A request for a path that doesn't exist is
        # harmless.
        return f"{mount}/{rest}"
    return None if endpoint in KV2_ENDPOINTS or below == "config" else f"{mount}/{below}"


@dataclass(frozen=True, slots=True)
class AuditReader:
    """Parses the records that an audit device sends and adds the written paths to the batcher."""

    mounts: tuple[str, ...]
    batcher: WriteBatcher

    def read_lines(self, text: bytes) -> None:
        """Parse JSON objects, one per line; skip any other line."""
        for line in text.splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            except RecursionError:  # a value can be nested that deeply, and Vault records the whole of it
                self.batcher.add(None)
                continue
            if isinstance(record, Mapping) and (source := written_source(record, self.mounts)):
                self.batcher.add(source)

    def read_truncated(self, head: bytes) -> None:
        """Judge a record that is too long to parse by its first bytes.

        The response to a LIST of a large folder is that long, and every full run causes one: if it triggered
        a request for every path, runs would trigger each other for ever.
        """
        operation = OPERATION.search(head)
        if operation is None or operation[1].decode() in WRITES:
            self.batcher.add(None)
