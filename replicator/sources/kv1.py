"""KV version 1: it has no versions, so a write is identified by a keyed hash of its value."""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TypeAlias

from ..concurrency import concurrently
from ..errors import PathNotFound, SourceChanged, SourceError
from ..model import Absent, Entry, Revision, SecretValue, Unreadable
from ..value import canonical
from ..vault import Vault

WORKERS = 32

Keys: TypeAlias = tuple[str, ...]


class Kv1Mount:
    """A mount of KV version 1.

    There is no metadata, so listing reads each value, hashes it and drops it. Everybody with `DescribeSecret`
    can read the hash; it is keyed so that a guess at the value can't be verified with it.
    """

    def __init__(self, vault: Vault, mount: str, hash_key: bytes) -> None:
        self._vault = vault
        self._mount = mount
        self._hash_key = hash_key

    def list(self, sources: tuple[str, ...] | None = None) -> Iterator[Entry]:
        if sources is not None:
            paths = deque(source.removeprefix(f"{self._mount}/") for source in sources)
        else:
            paths = deque()
            folders: deque[str] = deque()
            for found in chain((self._keys(""),), concurrently(self._attempt, folders, WORKERS)):
                if isinstance(found, Unreadable):
                    yield found
                    continue
                for key in found:
                    (folders if key.endswith("/") else paths).append(key)
        yield from concurrently(self._entry, paths, WORKERS)

    def fetch(self, revision: Revision) -> tuple[Revision, SecretValue]:
        path = revision.source.removeprefix(f"{self._mount}/")
        try:
            data = self._vault.read(f"{self._mount}/{path}")
        except PathNotFound as error:
            raise SourceChanged(f"{revision.source} was deleted while the run was under way") from error
        return self._revision(revision.source, data), SecretValue(data)

    def _attempt(self, folder: str) -> Keys | Unreadable:
        try:
            return self._keys(folder)
        except SourceError as error:
            return Unreadable(f"{self._mount}/{folder}", error)

    def _keys(self, folder: str) -> Keys:
        return tuple(folder + key for key in self._vault.list(f"{self._mount}/{folder}")["keys"])

    def _entry(self, path: str) -> Entry:
        source = f"{self._mount}/{path}"
        try:
            return self._revision(source, self._vault.read(f"{self._mount}/{path}"))
        except PathNotFound:
            return Absent(source, "there is no such path in Vault")
        except SourceError as error:
            return Unreadable(source, error)

    def _revision(self, source: str, data: Mapping[str, object]) -> Revision:
        mark = hmac.new(self._hash_key, f"{source}\0{canonical(data)}".encode(), hashlib.sha256)
        return Revision(source, 0, mark.hexdigest()[:32])
