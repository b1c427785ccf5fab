"""The credential for a login, and the interface between the pool and the source of credentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol


class CredentialUnavailable(Exception):
    """There is no credential to log in with, not even an old one."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One login."""

    user: str
    version: str
    """Secrets Manager's version id; `token` if each connection has a token of its own."""
    password: bytes = field(repr=False)
    created: datetime | None = None
    """When this version was written to Secrets Manager."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """The change to the current credential, as this process observed it."""

    at: datetime
    """When this process read the current credential."""
    user: str
    version: str
    previous_user: str
    refused_at: datetime | None = None
    """When the database first refused the previous credential; None if it never did."""
    first_login: datetime | None = None
    waited: int = 0
    """Requests that waited for it."""

    @property
    def seconds_refused(self) -> float:
        """How long new connections were impossible."""
        end = self.first_login or self.at
        return (end - self.refused_at).total_seconds() if self.refused_at else 0.0


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the credential, without the credential."""

    state: Literal["current", "refused", "last good value", "unavailable"]
    reason: str = ""
    since: datetime | None = None


class Credentials(Protocol):
    """The source of the login for new connections; safe to use from all threads."""

    def current(self) -> Credential:
        """Return the login for a new connection.

        Raises:
            CredentialUnavailable: none has been read yet
        """

    def version(self) -> str:
        """Return the version that `current` would return, without a call; empty before the first read."""

    def record_accepted(self, credential: Credential) -> None:
        """Record that the database accepted *credential*."""

    def record_refused(self, credential: Credential) -> None:
        """Record that the database refused *credential*, and start reading until there is a newer one."""

    def wait_for_newer(self, version: str, seconds: float) -> None:
        """Return when there is another version than *version*, or after *seconds*.

        An empty *version* waits for the whole time.
        """

    def record_waiting(self) -> None:
        """Record that another request is waiting."""

    def health(self) -> Health: ...

    def rotation(self) -> Rotation | None:
        """Return the last rotation; None before the first."""
