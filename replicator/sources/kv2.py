"""KV version 2: folders to any depth, metadata without values."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from ..concurrency import concurrently
from ..desired import is_beanvault_key
from ..errors import PathNotFound, SourceChanged, SourceDenied, SourceError, SourceMissing, SourceUnavailable
from ..model import Absent, Entry, Revision, SecretValue, Unreadable
from ..timestamps import parse_nanoseconds
from ..vault import Vault

WORKERS = 32
PAGE = 10_000
"""OpenBao sorts the whole folder for each page: pages are large, or there are none."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The content of one folder; *paths* are those whose metadata is still to be read."""

    entries: list[Entry] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


class Kv2Mount:
    """A mount of KV version 2."""

    def __init__(self, vault: Vault, mount: str, now: Callable[[], float], page: int = PAGE) -> None:
        self._page = page
        self._vault = vault
        self._mount = mount
        self._now = now

    def list(self, sources: tuple[str, ...] | None = None) -> Iterator[Entry]:
        """Yield metadata: folder by folder where OpenBao's detailed listing answers, else path by path."""
        if sources is not None:
            paths = [source.removeprefix(f"{self._mount}/") for source in sources]
            yield from concurrently(self._metadata, paths, WORKERS)
            return
        try:
            root = self._detailed_folder("")
        except (SourceDenied, SourceMissing):
            # HashiCorp Vault has no such listing, or the policy doesn't grant it.
            yield from self._walk(self._plain_folder, self._plain_folder(""))
            return
        if root == Folder():
            yield from self._walk(self._plain_folder, self._confirmed_empty())
            return
        yield from self._walk(self._detailed_folder, root)

    def _confirmed_empty(self) -> Folder:
        """List a mount that seems empty in the way that every Vault supports, where that is granted.

        A mount that is taken for empty by mistake looks as if all its paths were deleted.
        """
        try:
            return self._plain_folder("")
        except SourceDenied:
            return Folder()

    def fetch(self, revision: Revision) -> tuple[Revision, SecretValue]:
        path = revision.source.removeprefix(f"{self._mount}/")
        try:
            answer = self._vault.read(f"{self._mount}/data/{path}")
        except PathNotFound as error:
            raise SourceChanged(f"{revision.source} was deleted while the run was under way") from error
        try:
            data, metadata = answer["data"], answer["metadata"]
            version, created_time = int(metadata["version"]), str(metadata["created_time"])
            older = parse_nanoseconds(created_time) < parse_nanoseconds(revision.created_time)
        except (KeyError, TypeError, ValueError):
            raise SourceUnavailable(
                f"Vault's answer for {revision.source} is not one of KV version 2"
            ) from None
        if older:
            # A standby that lags behind; its version would undo a newer write.
            raise SourceUnavailable(
                f"Vault returned an older version of {revision.source} than a moment ago; "
                "the next run tries again"
            )
        found = Revision(revision.source, version, created_time, revision.custom, revision.shape)
        return found, SecretValue(data or {})

    def _walk(self, read: Callable[[str], Folder], root: Folder) -> Iterator[Entry]:
        folders: deque[str] = deque()
        paths: deque[str] = deque()

        def attempt(folder: str) -> Folder:
            try:
                return read(folder)
            except SourceError as error:
                return Folder([Unreadable(f"{self._mount}/{folder}", error)])

        for found in chain((root,), concurrently(attempt, folders, WORKERS)):
            folders.extend(found.folders)
            paths.extend(found.paths)
            yield from found.entries
        yield from concurrently(self._metadata, paths, WORKERS)

    def _detailed_folder(self, folder: str) -> Folder:
        """Read *folder* (empty, or ending in `/`) with the metadata of all its paths."""
        found = Folder()
        params = {"limit": str(self._page)}
        while True:
            data = self._vault.list(f"{self._mount}/detailed-metadata/{folder}", params)
            keys = data["keys"]
            details = data.get("key_info") or {}
            for key in keys:
                if key.endswith("/"):
                    found.folders.append(folder + key)
                else:
                    found.entries.append(self._entry(folder + key, details.get(key)))
            if len(keys) < self._page:
                return found
            params["after"] = keys[-1]

    def _plain_folder(self, folder: str) -> Folder:
        keys = self._vault.list(f"{self._mount}/metadata/{folder}")["keys"]
        folders = [folder + key for key in keys if key.endswith("/")]
        paths = [folder + key for key in keys if not key.endswith("/")]
        return Folder(folders=folders, paths=paths)

    def _metadata(self, path: str) -> Entry:
        source = f"{self._mount}/{path}"
        try:
            return self._entry(path, self._vault.read(f"{self._mount}/metadata/{path}"))
        except PathNotFound:
            return Absent(source, "there is no such path in Vault")
        except SourceError as error:
            return Unreadable(source, error)

    def _entry(self, path: str, metadata: Any) -> Entry:
        source = f"{self._mount}/{path}"
        try:
            return self._read_metadata(source, metadata)
        except (KeyError, TypeError, ValueError, AttributeError):
            return Unreadable(
                source, SourceUnavailable(f"Vault's answer for {source} is not one of KV version 2")
            )

    def _read_metadata(self, source: str, metadata: Mapping[str, Any]) -> Entry:
        current = str(metadata["current_version"])
        if current == "0":
            return Absent(source, "it has no version yet")
        version = metadata["versions"][current]
        if version["destroyed"]:
            return Absent(source, f"its current version {current} is destroyed")
        deleted = version["deletion_time"]
        # delete_version_after sets a deletion time in the future: live until then.
        if deleted and parse_nanoseconds(deleted) <= self._now() * 1e9:
            return Absent(source, f"its current version {current} is deleted")
        return Revision(source, int(current), version["created_time"], _custom(metadata))


def _custom(metadata: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs: Iterable[tuple[str, str]] = (metadata.get("custom_metadata") or {}).items()
    return tuple(sorted((key, value) for key, value in pairs if is_beanvault_key(key)))
