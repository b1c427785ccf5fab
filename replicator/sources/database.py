"""Static roles of the database engine: the last rotation is the revision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from ..concurrency import concurrently
from ..contract.mounts import Mount
from ..errors import PathNotFound, SourceChanged, SourceError, ValueRefused
from ..model import Absent, Entry, Revision, SecretValue, Unreadable
from ..value import Number
from ..vault import Vault

WORKERS = 32


class DatabaseMount:
    """The static roles of one mount of the database engine.

    Listing needs no right on `static-creds`. The value has the shape that RDS Proxy and the AWS clients read:
    `username`, `password`, and what the mount's settings add.
    """

    def __init__(self, vault: Vault, mount: Mount) -> None:
        self._vault = vault
        self._mount = mount.path
        self._adds = {key: Number(value) if key == "port" else value for key, value in mount.adds}
        self._shape = urlencode(mount.adds)

    def list(self, sources: tuple[str, ...] | None = None) -> Iterator[Entry]:
        if sources is not None:
            roles = [source.removeprefix(f"{self._mount}/") for source in sources]
        else:
            roles = self._vault.list(f"{self._mount}/static-roles")["keys"]
        yield from concurrently(self._entry, roles, WORKERS)

    def fetch(self, revision: Revision) -> tuple[Revision, SecretValue]:
        role = revision.source.removeprefix(f"{self._mount}/")
        try:
            data = self._vault.read(f"{self._mount}/static-creds/{role}")
        except PathNotFound as error:
            raise SourceChanged(f"{revision.source} was deleted while the run was under way") from error
        try:
            login = {"username": data["username"], "password": data["password"]}
        except KeyError:
            raise ValueRefused(
                f"{revision.source} has no user name and password; roles of other credential types (keys, "
                "certificates) are not replicated"
            ) from None
        return self._revision(revision.source, data), SecretValue({**self._adds, **login})

    def _entry(self, role: str) -> Entry:
        source = f"{self._mount}/{role}"
        try:
            data = self._vault.read(f"{self._mount}/static-roles/{role}")
        except PathNotFound:
            return Absent(source, "there is no such static role in Vault")
        except SourceError as error:
            return Unreadable(source, error)
        if not data.get("last_vault_rotation"):
            return Absent(source, "its password was never rotated by Vault")
        return self._revision(source, data)

    def _revision(self, source: str, data: dict[str, Any]) -> Revision:
        return Revision(source, 0, str(data["last_vault_rotation"]), shape=self._shape)
