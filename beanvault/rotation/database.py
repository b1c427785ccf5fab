"""The database server, as rotation needs it: always over TLS, with its certificate and its name verified."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CR, ER

from ..addresses import format_host_port
from ..errors import BeanvaultError, Denied, Unreachable
from .credential import DatabaseCredential

CONNECT_TIMEOUT = 10
STATEMENT_TIMEOUT = 30
LONGEST_LOCK_NAME = 64
"""Characters that MySQL takes for the name of a lock."""


class RotationDatabaseError(BeanvaultError):
    """The database refused a statement; the message holds its error code and never the statement."""


class RotationUnderWay(BeanvaultError):
    """Another run of a rotation isn't done yet."""


class DatabaseLoginRefused(Denied):
    """The database doesn't take this user with this password."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the database is, and whose word proves it."""

    host: str
    """The name its certificate must have."""
    port: int
    ca_file: Path
    """PEM."""
    via: tuple[str, int] | None = None
    """Where to connect instead, when a tunnel leads there (an SSM port forwarding); the certificate is still
    held against *host*."""

    def __str__(self) -> str:
        return format_host_port(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Version:
    """What kind of server answers."""

    mariadb: bool
    number: tuple[int, ...]

    @property
    def dual_passwords(self) -> bool:
        """Whether a user can have two passwords: MySQL since 8.0.14, MariaDB since 10.4 by two methods."""
        return self.number >= ((10, 4) if self.mariadb else (8, 0, 14))


@contextmanager
def connected(
    endpoint: Endpoint, credential: DatabaseCredential, schema: str | None = None
) -> Iterator[DatabaseSession]:
    """Log in over TLS.

    Raises:
        LoginRefused: user or password is wrong
        Unreachable: no answer, or a certificate that isn't *endpoint*'s
    """
    connection: Connection[Any] = pymysql.connect(
        host=endpoint.host,
        port=endpoint.port,
        user=credential.username,
        password=credential.password,
        database=schema,
        ssl_ca=str(endpoint.ca_file),
        ssl_verify_cert=True,
        ssl_verify_identity=True,  # ssl_ca alone verifies nothing in PyMySQL
        read_timeout=STATEMENT_TIMEOUT,
        write_timeout=STATEMENT_TIMEOUT,
        autocommit=True,
        defer_connect=True,
    )
    try:
        plain = socket.create_connection(endpoint.via or (endpoint.host, endpoint.port), CONNECT_TIMEOUT)
        connection.connect(plain)
    except (pymysql.MySQLError, OSError) as error:
        raise _refused(error, endpoint, credential.username) from None  # the cause may quote what was sent
    try:
        session = DatabaseSession(connection, endpoint)
        session.require_tls()
        yield session
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class DatabaseSession:
    """One login."""

    _connection: Connection[Any]
    endpoint: Endpoint

    def require_tls(self) -> None:
        """Check that the connection is encrypted.

        Raises:
            DatabaseError: the connection isn't encrypted
        """
        rows = self._query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        if not rows or not rows[0][1]:
            raise RotationDatabaseError(f"{self.endpoint} took a login without TLS")

    def take_turn(self, what: str) -> None:
        """Lock *what* for rotations until this session ends; harmless where it has the lock already.

        The server holds the lock, and lets it go however the session ends, so no run that died is in the way.

        https://dev.mysql.com/doc/refman/8.4/en/locking-functions.html, https://mariadb.com/kb/en/get_lock/

        Raises:
            RotationUnderWay: another session has it
        """
        name = f"beanvault-rotate {what}"[:LONGEST_LOCK_NAME]
        if self._query("SELECT GET_LOCK(%s, 0)", name)[0][0] != 1:
            raise RotationUnderWay(
                f"another rotation is under way on {self.endpoint}", "try again when that one is done"
            )

    def version(self) -> Version:
        text = str(self._query("SELECT VERSION()")[0][0])
        number = tuple(int(part) for part in text.split("-")[0].split(".") if part.isdigit())
        return Version("mariadb" in text.lower(), number)

    def host_of(self, user: str) -> str:
        """Return from where *user* may log in: the host part of its account.

        Raises:
            DatabaseError: there is no such account, or more than one
        """
        hosts = [str(row[0]) for row in self._query("SELECT Host FROM mysql.user WHERE User = %s", user)]
        if len(hosts) != 1:
            raise RotationDatabaseError(
                f"{self.endpoint} has {len(hosts)} accounts called {user}, not one",
                "deploy the data layer, whose bootstrap makes the app's users"
                if not hosts
                else f"drop all but {user}@'%'",
            )
        return hosts[0]

    def set_password(self, user: str, password: str) -> None:
        """Make *password* the one of *user*; a second one that MySQL retained stays valid."""
        self._query("ALTER USER %s@%s IDENTIFIED BY %s", user, self.host_of(user), password)

    def add_password(self, user: str, old: str, new: str) -> None:
        """Make *new* valid for *user* beside *old*, and nothing else.

        It can be repeated with another *new*: the one between is forgotten, and *old* stays valid throughout.

        https://dev.mysql.com/doc/refman/8.4/en/password-management.html#dual-passwords,
        https://mariadb.com/kb/en/authentication-from-mariadb-104/
        """
        host = self.host_of(user)
        if self.version().mariadb:
            self._query(
                "ALTER USER %s@%s IDENTIFIED VIA mysql_native_password USING PASSWORD(%s)"
                " OR mysql_native_password USING PASSWORD(%s)",
                *(user, host, new, old),
            )
            return
        # RETAIN keeps the first password as the second. After a run that died, the first may be one that
        # nobody knows and the second the old one; so the old one is made the first again before.
        self._query("ALTER USER %s@%s IDENTIFIED BY %s", user, host, old)
        self._query("ALTER USER %s@%s IDENTIFIED BY %s RETAIN CURRENT PASSWORD", user, host, new)

    def keep_only(self, user: str, password: str) -> None:
        """Make *password* the only one of *user*."""
        self.set_password(user, password)
        if not self.version().mariadb:
            self._query("ALTER USER %s@%s DISCARD OLD PASSWORD", user, self.host_of(user))

    def _query(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall())
        except pymysql.MySQLError as error:
            verb = " ".join(statement.split()[:2])
            # MySQL quotes the statement in its message, password and all: only the code is passed on.
            number = error.args[0] if error.args else type(error).__name__
            raise RotationDatabaseError(
                f"{self.endpoint} refused {verb} (error {number})",
                "look that code up in MySQL's error reference",
            ) from None


def _refused(error: Exception, endpoint: Endpoint, user: str) -> BeanvaultError:
    number = error.args[0] if error.args else None
    if number in (ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR):
        return DatabaseLoginRefused(
            f"{endpoint} refused the login of {user} (error {number})",
            "check that the user exists, may use the schema, and has this password",
        )
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate" in text:
        return Unreachable(
            f"{endpoint} has a certificate that isn't its own, or of an unknown authority",
            "name the authority's file; a tunnel needs the database's real name as the host",
        )
    if number == CR.CR_CONN_HOST_ERROR or isinstance(error, OSError):
        return Unreachable(
            f"{endpoint} didn't answer ({type(error).__name__})",
            "it lies in isolated subnets: run this inside the VPC, or open a tunnel and name it with --via",
        )
    return RotationDatabaseError(f"{endpoint} refused the connection of {user} (error {number})")
