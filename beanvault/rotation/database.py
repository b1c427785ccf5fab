"""The database server as rotation uses it: always over TLS, with a verified certificate and host name."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CR, ER
from pymysql.cursors import Cursor

from ..errors import BeanvaultError, Denied, Unreachable
from ..host_port import join_host_port
from .credential import DatabaseCredential

CONNECT_TIMEOUT_SECONDS = 10
STATEMENT_TIMEOUT_SECONDS = 30
STRICT_RULES = range(80, 94)
"""OpenSSL's codes for what only `VERIFY_X509_STRICT` refuses: extensions that RFC 5280 requires.

https://github.com/openssl/openssl/blob/master/include/openssl/x509_vfy.h.in
"""
MAX_LOCK_NAME = 64
"""MySQL's limit for the name of a lock, in characters."""


class RotationDatabaseError(BeanvaultError):
    """The database refused a statement; the message holds its error code and never the statement."""


class RotationInProgress(BeanvaultError):
    """Another rotation has the lock."""


class DatabaseLoginRefused(Denied):
    """The database refuses this user with this password."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The database's address, and the authority that its certificate must come from."""

    host: str
    """Its certificate must be for this name."""
    port: int
    ca_file: Path
    """PEM."""
    via: tuple[str, int] | None = None
    """The local end of a tunnel to the database (SSM port forwarding). The certificate is still verified
    against *host*."""

    def __str__(self) -> str:
        return join_host_port(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Version:
    """The server's product and version."""

    mariadb: bool
    number: tuple[int, ...]

    @property
    def dual_passwords(self) -> bool:
        """Whether a user can have two passwords: MySQL 8.0.14 or later; MariaDB 10.4 with two methods."""
        return self.number >= ((10, 4) if self.mariadb else (8, 0, 14))


@contextmanager
def connected(
    endpoint: Endpoint, credential: DatabaseCredential, schema: str | None = None
) -> Iterator[DatabaseSession]:
    """Log in over TLS.

    Raises:
        DatabaseLoginRefused: user or password is wrong
        Unreachable: no answer, or a certificate that is not *endpoint*'s
    """
    connection: Connection[Cursor] = pymysql.connect(
        host=endpoint.host,
        port=endpoint.port,
        user=credential.username,
        password=credential.password,
        database=schema,
        ssl=_tls(endpoint.ca_file),
        read_timeout=STATEMENT_TIMEOUT_SECONDS,
        write_timeout=STATEMENT_TIMEOUT_SECONDS,
        autocommit=True,
        defer_connect=True,
    )
    try:
        plain = socket.create_connection(
            endpoint.via or (endpoint.host, endpoint.port), CONNECT_TIMEOUT_SECONDS
        )
        connection.connect(plain)
    except (pymysql.MySQLError, OSError) as error:
        raise _connection_error(
            error, endpoint, credential.username
        ) from None  # the cause can quote what was sent
    try:
        session = DatabaseSession(connection, endpoint)
        session.require_tls()
        yield session
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class DatabaseSession:
    """One login."""

    _connection: Connection[Cursor]
    endpoint: Endpoint

    def require_tls(self) -> None:
        """Check that the connection is encrypted.

        Raises:
            RotationDatabaseError: the connection isn't encrypted
        """
        rows = self._query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        if not rows or not rows[0][1]:
            raise RotationDatabaseError(
                f"{self.endpoint} accepted a login without TLS", "require TLS on the server"
            )

    def lock_rotation(self, schema: str) -> None:
        """Keep other rotations of *schema* out until this session ends; no effect if it has the lock already.

        The server releases the lock however the session ends, so a run that died can't block the next one.

        https://dev.mysql.com/doc/refman/8.4/en/locking-functions.html, https://mariadb.com/kb/en/get_lock/

        Raises:
            RotationInProgress: another session has the lock
        """
        name = f"beanvault-rotate {schema}"[:MAX_LOCK_NAME]
        if self._query("SELECT GET_LOCK(%s, 0)", name)[0][0] != 1:
            raise RotationInProgress(
                f"another rotation is in progress on {self.endpoint}", "try again when it has ended"
            )

    def version(self) -> Version:
        text = str(self._query("SELECT VERSION()")[0][0])
        number = tuple(int(part) for part in text.split("-")[0].split(".") if part.isdigit())
        return Version("mariadb" in text.lower(), number)

    def host_of(self, user: str) -> str:
        """Return the host part of *user*'s account: from where it can log in.

        Raises:
            RotationDatabaseError: there is no such account, or more than one
        """
        hosts = [str(row[0]) for row in self._query("SELECT Host FROM mysql.user WHERE User = %s", user)]
        if len(hosts) != 1:
            raise RotationDatabaseError(
                f"{self.endpoint} has {len(hosts)} accounts called {user}, not one",
                "run `beanvault deploy data`, which creates the app's users"
                if not hosts
                else f"drop all but {user}@'%'",
            )
        return hosts[0]

    def set_password(self, user: str, password: str) -> None:
        """Replace *user*'s password; a second one that MySQL retained stays valid."""
        self._query("ALTER USER %s@%s IDENTIFIED BY %s", user, self.host_of(user), password)

    def add_password(self, user: str, old: str, new: str) -> None:
        """Make *new* and *old* valid for *user*, and no other password.

        It can be repeated with another *new*: the one in between ends, and *old* stays valid throughout.

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
        # RETAIN keeps the primary password as the secondary one. After a run that died, the primary one can
        # be a password that was never published, so the old one first becomes the primary one again.
        self._query("ALTER USER %s@%s IDENTIFIED BY %s", user, host, old)
        self._query("ALTER USER %s@%s IDENTIFIED BY %s RETAIN CURRENT PASSWORD", user, host, new)

    def keep_only(self, user: str, password: str) -> None:
        """Make *password* the only one of *user*."""
        self.set_password(user, password)
        if not self.version().mariadb:
            self._query("ALTER USER %s@%s DISCARD OLD PASSWORD", user, self.host_of(user))

    def _query(self, statement: str, *values: str) -> list[tuple[object, ...]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall())
        except pymysql.MySQLError as error:
            command = " ".join(statement.split()[:2])
            # MySQL's message quotes the statement with the password in it: only the code is passed on.
            number = error.args[0] if error.args else type(error).__name__
            raise RotationDatabaseError(
                f"{self.endpoint} refused {command} (error {number})",
                "see the code in MySQL's error reference",
            ) from None


def _tls(ca_file: Path) -> ssl.SSLContext:
    """Return a context that verifies authority and name, as strictly on every Python as 3.13 does by default.

    PyMySQL is not strict with a context that it creates itself.
    """
    context = ssl.create_default_context(cafile=str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _connection_error(error: Exception, endpoint: Endpoint, user: str) -> BeanvaultError:
    number = error.args[0] if error.args else None
    if number in (ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR):
        return DatabaseLoginRefused(
            f"{endpoint} refused the login of {user} (error {number})",
            "check that the user exists, has this password, and has privileges on the schema",
        )
    untrusted = getattr(error, "original_exception", None)
    if isinstance(untrusted, ssl.SSLCertVerificationError):
        strict = untrusted.verify_code in STRICT_RULES
        return Unreachable(
            f"{endpoint}'s certificate is not trusted: {untrusted.verify_message}",
            "issue it, and its authority's, with the extensions basicConstraints (critical), keyUsage, "
            "subjectKeyIdentifier and authorityKeyIdentifier"
            if strict
            else "name the authority's file with --ca-file; reach a tunnel with --via, not with another host",
        )
    if number == CR.CR_CONN_HOST_ERROR or isinstance(error, OSError):
        return Unreachable(
            f"{endpoint} didn't answer ({type(error).__name__})",
            "it is in isolated subnets: run this inside the VPC, or open a tunnel and name it with --via",
        )
    return RotationDatabaseError(f"{endpoint} refused the connection of {user} (error {number})")
