"""Errors of the database, by what the caller does next."""

from __future__ import annotations


class DatabaseError(Exception):
    """The root of the database's errors; messages contain no values of statements."""

    def __init__(self, message: str, version: str = "") -> None:
        super().__init__(message)
        self.version = version
        """The version of the refused credential; empty for other errors."""


class LoginRefused(DatabaseError):
    """The database refused the login; a newer credential can arrive at any moment."""


class DatabaseUnreachable(DatabaseError):
    """The database didn't answer; a later attempt can succeed."""


class LoginLost(DatabaseUnreachable):
    """The connection ended during the login; the next login can succeed at once."""


class DatabaseMisconfigured(DatabaseError):
    """The database answers, but its configuration has to be corrected."""


class TooManyWaiting(DatabaseError):
    """The maximum number of requests use the database or wait for it; the client should retry."""


class StatementFailed(DatabaseError):
    """The database refused a statement."""
