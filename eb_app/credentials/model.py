"""What a login is, and what the database's side asks of whoever knows it."""

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
    """Secrets Manager's version id; `token` where each connection has its own."""
    password: bytes = field(repr=False)
    created: datetime | None = None
    """When this version was written to Secrets Manager."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """How the change to the credential held now went for this process."""

    at: datetime
    """When this process learned of it."""
    user: str
    version: str
    previous_user: str
    refused_at: datetime | None = None
    """When the database first refused the previous credential; None: it never did."""
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
    """What to say about the credential without saying the credential."""

    state: Literal["current", "refused", "last good value", "unavailable"]
    reason: str = ""
    since: datetime | None = None


class Credentials(Protocol):
    """Where new connections get their login from; safe to use from all threads."""

    def current(self) -> Credential:
        """Return the login for a new connection.

        Raises:
            CredentialUnavailable: there has been none yet
        """

    def version(self) -> str:
        """Return the version that `current` would return, at no cost; empty before the first."""

    def accepted(self, credential: Credential) -> None:
        """Hear that the database let *credential* in."""

    def refused(self, credential: Credential) -> None:
        """Hear that the database refused *credential*; begin to look for a newer one."""

    def wait(self, than: str, seconds: float) -> None:
        """Return after *seconds*, or as soon as there is another version than *than* (empty: don't mind)."""

    def waiting(self) -> None:
        """Hear that one more request has begun to wait."""

    def health(self) -> Health: ...

    def rotation(self) -> Rotation | None:
        """Return how the last rotation went; None before the first."""
