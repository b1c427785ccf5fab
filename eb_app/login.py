"""One login to the database: over TLS, to the server that was meant, or with the reason why not."""

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

CONNECT_TIMEOUT = 3
LOGIN_ANSWER_TIMEOUT = 3
"""Seconds for one answer during the login, and to whether a connection is alive."""
ANSWER_TIMEOUT = 10
"""Seconds for the answer to a statement."""
LOGIN_REFUSED = {
    1045: "wrong password, or no such user",
    1130: "no such user for this host",
    1862: "the password has expired",
    3118: "the account is locked",
    4151: "the account is locked",
}
"""Errors of MySQL and MariaDB that a newer credential can cure.

A wrong password and a dropped user are one error by design; they are told apart by whether a newer version
comes. MariaDB also answers 1045 to a connection without TLS; ours always demands TLS, and a server that has
none is error 2026 before any password is sent. https://mariadb.com/kb/en/mariadb-error-code-reference/
"""
NEEDS_REPAIR = {
    1044: "the user has no right on the schema",
    1049: "there is no such schema",
    2026: "the server offers no TLS",
}

LOST = {1927, 2006, 2013}
"""Errors of a connection that was there and ended: killed, gone away, lost."""


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """Where the database listens, and the schema that is ours."""

    host: str
    port: int
    schema: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class DatabaseSessionInfo:
    """One login to the database, as both ends see it."""

    opened: float
    """On the monotonic clock."""
    user: str
    version: str
    tls_version: str
    tls_cipher: str


if TYPE_CHECKING:
    _Connection = Connection[Cursor]
else:
    _Connection = Connection  # generic in its stubs only


class LoggedIn(_Connection):
    """An open connection that knows its session."""

    session: DatabaseSessionInfo
    _read_timeout: float
    """PyMySQL's own, which it looks at before each answer."""

    def is_alive(self) -> bool:
        """Tell whether the server answers; one that keeps silent is given less time than for a statement."""
        patience, self._read_timeout = self._read_timeout, LOGIN_ANSWER_TIMEOUT
        try:
            self.ping(reconnect=False)
        except pymysql.Error:
            return False
        finally:
            self._read_timeout = patience
        return True

    def use(self, session: DatabaseSessionInfo, answer: float) -> None:
        """Begin the time after the login, in which each answer may take *answer* seconds."""
        self.session, self._read_timeout = session, answer


def log_in(
    server: DatabaseServer, credential: Credential, tls: ssl.SSLContext, answer: float = ANSWER_TIMEOUT
) -> LoggedIn:
    """Open a connection to *server* as *credential* says, on which a statement may take *answer* seconds.

    Raises:
        LoginRefused: a newer credential may cure it
        LoginLost: the next one may succeed at once
        DatabaseMisconfigured: somebody has to
        DatabaseUnreachable: time may
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
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=LOGIN_ANSWER_TIMEOUT,
            write_timeout=ANSWER_TIMEOUT,
        )
        with connection.cursor() as cursor:
            cursor.execute("SHOW STATUS WHERE Variable_name IN ('Ssl_version', 'Ssl_cipher')")
            status = dict(cursor.fetchall())
    except pymysql.MySQLError as error:
        raise explain(error, credential, server) from None
    session = DatabaseSessionInfo(
        time.monotonic(), credential.user, credential.version, status["Ssl_version"], status["Ssl_cipher"]
    )
    connection.use(session, answer)
    return connection


def explain(error: pymysql.MySQLError, credential: Credential, server: DatabaseServer) -> DatabaseError:
    """Return what a failed login means for the caller."""
    number = number_of(error)
    if isinstance(getattr(error, "original_exception", None), ssl.SSLCertVerificationError):
        return DatabaseMisconfigured(
            f"the certificate of {server} is not vouched for: {error.original_exception.verify_message}; "  # type: ignore[attr-defined]  # PyMySQL sets it on the instance
            "check BEANVAULT_DATABASE_CA_FILE and BEANVAULT_DATABASE_HOST"
        )
    if number in LOGIN_REFUSED:
        return LoginRefused(
            f"{server} refuses {credential.user} with version {credential.version}: {LOGIN_REFUSED[number]} "
            f"(error {number}). If no newer version comes, the user was dropped or its password was changed "
            "outside Vault",
            credential.version,
        )
    if number in NEEDS_REPAIR:
        return DatabaseMisconfigured(f"{server}: {NEEDS_REPAIR[number]} (error {number})")
    # A server that keeps silent is "lost" too, after the time-out; that one isn't asked again at once.
    if number in LOST and not timed_out(error):
        return LoginLost(f"{server} ended the connection during the login (error {number})")
    return DatabaseUnreachable(f"{server} doesn't answer (error {number})")


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return TLS 1.2 or later that verifies both authority and name.

    One context for all connections: PyMySQL's `ssl_ca` with `ssl_verify_identity` means the same, but reads
    the authorities again for each connection.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # As PyMySQL does: since Python 3.13 it is on, and refuses certificates that databases have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def timed_out(error: BaseException | None) -> bool:
    """Tell whether the server kept silent, rather than ended the connection; both are error 2013."""
    return error is not None and isinstance(error.__context__, TimeoutError)


def number_of(error: BaseException | None) -> int:
    """Return MySQL's error number, 0 where there is none."""
    return error.args[0] if error and error.args and isinstance(error.args[0], int) else 0
