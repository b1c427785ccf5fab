"""Sources of secrets, and the one that joins all configured mounts of a Vault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from .config import Mount
from .errors import SourceDenied, SourceError, SourceMissing, SourceSealed
from .model import Entry, Revision, SecretValue, Unreadable
from .sources.database import DatabaseMount
from .sources.kv1 import Kv1Mount
from .sources.kv2 import Kv2Mount
from .vault import Vault


class Source(Protocol):
    """Where secrets come from. Another secrets manager is added by writing this protocol.

    A source shows what it could not read as `Unreadable` and raises `SourceError` only where it can say
    nothing at all. Revisions of equal `source`, `version` and `created_time` hold equal values for ever.
    """

    def list(self, sources: tuple[str, ...] | None = None) -> Iterable[Entry]:
        """Yield the metadata of everything, or only of the named `<mount>/<path>`s."""
        ...

    def fetch(self, revision: Revision) -> tuple[Revision, SecretValue]:
        """Return the value of *revision*, or of a later one that has taken its place, and which it is."""
        ...


class VaultSource:
    """All configured mounts of one Vault; a mount that fails does not hide the others."""

    def __init__(
        self,
        vault: Vault,
        mounts: tuple[Mount, ...],
        now: Callable[[], float],
        hash_key: Callable[[], bytes],
    ) -> None:
        self._vault = vault
        self._mounts = mounts
        self._now = now
        self._hash_key = hash_key
        self._opened: dict[str, Source] = {}

    def list(self, sources: tuple[str, ...] | None = None) -> Iterator[Entry]:
        for mount in self._mounts:
            below = None
            if sources is not None:
                below = tuple(source for source in sources if self._mount_of(source) == mount)
                if not below:
                    continue
            try:
                yield from self._open(mount).list(below)
            except SourceSealed:
                raise
            except SourceError as error:
                yield Unreadable(f"{mount.path}/", error)
        for source in sources or ():
            if self._mount_of(source) is None:
                yield Unreadable(source, SourceMissing(f"{source} is in none of the configured mounts"))

    def fetch(self, revision: Revision) -> tuple[Revision, SecretValue]:
        mount = self._mount_of(revision.source)
        if mount is None:
            raise SourceMissing(f"{revision.source} is in none of the configured mounts")
        return self._open(mount).fetch(revision)

    def _mount_of(self, source: str) -> Mount | None:
        fitting = [mount for mount in self._mounts if source.startswith(f"{mount.path}/")]
        return max(fitting, key=lambda mount: len(mount.path), default=None)

    def _open(self, mount: Mount) -> Source:
        if mount.path not in self._opened:
            self._opened[mount.path] = self._new(mount)
        return self._opened[mount.path]

    def _new(self, mount: Mount) -> Source:
        if mount.kind == "database":
            return DatabaseMount(self._vault, mount)
        # Any token that may touch something below a mount may ask this.
        path = f"sys/internal/ui/mounts/{mount.path}"
        try:
            data = self._vault.read(path)
        except SourceDenied as error:
            # Vault answers the same for a mount that doesn't exist.
            raise SourceDenied(
                f"Vault shows no mount {mount.path}: it does not exist, or the policy grants nothing below it"
            ) from error
        if data.get("type") != "kv":
            raise SourceMissing(f"the mount {mount.path} is of type {data.get('type')}, not kv")
        if (data.get("options") or {}).get("version") == "2":
            return Kv2Mount(self._vault, mount.path, self._now)
        return Kv1Mount(self._vault, mount.path, self._hash_key())
