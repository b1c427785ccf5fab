"""What can go wrong with the database, by what the caller does next."""

from __future__ import annotations


class DatabaseError(Exception):
    """The root of what can go wrong with the database; messages hold no values of statements."""

    def __init__(self, message: str, version: str = "") -> None:
        super().__init__(message)
        self.version = version
        """Of the credential that was refused, if that was it."""


class LoginRefused(DatabaseError):
    """The database refused the login; a newer credential may be on its way."""


class DatabaseUnreachable(DatabaseError):
    """The database didn't answer; a later try may succeed."""


class LoginLost(DatabaseUnreachable):
    """The connection ended in the middle of the login, which says nothing of the next one."""


class DatabaseMisconfigured(DatabaseError):
    """The database answers, but not as it must; somebody has to repair that."""


class TooManyWaiting(DatabaseError):
    """As many requests work with the database, or wait for it, as may; this one should come back."""


class StatementFailed(DatabaseError):
    """The database took the connection and refused the work."""
