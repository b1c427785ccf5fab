"""What a refused login means is told by the error, and told apart."""

from __future__ import annotations

import pymysql
import pytest

from eb_app.credentials import Credential
from eb_app.errors import DatabaseMisconfigured, DatabaseUnreachable, LoginLost, LoginRefused
from eb_app.login import DatabaseServer, explain

CANARY = "canary-77f1"
CREDENTIAL = Credential("app_blue", "version-1", CANARY.encode())
SERVER = DatabaseServer("db.example", 3307, "app")


@pytest.mark.parametrize("number", [1045, 1130, 1862, 3118, 4151])
def test_a_newer_credential_may_cure_a_refused_login(number: int) -> None:
    """Wrong password, dropped, expired or locked user: the error names user, version and server."""
    told = explain(pymysql.OperationalError(number, "denied"), CREDENTIAL, SERVER)
    assert isinstance(told, LoginRefused)
    assert told.version == "version-1"
    assert "db.example:3307 refuses app_blue with version version-1" in str(told)


@pytest.mark.parametrize("number", [1044, 1049, 2026])
def test_a_missing_schema_or_missing_tls_needs_a_person(number: int) -> None:
    """No credential helps there, so none is asked for."""
    told = explain(pymysql.OperationalError(number, "no"), CREDENTIAL, SERVER)
    assert type(told) is DatabaseMisconfigured


@pytest.mark.parametrize("number", [1927, 2006, 2013])
def test_a_connection_that_ended_during_the_login_says_nothing_of_the_next(number: int) -> None:
    """Killed, gone away, lost."""
    told = explain(pymysql.OperationalError(number, "no"), CREDENTIAL, SERVER)
    assert type(told) is LoginLost


def test_a_server_that_keeps_silent_is_not_asked_again_at_once() -> None:
    """PyMySQL has one error for a lost connection and for an answer that didn't come in time."""
    error = pymysql.OperationalError(2013, "no")
    error.__context__ = TimeoutError("timed out")
    assert type(explain(error, CREDENTIAL, SERVER)) is DatabaseUnreachable


@pytest.mark.parametrize("number", [1040, 2003])
def test_all_else_is_a_matter_of_time(number: int) -> None:
    """Too many connections, nobody there."""
    told = explain(pymysql.OperationalError(number, "no"), CREDENTIAL, SERVER)
    assert type(told) is DatabaseUnreachable


def test_no_error_and_no_repr_holds_the_password() -> None:
    """Neither the explanation nor the credential shows it."""
    told = [
        explain(pymysql.OperationalError(number, "no"), CREDENTIAL, SERVER) for number in (1045, 1049, 2003)
    ]
    assert CANARY not in repr([CREDENTIAL, *told, *map(str, told)])
