"""One login to the database, over TLS to a verified server, or the reason for its failure."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from .credentials import Credential
from .errors import DatabaseError, DatabaseMisconfigured, DatabaseUnreachable, LoginLost, LoginRefused

CONNECT_TIMEOUT_SECONDS = 3
LOGIN_TIMEOUT_SECONDS = 3
"""For each answer during the login, and for the answer to a ping."""
STATEMENT_TIMEOUT_SECONDS = 10
LOGIN_REFUSED = {
    1045: "wrong password, or no such user",
    1130: "no such user for this host",
    1862: "the password has expired",
    3118: "the account is locked",
    4151: "the account is locked",
}
"""Errors of MySQL and MariaDB that a newer credential can resolve.

A wrong password and a dropped user are one error by design; a newer version of the secret distinguishes them.
MariaDB also answers 1045 to a connection without TLS. The app always requires TLS, and a server that offers
none is error 2026 before any password is sent. https://mariadb.com/kb/en/mariadb-error-code-reference/
"""
MISCONFIGURED = {
    1044: "the user has no privileges on the schema",
    1049: "the schema does not exist",
    2026: "the server offers no TLS",
}

STRICT_RULES = range(80, 94)
"""OpenSSL's codes for what only `VERIFY_X509_STRICT` refuses: extensions that RFC 5280 requires.

https://github.com/openssl/openssl/blob/master/include/openssl/x509_vfy.h.in
"""

LOST = {1927, 2006, 2013}
"""Errors of an established connection that ended: killed, gone away, lost."""


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """The database's address and the app's schema."""

    host: str
    port: int
    schema: str

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class DatabaseSessionInfo:
    """One login to the database: who, over which TLS."""

    opened: float
    """On the monotonic clock, in seconds."""
    user: str
    version: str
    tls_version: str
    tls_cipher: str


if TYPE_CHECKING:
    _Connection = Connection[Cursor]
else:
    _Connection = Connection  # generic in its stubs only


class LoggedIn(_Connection):
    """An open connection with its session."""

    session: DatabaseSessionInfo
    _read_timeout: float
    """PyMySQL's own attribute, which it reads before each answer."""

    def is_alive(self) -> bool:
        """Return whether the server answers a ping, in less time than a statement has."""
        statement_timeout, self._read_timeout = self._read_timeout, LOGIN_TIMEOUT_SECONDS
        try:
            self.ping(reconnect=False)
        except pymysql.Error:
            return False
        finally:
            self._read_timeout = statement_timeout
        return True

    def use(self, session: DatabaseSessionInfo, statement_seconds: float) -> None:
        """Set the session, and the time that each answer can take after the login."""
        self.session, self._read_timeout = session, statement_seconds


def log_in(
    server: DatabaseServer, credential: Credential, tls: ssl.SSLContext, statement_seconds: float
) -> LoggedIn:
    """Open a connection to *server* with *credential*, on which a statement can take *statement_seconds*.

    Raises:
        LoginRefused: a newer credential can resolve it
        LoginLost: the next login can succeed at once
        DatabaseMisconfigured: the database or the app's settings have to be corrected
        DatabaseUnreachable: a later login can succeed
    """
    try:
        connection = LoggedIn(
            host=server.host,
            port=server.port,
            database=server.schema,
            user=credential.user,
            password=credential.password,
            ssl=tls,
            charset="utf8mb4",
            program_name="beanvault",
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=LOGIN_TIMEOUT_SECONDS,
            write_timeout=STATEMENT_TIMEOUT_SECONDS,
        )
        with connection.cursor() as cursor:
            cursor.execute("SHOW STATUS WHERE Variable_name IN ('Ssl_version', 'Ssl_cipher')")
            status = dict(cursor.fetchall())
    except pymysql.MySQLError as error:
        raise explain(error, credential, server) from None
    session = DatabaseSessionInfo(
        time.monotonic(), credential.user, credential.version, status["Ssl_version"], status["Ssl_cipher"]
    )
    connection.use(session, statement_seconds)
    return connection


def explain(error: pymysql.MySQLError, credential: Credential, server: DatabaseServer) -> DatabaseError:
    """Return the error that tells the caller what to do about a failed login."""
    number = number_of(error)
    untrusted = getattr(error, "original_exception", None)  # PyMySQL sets it on the instance
    if isinstance(untrusted, ssl.SSLCertVerificationError):
        remedy = "check BEANVAULT_DATABASE_CA_FILE and BEANVAULT_DATABASE_HOST"
        if untrusted.verify_code in STRICT_RULES:
            remedy = (
                "issue it, and its authority's, with the extensions basicConstraints (critical), keyUsage, "
                "subjectKeyIdentifier and authorityKeyIdentifier"
            )
        return DatabaseMisconfigured(
            f"{server}'s certificate is not trusted: {untrusted.verify_message}; {remedy}"
        )
    if number in LOGIN_REFUSED:
        return LoginRefused(
            f"{server} refuses {credential.user} with version {credential.version}: {LOGIN_REFUSED[number]} "
            f"(error {number}). If no newer version arrives, the user was dropped or its password changed "
            "outside Vault: run `beanvault rotate`",
            credential.version,
        )
    if number in MISCONFIGURED:
        return DatabaseMisconfigured(f"{server}: {MISCONFIGURED[number]} (error {number})")
    # A time-out has the number of a lost connection, too. It is not retried at once.
    if number in LOST and not timed_out(error):
        return LoginLost(f"{server} ended the connection during the login (error {number})")
    return DatabaseUnreachable(f"{server} doesn't answer (error {number})")


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context for TLS 1.2 or later that verifies authority and host name.

    One context serves all connections: PyMySQL's `ssl_ca` with `ssl_verify_identity` does the same, but reads
    the authorities again for each connection.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13's defaults, on every Python. PyMySQL takes the first away from a context that it creates.
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def timed_out(error: BaseException | None) -> bool:
    """Return whether the server did not answer in time; error 2013 also means an ended connection."""
    return error is not None and isinstance(error.__context__, TimeoutError)


def number_of(error: BaseException | None) -> int:
    """Return MySQL's error number, or 0 without one."""
    return error.args[0] if error and error.args and isinstance(error.args[0], int) else 0
