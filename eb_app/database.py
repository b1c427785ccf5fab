"""The database: connections that outlive a rotation, and work that outlives a connection.

A password change doesn't end connections; it ends *logins*. What is open is kept until its replacement is
open (`_before_use`), what is lost is opened again as whoever the credentials say now, and a request that
finds neither waits, for a bounded time (`run`) and in bounded company (`RequestSlots`).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from .credentials import Credential, Credentials, CredentialUnavailable
from .errors import (
    DatabaseError,
    DatabaseUnreachable,
    LoginLost,
    LoginRefused,
    StatementFailed,
    TooManyWaiting,
)
from .login import (
    ANSWER_TIMEOUT,
    DatabaseServer,
    DatabaseSessionInfo,
    LoggedIn,
    log_in,
    number_of,
    timed_out,
    tls_context,
)
from .request_slots import RequestSlots

POOL_TIMEOUT = 5
"""Seconds until a connection of the pool must be free."""
ONE_ATTEMPT_IN = 1.0
"""Seconds between two logins after a failed one: what refuses us isn't mended by knocking faster."""
LOST_AT_MOST = 5
"""Connections that one request may lose before it gives up, beyond those that lay in the pool and may have
died together."""
LOGINS_LOST_AT_MOST = 3
"""Logins that one new connection may lose half-way before it counts as failed."""
DEADLOCK = 1213

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Failure:
    """The last login failed, and the next is not due before *until*."""

    error: DatabaseError
    version: str
    until: float


class DatabasePool:
    """The pool of connections of one process.

    Args:
        ca_file: the authorities that the server's certificate may come from; None means the system's
        connection_age: seconds after which a connection is replaced, a tenth earlier or later
        wait: seconds that a request waits at most for a login that works
        waiting: how many requests may be there at the same time beyond those that have a connection
        answer: seconds that a statement may take
    """

    def __init__(
        self,
        credentials: Credentials,
        server: DatabaseServer,
        *,
        ca_file: Path | None,
        connection_age: float = 300,
        wait: float = 15,
        waiting: int = 16,
        pool_size: int = 8,
        answer: float = ANSWER_TIMEOUT,
    ) -> None:
        self._credentials, self._server = credentials, server
        self._connection_age, self._wait, self._answer = connection_age, wait, answer
        self._lost_at_most = pool_size + LOST_AT_MOST
        self._slots = RequestSlots(pool_size + waiting)
        self._failure: _Failure | None = None
        self._turns = threading.Lock()
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
        came through. So *work* must be safe to repeat. What took too long is not run again, as the server may
        still be at it, and nothing is once the time to wait is over.

        Raises:
            DatabaseError: which says what to do
        """
        deadline = time.monotonic() + self._wait
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
                        self._credentials.waiting()
                    # Not until the end: meanwhile another request may give its connection back.
                    self._credentials.wait(failure.version, min(left, random.uniform(0.1, 0.3)))  # noqa: S311 - jitter
                except PoolTimeoutError:
                    raise _all_in_use() from None
                except DBAPIError as error:
                    lost += 1
                    number = number_of(error.orig)
                    if not (error.connection_invalidated or number == DEADLOCK):
                        raise _failed(number) from None
                    if timed_out(error.orig):
                        raise DatabaseUnreachable(f"a statement took more than {self._answer:g} s") from None
                    if lost > self._lost_at_most or time.monotonic() > deadline:
                        raise DatabaseUnreachable(f"connections get lost: error {number}") from None

    def probe(self) -> DatabaseSessionInfo:
        """Make one round trip without waiting for better times, and return the session it went over.

        Raises:
            DatabaseError: as `run`
        """
        try:
            with self._slots.taken(), self.engine.connect() as connection:
                connection.execute(text("SELECT 1 FROM entries LIMIT 1"))
                return session_of(connection)
        except PoolTimeoutError:
            raise _all_in_use() from None
        except DBAPIError as error:
            raise _failed(number_of(error.orig)) from None

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self.engine.dispose()

    def _before_use(self, connection: LoggedIn, record: ConnectionPoolEntry, _proxy: object) -> None:
        """See to it that a pooled connection is current and alive, before a request gets it.

        SQLAlchemy's own `pool_recycle` closes the old connection before it opens the new one; in a rotation
        that throws away what still works.
        """
        session = connection.session
        age = time.monotonic() - session.opened
        if age < 1:
            return
        limit = self._connection_age * random.uniform(0.9, 1.1)  # noqa: S311 - spreads the logins
        if age > limit or session.version != self._credentials.version():
            try:
                _lasting(record)["replacement"] = self._open()
            except DatabaseError:
                pass  # the old one serves on
            else:
                raise DisconnectionError("its replacement is open")
        if not connection.is_alive():
            raise DisconnectionError("it was lost")

    def _connect(
        self, _dialect: object, record: ConnectionPoolEntry, _args: object, _parameters: object
    ) -> LoggedIn:
        replacement: LoggedIn | None = _lasting(record).pop("replacement", None)
        return replacement or self._open()

    @staticmethod
    def _keep_the_others(context: ExceptionContext) -> None:
        """One lost connection says nothing about the others, which may be all we have in a rotation."""
        context.invalidate_pool_on_disconnect = False

    def _open(self) -> LoggedIn:
        self._await_our_turn()
        try:
            credential = self._credentials.current()
        except CredentialUnavailable as error:
            raise self._remembered(DatabaseUnreachable(f"there is no credential: {error}"), "") from None
        try:
            connection = self._log_in(credential)
        except DatabaseError as error:
            if isinstance(error, LoginRefused):
                self._credentials.refused(credential)
            raise self._remembered(error, credential.version) from None
        self._failure = None
        self._credentials.accepted(credential)
        return connection

    def _await_our_turn(self) -> None:
        """Return if a login is due: always, until one fails, and then one a second.

        Raises:
            DatabaseError: the failed login's
        """
        with self._turns:
            failure = self._failure
            if failure is None or failure.version != self._credentials.version():
                return
            if time.monotonic() < failure.until:
                raise type(failure.error)(str(failure.error), failure.error.version)
            self._remembered(failure.error, failure.version)  # so that nobody else begins one with us

    def _log_in(self, credential: Credential) -> LoggedIn:
        lost = 0
        while True:
            try:
                return log_in(self._server, credential, self._tls, self._answer)
            except LoginLost:
                lost += 1
                if lost >= LOGINS_LOST_AT_MOST:
                    raise

    def _remembered(self, error: DatabaseError, version: str) -> DatabaseError:
        self._failure = _Failure(error, version, time.monotonic() + ONE_ATTEMPT_IN)
        return error


def session_of(connection: Connection) -> DatabaseSessionInfo:
    """Return the login behind a connection that is in use."""
    logged_in = cast(LoggedIn, connection.connection.dbapi_connection)
    return logged_in.session


def _lasting(record: ConnectionPoolEntry) -> dict[str, Any]:
    """Return the dictionary of a place in the pool, which outlives the connections in it."""
    return cast(dict[str, Any], record.record_info)


def _all_in_use() -> TooManyWaiting:
    return TooManyWaiting(f"no connection was free within {POOL_TIMEOUT} s")


def _failed(number: int) -> StatementFailed:
    return StatementFailed(f"the database refused a statement: error {number}")
