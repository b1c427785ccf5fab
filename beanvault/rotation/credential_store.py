"""The credential in Vault: one path of a KV version 2 mount, read and written with check-and-set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import hvac
from hvac import exceptions as hvac_errors

from replicator.desired import is_beanvault_key
from replicator.model import Revision

from ..errors import BeanvaultError, Refused
from ..vault.answers import Answer
from ..vault.errors import VaultError, explained
from .credential import DatabaseCredential


class CredentialDeleted(Refused):
    """The newest version is deleted, so the credential that the app uses is unknown."""


class ConcurrentWrite(BeanvaultError):
    """Another writer changed the credential during the rotation; their version is kept."""


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """The newest version in Vault."""

    revision: Revision
    data: Mapping[str, object] = field(repr=False)

    @property
    def credential(self) -> DatabaseCredential:
        """The user and password in it.

        Raises:
            VaultError: `username` or `password` is missing or is not a string
        """
        username, password = self.data.get("username"), self.data.get("password")
        if not (isinstance(username, str) and isinstance(password, str) and username and password):
            raise VaultError(
                f"{self.revision.source} has no username or no password",
                "write both keys, each with a string",
            )
        return DatabaseCredential(username, password)


@dataclass(frozen=True, slots=True)
class CredentialStore:
    """A path of a KV version 2 mount."""

    client: hvac.Client
    mount: str
    path: str

    @property
    def source(self) -> str:
        """`<mount>/<path>`, as the replicator names it."""
        return f"{self.mount}/{self.path}"

    def read(self) -> StoredCredential | None:
        """Return the newest version; None where nothing has been written yet.

        Raises:
            CredentialDeleted: the newest version is deleted, and its replica may still be in use
        """
        with explained(f"a read of {self.source}"):
            try:
                raw = self.client.secrets.kv.v2.read_secret_version(
                    self.path, mount_point=self.mount, raise_on_deleted_version=True
                )
            except hvac_errors.InvalidPath:
                raw = None
        if raw is None:
            self._require_unwritten()
            return None
        answer = Answer.of(raw, f"a read of {self.source}")
        return StoredCredential(self._revision(answer.part("metadata")), answer.part("data").fields)

    def write(self, data: Mapping[str, object], version: int) -> StoredCredential:
        """Write *data* if the newest version is still *version* (0: there is none).

        Raises:
            ConcurrentWrite: another writer was first
        """
        kv = self.client.secrets.kv.v2
        with explained(f"a write to {self.source}"):
            try:
                kv.create_or_update_secret(self.path, dict(data), cas=version, mount_point=self.mount)
            except hvac_errors.InvalidRequest as error:
                if "check-and-set" in str(error):
                    raise ConcurrentWrite(
                        f"{self.source} was written by another client during the rotation",
                        "check that version, then run the same command again",
                    ) from None
                raise
        stored = self.read()
        if stored is None or stored.data != data:
            raise ConcurrentWrite(
                f"{self.source} was written by another client right after the rotation", "check that version"
            )
        return stored

    def _require_unwritten(self) -> None:
        with explained(f"the metadata of {self.source}"):
            try:
                raw = self.client.secrets.kv.v2.read_secret_metadata(self.path, mount_point=self.mount)
            except hvac_errors.InvalidPath:
                return
        if newest := Answer.of(raw, f"the metadata of {self.source}").number("current_version"):
            raise CredentialDeleted(
                f"version {newest} of {self.source}, the newest, is deleted, and may still be in use",
                f"undelete it: vault kv undelete -mount={self.mount} -versions={newest} {self.path}; "
                "if it is destroyed, write a credential that works",
            )

    def _revision(self, metadata: Answer) -> Revision:
        custom = metadata.text_map("custom_metadata")
        choices = tuple(sorted((key, value) for key, value in custom.items() if is_beanvault_key(key)))
        return Revision(self.source, metadata.number("version"), metadata.text("created_time"), choices)
