"""Errors of the command line, by what the operator does next."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """The command's exit status; stable, so that scripts can rely on it."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "done"
    FAILED = 1, "failed or refused"
    USAGE = 2, "the command line or the deployment file is wrong; nothing was changed"
    DENIED = 3, "credentials are missing, expired or lack a permission"
    UNREACHABLE = 4, "AWS, Vault or the database didn't answer; try again later"
    INTERRUPTED = 130, "interrupted; run the same command again to resume"


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
