"""The error class of a failed login says what to do about it."""

from __future__ import annotations

import pymysql
import pytest

from eb_app.credentials import Credential
from eb_app.database_login import DatabaseServer, explain
from eb_app.errors import DatabaseMisconfigured, DatabaseUnreachable, LoginLost, LoginRefused

CANARY = "canary-77f1"
CREDENTIAL = Credential("app_blue", "version-1", CANARY.encode())
SERVER = DatabaseServer("db.example", 3307, "app")


@pytest.mark.parametrize("number", [1045, 1130, 1862, 3118, 4151])
def test_a_newer_credential_can_resolve_a_refused_login(number: int) -> None:
    """Wrong password, dropped, expired or locked user: the error names user, version and server."""
    error = explain(pymysql.OperationalError(number, "denied"), CREDENTIAL, SERVER)
    assert isinstance(error, LoginRefused)
    assert error.version == "version-1"
    assert "db.example:3307 refuses app_blue with version version-1" in str(error)


@pytest.mark.parametrize("number", [1044, 1049, 2026])
def test_a_missing_schema_or_missing_tls_is_a_wrong_configuration(number: int) -> None:
    """A newer credential would not help, so none is requested."""
    error = explain(pymysql.OperationalError(number, "no"), CREDENTIAL, SERVER)
    assert type(error) is DatabaseMisconfigured


@pytest.mark.parametrize("number", [1927, 2006, 2013])
def test_after_a_connection_that_ended_during_the_login_the_next_can_succeed(number: int) -> None:
    """Killed, gone away, lost."""
    error = explain(pymysql.OperationalError(number, "no"), CREDENTIAL, SERVER)
    assert type(error) is LoginLost


def test_a_time_out_is_not_retried_at_once() -> None:
    """PyMySQL has one error number for a lost connection and for a time-out."""
    error = pymysql.OperationalError(2013, "no")
    error.__context__ = TimeoutError("timed out")
    assert type(explain(error, CREDENTIAL, SERVER)) is DatabaseUnreachable


@pytest.mark.parametrize("number", [1040, 2003])
def test_a_later_attempt_can_succeed_after_any_other_error(number: int) -> None:
    """Too many connections, or no server."""
    error = explain(pymysql.OperationalError(number, "no"), CREDENTIAL, SERVER)
    assert type(error) is DatabaseUnreachable


def test_an_ipv6_address_is_printed_in_brackets() -> None:
    assert str(DatabaseServer("2001:db8::1", 3307, "app")) == "[2001:db8::1]:3307"


def test_no_error_and_no_repr_contains_the_password() -> None:
    """Neither the error nor the credential contains it."""
    errors = [
        explain(pymysql.OperationalError(number, "no"), CREDENTIAL, SERVER) for number in (1045, 1049, 2003)
    ]
    assert CANARY not in repr([CREDENTIAL, *errors, *map(str, errors)])
