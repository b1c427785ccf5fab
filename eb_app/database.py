"""The database: connections that outlive a rotation, and work that outlives a connection.

A password change doesn't end connections; it ends *logins*. What is open is kept until its replacement is
open (`_before_use`), what is lost is opened again as whoever the credentials say now, and a request that
finds neither waits, for a bounded time and in bounded company (`run`).
"""

from __future__ import annotations

import logging
import random
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pymysql
from pymysql.connections import Connection as PyMySQLConnection
from pymysql.cursors import Cursor
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from .credentials import Credential, Credentials, CredentialUnavailable

LOG = logging.getLogger(__name__)

CONNECT_TIMEOUT = 3
ANSWER_TIMEOUT = 10
"""Seconds for one answer of the database."""
POOL_TIMEOUT = 5
"""Seconds until a connection of the pool must be free."""
ONE_ATTEMPT_IN = 1.0
"""Seconds between two logins after a failed one: what refuses us isn't mended by knocking faster."""
LOST_AT_MOST = 5
"""Connections that one request may lose before it gives up."""

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
DEADLOCK = 1213

T = TypeVar("T")


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


class DatabaseMisconfigured(DatabaseError):
    """The database answers, but not as it must; somebody has to repair that."""


class TooManyWaiting(DatabaseError):
    """As many requests wait already as may; this one should come back."""


class StatementFailed(DatabaseError):
    """The database took the connection and refused the work."""


@dataclass(frozen=True, slots=True)
class Session:
    """One login to the database, as both ends see it."""

    opened: float
    """On the monotonic clock."""
    user: str
    version: str
    tls_version: str
    tls_cipher: str


if TYPE_CHECKING:
    _PyMySQLConnection = PyMySQLConnection[Cursor]
else:
    _PyMySQLConnection = PyMySQLConnection  # generic in its stubs only


class _Connection(_PyMySQLConnection):
    session: Session


@dataclass(frozen=True, slots=True)
class _Failure:
    error: DatabaseError
    version: str
    until: float


class Database:
    """The pool of connections of one process.

    :param ca_file: the authorities that may vouch for the server; None means the system's
    :param connection_age: seconds after which a connection is replaced, a tenth earlier or later
    :param wait: seconds that a request waits at most for a login that works
    :param waiting: how many may wait at the same time
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        host: str,
        port: int,
        schema: str,
        ca_file: Path | None,
        connection_age: float = 300,
        wait: float = 15,
        waiting: int = 16,
        pool_size: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._host, self._port, self._schema = host, port, schema
        self._connection_age, self._wait, self._clock = connection_age, wait, clock
        self._waiting = threading.BoundedSemaphore(waiting) if waiting else None
        self._failure: _Failure | None = None
        self._tls = tls_context(ca_file)
        # The URL only names the dialect: `_connect` opens connections, so no password lies in the engine.
        self.engine = create_engine(
            "mysql+pymysql://",
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT,
            hide_parameters=True,  # else an error's text holds what a visitor wrote
        )
        event.listen(self.engine, "do_connect", self._connect)
        event.listen(self.engine, "checkout", self._before_use)
        event.listen(self.engine, "handle_error", self._keep_the_others)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run *work* in one transaction and return what it returns.

        It runs again when its connection is lost, also while committing, when nobody knows whether the commit
        came through. So *work* must be safe to repeat.

        :raises DatabaseError: which says what to do
        """
        deadline = self._clock() + self._wait
        lost = 0
        waits = False
        try:
            while True:
                try:
                    with self.engine.begin() as connection:
                        return work(connection)
                except (LoginRefused, DatabaseUnreachable) as failure:
                    left = deadline - self._clock()
                    if left <= 0:
                        raise
                    waits = waits or self._begin_to_wait(failure)
                    # Not until the end: meanwhile another request may give its connection back.
                    self._credentials.wait(failure.version, min(left, random.uniform(0.1, 0.3)))  # noqa: S311 - jitter
                except PoolTimeoutError:
                    raise TooManyWaiting(f"no connection was free within {POOL_TIMEOUT} s") from None
                except DBAPIError as error:
                    lost += 1
                    number = _number(error.orig)
                    if not (error.connection_invalidated or number == DEADLOCK):
                        raise StatementFailed(f"the database refused a statement: error {number}") from None
                    if lost > LOST_AT_MOST:
                        raise DatabaseUnreachable(f"connections get lost: error {number}") from None
        finally:
            if waits and self._waiting:
                self._waiting.release()

    def probe(self) -> Session:
        """Make one round trip without waiting for better times, and return the session it went over.

        :raises DatabaseError: as `run`
        """
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1 FROM entries LIMIT 1"))
                return session_of(connection)
        except PoolTimeoutError:
            raise TooManyWaiting(f"no connection was free within {POOL_TIMEOUT} s") from None
        except DBAPIError as error:
            raise StatementFailed(f"the database refused a statement: error {_number(error.orig)}") from None

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self.engine.dispose()

    def _begin_to_wait(self, failure: DatabaseError) -> bool:
        if self._waiting is None or not self._waiting.acquire(blocking=False):
            raise TooManyWaiting(f"as many requests wait as may: {failure}") from None
        self._credentials.waiting()
        return True

    def _before_use(self, connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        """See to it that a pooled connection is young and alive, before a request gets it.

        SQLAlchemy's own `pool_recycle` closes the old connection before it opens the new one; in a rotation
        that throws away what still works.
        """
        age = self._clock() - connection.session.opened
        if age < 1:
            return
        if age > self._connection_age * random.uniform(0.9, 1.1):  # noqa: S311 - spreads the logins
            try:
                _lasting(record)["replacement"] = self._open()
            except DatabaseError:
                pass  # serves on
            else:
                raise DisconnectionError("a younger one is open")
        try:
            connection.ping(reconnect=False)
        except pymysql.Error:
            raise DisconnectionError("the connection is lost") from None

    def _connect(
        self, _dialect: object, record: ConnectionPoolEntry, _args: object, _parameters: object
    ) -> Any:
        return _lasting(record).pop("replacement", None) or self._open()

    @staticmethod
    def _keep_the_others(context: ExceptionContext) -> None:
        """One lost connection says nothing about the others, which may be all we have in a rotation."""
        context.invalidate_pool_on_disconnect = False

    def _open(self) -> _Connection:
        try:
            credential = self._credentials.current()
        except CredentialUnavailable as error:
            raise DatabaseUnreachable(f"no credential: {error}") from None
        failure = self._failure
        if failure and failure.version == credential.version and self._clock() < failure.until:
            raise type(failure.error)(str(failure.error), failure.error.version)
        try:
            connection = self._log_in(credential)
        except DatabaseError as error:
            self._failure = _Failure(error, credential.version, self._clock() + ONE_ATTEMPT_IN)
            if isinstance(error, LoginRefused):
                self._credentials.refused(credential)
            raise
        self._failure = None
        self._credentials.accepted(credential)
        return connection

    def _log_in(self, credential: Credential) -> _Connection:
        try:
            connection = _Connection(
                host=self._host,
                port=self._port,
                database=self._schema,
                user=credential.user,
                password=credential.password,
                ssl=self._tls,
                charset="utf8mb4",
                program_name="beanvault",
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=ANSWER_TIMEOUT,
                write_timeout=ANSWER_TIMEOUT,
            )
            with connection.cursor() as cursor:
                cursor.execute("SHOW STATUS WHERE Variable_name IN ('Ssl_version', 'Ssl_cipher')")
                status = dict(cursor.fetchall())
        except pymysql.MySQLError as error:
            raise explain(error, credential, f"{self._host}:{self._port}") from None
        connection.session = Session(
            self._clock(), credential.user, credential.version, status["Ssl_version"], status["Ssl_cipher"]
        )
        return connection


def explain(error: pymysql.MySQLError, credential: Credential, server: str) -> DatabaseError:
    """Return what a failed login means for the caller."""
    number = _number(error)
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
    return DatabaseUnreachable(f"{server} doesn't answer (error {number})")


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return TLS 1.2 or later that verifies both authority and name.

    One context for all connections: PyMySQL's `ssl_ca` with `ssl_verify_identity` means the same, but reads
    the authorities again for each connection.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _lasting(record: ConnectionPoolEntry) -> dict[str, Any]:
    """Return the dictionary of a place in the pool, which outlives the connections in it."""
    return cast(dict[str, Any], record.record_info)


def session_of(connection: Connection) -> Session:
    """Return the login behind a connection that is in use."""
    session: Session = connection.connection.dbapi_connection.session  # type: ignore[union-attr]  # it is in use
    return session


def _number(error: BaseException | None) -> int:
    """Return MySQL's error number, 0 where there is none."""
    return error.args[0] if error and error.args and isinstance(error.args[0], int) else 0
