"""The database: connections that survive a rotation, and work that survives the loss of a connection.

A password change doesn't end connections; it ends *logins*. An open connection is kept until its replacement
is open (`_before_use`), and a lost one is opened again with the current credential. A request without a
connection waits, for a bounded time (`run`) and with a bounded number of others (`RequestSlots`).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from .credentials import Credential, Credentials, CredentialUnavailable
from .database_login import (
    STATEMENT_TIMEOUT_SECONDS,
    DatabaseServer,
    DatabaseSessionInfo,
    LoggedIn,
    log_in,
    number_of,
    timed_out,
    tls_context,
)
from .errors import (
    DatabaseError,
    DatabaseUnreachable,
    LoginLost,
    LoginRefused,
    StatementFailed,
    TooManyWaiting,
)
from .request_slots import RequestSlots

POOL_TIMEOUT_SECONDS = 5
"""How long a request waits for a free connection of the pool."""
LOGIN_INTERVAL_SECONDS = 1.0
"""Between two logins after a failed one: a refused login isn't fixed by retrying faster."""
MAX_LOST_CONNECTIONS = 5
"""Connections that one request can lose before it fails, in addition to those of the pool, which can all have
been lost together."""
MAX_LOST_LOGINS = 3
"""Logins that can be cut off before a new connection counts as failed."""
DEADLOCK = 1213

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Failure:
    """The last login failed, and the next one is not due before *until*."""

    error: DatabaseError
    version: str
    until: float


class DatabasePool:
    """The pool of connections of one process.

    Args:
        ca_file: the trusted authorities for the server's certificate; None means the system's
        connection_age_seconds: the age at which a connection is replaced, ±10 %
        max_wait_seconds: how long a request waits at most for a successful login
        max_waiting: how many requests can wait at the same time, beyond those with a connection
        statement_seconds: how long a statement can take
    """

    def __init__(
        self,
        credentials: Credentials,
        server: DatabaseServer,
        *,
        ca_file: Path | None,
        connection_age_seconds: float,
        max_wait_seconds: float,
        max_waiting: int,
        pool_size: int,
        statement_seconds: float = STATEMENT_TIMEOUT_SECONDS,
    ) -> None:
        self._credentials, self._server = credentials, server
        self._connection_age, self._max_wait = connection_age_seconds, max_wait_seconds
        self._statement_seconds = statement_seconds
        self._max_lost = pool_size + MAX_LOST_CONNECTIONS
        self._slots = RequestSlots(pool_size + max_waiting)
        self._failure: _Failure | None = None
        self._login_lock = threading.Lock()
        self._tls = tls_context(ca_file)
        # The URL only names the dialect: `_connect` opens connections, so the engine contains no password.
        self.engine = create_engine(
            "mysql+pymysql://",
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            hide_parameters=True,  # otherwise an error's text contains what a visitor wrote
        )
        event.listen(self.engine, "do_connect", self._connect)
        event.listen(self.engine, "checkout", self._before_use)
        event.listen(self.engine, "handle_error", self._keep_other_connections)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run *work* in one transaction and return what it returns.

        It is repeated when its connection is lost, also during the commit, whose outcome is then unknown. So
        *work* must be safe to repeat. A statement that timed out is not: the server can still be running it.
        Nothing is repeated after `max_wait_seconds`.

        Raises:
            DatabaseError: its class says what to do
        """
        deadline = time.monotonic() + self._max_wait
        lost = 0
        waits = False
        with self._slots.taken():
            while True:
                try:
                    with self.engine.begin() as connection:
                        return work(connection)
                except (LoginRefused, DatabaseUnreachable) as failure:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise
                    if not waits:
                        waits = True
                        self._credentials.record_waiting()
                    # In short steps: meanwhile another request can return its connection to the pool.
                    self._credentials.wait_for_newer(failure.version, min(left, random.uniform(0.1, 0.3)))  # noqa: S311 - jitter
                except PoolTimeoutError:
                    raise _none_free() from None
                except DBAPIError as error:
                    lost += 1
                    number = number_of(error.orig)
                    if not (error.connection_invalidated or number == DEADLOCK):
                        raise _failed(number) from None
                    if timed_out(error.orig):
                        raise DatabaseUnreachable(
                            f"a statement took more than {self._statement_seconds:g} s"
                        ) from None
                    if lost > self._max_lost or time.monotonic() > deadline:
                        raise DatabaseUnreachable(
                            f"the connection was lost {lost} times: error {number}"
                        ) from None

    def probe(self) -> DatabaseSessionInfo:
        """Make one round trip, without a retry, and return the session it used.

        Raises:
            DatabaseError: as `run`
        """
        try:
            with self._slots.taken(), self.engine.connect() as connection:
                connection.execute(text("SELECT 1 FROM entries LIMIT 1"))
                return session_of(connection)
        except PoolTimeoutError:
            raise _none_free() from None
        except DBAPIError as error:
            raise _failed(number_of(error.orig)) from None

    def close(self) -> None:
        """Close the idle connections."""
        self.engine.dispose()

    def _before_use(self, connection: LoggedIn, record: ConnectionPoolEntry, _proxy: object) -> None:
        """Check that a pooled connection is current and alive before a request gets it.

        SQLAlchemy's own `pool_recycle` closes the old connection before it opens the new one; in a rotation
        that discards a connection that still works.
        """
        session = connection.session
        age = time.monotonic() - session.opened
        if age < 1:
            return
        limit = self._connection_age * random.uniform(0.9, 1.1)  # noqa: S311 - spreads the logins
        if age > limit or session.version != self._credentials.version():
            try:
                _slot_data(record)["replacement"] = self._open()
            except DatabaseError:
                pass  # the old one stays in use
            else:
                raise DisconnectionError("its replacement is open")
        if not connection.is_alive():
            raise DisconnectionError("it was lost")

    def _connect(
        self, _dialect: object, record: ConnectionPoolEntry, _args: object, _parameters: object
    ) -> LoggedIn:
        replacement = _slot_data(record).pop("replacement", None)
        return replacement or self._open()

    @staticmethod
    def _keep_other_connections(context: ExceptionContext) -> None:
        """Keep the pool's other connections when one is lost: in a rotation they may be the only ones."""
        context.invalidate_pool_on_disconnect = False

    def _open(self) -> LoggedIn:
        self._require_due()
        try:
            credential = self._credentials.current()
        except CredentialUnavailable as error:
            raise self._remembered(DatabaseUnreachable(f"no credential is available: {error}"), "") from None
        try:
            connection = self._log_in(credential)
        except DatabaseError as error:
            if isinstance(error, LoginRefused):
                self._credentials.record_refused(credential)
            raise self._remembered(error, credential.version) from None
        self._failure = None
        self._credentials.record_accepted(credential)
        return connection

    def _require_due(self) -> None:
        """Return if a login is due: always, until one fails, and then one per second.

        Raises:
            DatabaseError: the failed login's
        """
        with self._login_lock:
            failure = self._failure
            if failure is None or failure.version != self._credentials.version():
                return
            if time.monotonic() < failure.until:
                raise type(failure.error)(str(failure.error), failure.error.version)
            self._remembered(failure.error, failure.version)  # no other thread is to log in at the same time

    def _log_in(self, credential: Credential) -> LoggedIn:
        lost = 0
        while True:
            try:
                return log_in(self._server, credential, self._tls, self._statement_seconds)
            except LoginLost:
                lost += 1
                if lost >= MAX_LOST_LOGINS:
                    raise

    def _remembered(self, error: DatabaseError, version: str) -> DatabaseError:
        self._failure = _Failure(error, version, time.monotonic() + LOGIN_INTERVAL_SECONDS)
        return error


def session_of(connection: Connection) -> DatabaseSessionInfo:
    """Return the login behind a connection that is in use."""
    logged_in = cast(LoggedIn, connection.connection.dbapi_connection)
    return logged_in.session


def _slot_data(record: ConnectionPoolEntry) -> dict[str, LoggedIn]:
    """Return the dictionary of a slot of the pool, which outlives the connections in it."""
    return cast(dict[str, LoggedIn], record.record_info)


def _none_free() -> TooManyWaiting:
    return TooManyWaiting(f"no connection was free within {POOL_TIMEOUT_SECONDS} s")


def _failed(number: int) -> StatementFailed:
    return StatementFailed(f"the database refused a statement: error {number}")
