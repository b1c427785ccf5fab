"""Where the credential is published: one path of a KV v2 mount in Vault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import hvac
from hvac import exceptions as hvac_errors

from replicator.desired import is_beanvault_key
from replicator.model import Revision

from ..errors import BeanvaultError, Refused
from ..vault.errors import VaultError, explained
from .credential import DatabaseCredential


class Deleted(Refused):
    """The newest version is deleted, so nobody can tell which credential the app uses."""


class Overtaken(BeanvaultError):
    """Somebody else wrote the credential meanwhile; what they wrote stays."""


@dataclass(frozen=True, slots=True)
class Published:
    """What Vault holds at this moment."""

    revision: Revision
    data: Mapping[str, str] = field(repr=False)

    @property
    def credential(self) -> DatabaseCredential:
        """The user and password in it.

        Raises:
            VaultError: it lacks `username` or `password`
        """
        missing = [key for key in ("username", "password") if not self.data.get(key)]
        if missing:
            raise VaultError(
                f"{self.revision.source} lacks {', '.join(missing)}",
                "write both keys",
            )
        return DatabaseCredential(self.data["username"], self.data["password"])


@dataclass(frozen=True, slots=True)
class CredentialPath:
    """A path below a KV v2 mount."""

    client: hvac.Client
    mount: str
    path: str

    @property
    def source(self) -> str:
        """`<mount>/<path>`, as the replicator names it."""
        return f"{self.mount}/{self.path}"

    def read(self) -> Published | None:
        """Return what is there; nothing where nobody wrote yet.

        Raises:
            Deleted: the newest version is; what was replicated of it may still be in use
        """
        with explained(f"a read of {self.source}"):
            try:
                answer = self.client.secrets.kv.v2.read_secret_version(
                    self.path, mount_point=self.mount, raise_on_deleted_version=True
                )["data"]
            except hvac_errors.InvalidPath:
                answer = None
        if answer is None:
            self._require_unwritten()
            return None
        return Published(self._revision(answer["metadata"]), answer["data"])

    def write(self, data: Mapping[str, str], after: int) -> Published:
        """Write *data* if the newest version is still *after* (0: there is none).

        Raises:
            Overtaken: it isn't
        """
        kv = self.client.secrets.kv.v2
        with explained(f"a write to {self.source}"):
            try:
                kv.create_or_update_secret(self.path, dict(data), cas=after, mount_point=self.mount)
            except hvac_errors.InvalidRequest as error:
                if "check-and-set" in str(error):
                    raise Overtaken(
                        f"somebody wrote {self.source} while it was being rotated",
                        "look at what they wrote, then try again",
                    ) from None
                raise
        published = self.read()
        if published is None or published.data != data:
            raise Overtaken(
                f"somebody wrote {self.source} right after it was rotated", "look at what they wrote"
            )
        return published

    def _require_unwritten(self) -> None:
        with explained(f"the metadata of {self.source}"):
            try:
                answer = self.client.secrets.kv.v2.read_secret_metadata(self.path, mount_point=self.mount)
            except hvac_errors.InvalidPath:
                return
        if newest := int(answer["data"]["current_version"]):
            raise Deleted(
                f"version {newest} of {self.source}, the newest, is deleted, and may still be in use",
                f"undelete it: vault kv undelete -mount={self.mount} -versions={newest} {self.path}; "
                "if it is destroyed, write a credential that works",
            )

    def _revision(self, metadata: Mapping[str, object]) -> Revision:
        custom = metadata.get("custom_metadata") or {}
        assert isinstance(custom, Mapping)  # noqa: S101 - Vault's own schema
        choices = tuple(sorted((key, value) for key, value in custom.items() if is_beanvault_key(key)))
        return Revision(self.source, int(str(metadata["version"])), str(metadata["created_time"]), choices)
