"""Sources of secrets: the protocol, and all configured mounts of one Vault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from .contract.mounts import Mount, mount_of
from .errors import SourceDenied, SourceError, SourceMissing, SourceSealed
from .model import Entry, Revision, SecretValue, Unreadable
from .sources.database import DatabaseMount
from .sources.kv1 import Kv1Mount
from .sources.kv2 import Kv2Mount
from .vault import Vault


class Source(Protocol):
    """Where secrets come from. Another secrets manager is added by writing this protocol.

    A source yields what it could not read as `Unreadable` and raises `SourceError` only where it can read
    nothing at all. Revisions of equal `source`, `version` and `created_time` have equal values for ever.
    """

    def list(self, sources: tuple[str, ...] | None = None) -> Iterable[Entry]:
        """Yield the metadata of everything, or only of the named `<mount>/<path>`s."""
        ...

    def fetch(self, revision: Revision) -> tuple[Revision, SecretValue]:
        """Return the value of *revision*, or of a later one that has replaced it, and which of them it is."""
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
                below = tuple(source for source in sources if mount_of(source, self._mounts) == mount)
                if not below:
                    continue
            try:
                yield from self._open(mount).list(below)
            except SourceSealed:
                raise
            except SourceError as error:
                yield Unreadable(f"{mount.path}/", error)
        for source in sources or ():
            if mount_of(source, self._mounts) is None:
                yield Unreadable(source, SourceMissing(f"{source} is not in a mount of BEANVAULT_MOUNT"))

    def fetch(self, revision: Revision) -> tuple[Revision, SecretValue]:
        mount = mount_of(revision.source, self._mounts)
        if mount is None:
            raise SourceMissing(f"{revision.source} is not in a mount of BEANVAULT_MOUNT")
        return self._open(mount).fetch(revision)

    def _open(self, mount: Mount) -> Source:
        if mount.path not in self._opened:
            self._opened[mount.path] = self._new(mount)
        return self._opened[mount.path]

    def _new(self, mount: Mount) -> Source:
        if mount.kind == "database":
            return DatabaseMount(self._vault, mount)
        # Any token with a right below a mount can read this.
        path = f"sys/internal/ui/mounts/{mount.path}"
        try:
            data = self._vault.read(path)
        except SourceDenied as error:
            # Vault answers the same where the mount does not exist.
            raise SourceDenied(
                f"Vault has no mount {mount.path}, or the policy grants nothing below it; correct "
                "BEANVAULT_MOUNT or the policy"
            ) from error
        if data.get("type") != "kv":
            raise SourceMissing(
                f"the mount {mount.path} is of type {data.get('type')}, not kv; correct BEANVAULT_MOUNT"
            )
        if (data.get("options") or {}).get("version") == "2":
            return Kv2Mount(self._vault, mount.path, self._now)
        return Kv1Mount(self._vault, mount.path, self._hash_key())
