"""Errors of the command line, by what the operator does next."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The command's exit status; stable, so that scripts can rely on it."""

    OK = 0
    FAILED = 1
    """It failed or was refused (a failed check, an unconfirmed replacement)."""
    USAGE = 2
    """The command line or the deployment file is wrong; nothing was tried."""
    DENIED = 3
    """Credentials are missing, expired, or not allowed to do this."""
    UNREACHABLE = 4
    """AWS, Vault or the database didn't answer; trying again later may succeed."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM; the same command continues from where it stopped."""


class BeanvaultError(Exception):
    """The base of all errors reported to the operator; never raised itself.

    The message says what happened to what, *remedy* what to do next. Neither contains a secret value.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class ConfigurationError(BeanvaultError):
    """The deployment file, an option or an input file is wrong; nothing was tried."""

    exit_code = ExitCode.USAGE


class Refused(BeanvaultError):
    """The step would have lost data or was not confirmed; it changed nothing."""


class Denied(BeanvaultError):
    """Credentials are missing, expired, or not allowed to do this; a retry doesn't help."""

    exit_code = ExitCode.DENIED


class Unreachable(BeanvaultError):
    """A service didn't answer within its time; a later try may succeed."""

    exit_code = ExitCode.UNREACHABLE


class TimedOut(Unreachable):
    """A service accepted a request, but its result did not appear within the time limit."""
