"""The schema and the accounts of the application, in SQL that MySQL 8.4 and MariaDB 10.11 take.

Every statement can be repeated: nothing is dropped, and a password or a privilege that is there stays.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

# The app migrates its own tables, so it may change them; nothing outside of its schema.
PRIVILEGES = "ALTER, CREATE, DELETE, DROP, INDEX, INSERT, REFERENCES, SELECT, UPDATE"
_PLUGIN_IS_NOT_LOADED = 1524  # PyMySQL has no name for it
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


class BootstrapError(Exception):
    """The database can't be set up as it was asked for; the message says what to change."""


@dataclass(frozen=True, slots=True)
class DesiredAccounts:
    """What shall be there."""

    schema: str
    users: tuple[str, ...]
    """Log in with a password that somebody sets later; until then nobody knows one."""
    iam_user: str
    """Logs in with a token of IAM."""

    def __post_init__(self) -> None:
        for name in (self.schema, *self.users, self.iam_user):
            # Names can't be parameters of these statements, so nothing else may come in here.
            if not _NAME.fullmatch(name):
                raise BootstrapError(f"{name!r} is no name for a schema or user; use a to z, 0 to 9 and _")


@dataclass(frozen=True, slots=True)
class BootstrapReport:
    """What there was to do."""

    created: tuple[str, ...]
    """Users that weren't there before."""
    iam_user: bool
    """Whether the user for IAM tokens exists; the plugin for it is there on RDS for MySQL only."""


def set_up(connection: Connection[Cursor], wanted: DesiredAccounts) -> BootstrapReport:
    """Create what is missing of *wanted*.

    Raises:
        pymysql.MySQLError: what the database refuses.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{wanted.schema}` CHARACTER SET utf8mb4")
        before = _existing(cursor, (*wanted.users, wanted.iam_user))
        for user in wanted.users:
            # Known to nobody: it is neither kept nor shown, and the first rotation replaces it.
            unknown = secrets.token_urlsafe(32)
            cursor.execute(
                f"CREATE USER IF NOT EXISTS '{user}'@'%%' IDENTIFIED BY %s REQUIRE SSL", (unknown,)
            )
            _confine(cursor, user, wanted.schema)
        iam_user = wanted.iam_user in before or _create_iam_user(cursor, wanted.iam_user)
        if iam_user:
            _confine(cursor, wanted.iam_user, wanted.schema)
        after = _existing(cursor, (*wanted.users, wanted.iam_user))
    return BootstrapReport(created=tuple(sorted(after - before)), iam_user=iam_user)


def _existing(cursor: Cursor, users: Sequence[str]) -> set[str]:
    cursor.execute("SELECT User FROM mysql.user WHERE Host = '%%' AND User IN %s", (tuple(users),))
    return {str(row[0]) for row in cursor.fetchall()}


def _confine(cursor: Cursor, user: str, schema: str) -> None:
    """Demand TLS of the user, also where somebody made it before us, and grant the schema."""
    cursor.execute(f"ALTER USER '{user}'@'%' REQUIRE SSL")
    cursor.execute(f"GRANT {PRIVILEGES} ON `{schema}`.* TO '{user}'@'%'")


def _create_iam_user(cursor: Cursor, user: str) -> bool:
    """Create the user for IAM tokens and return whether the server has the plugin for it.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.DBAccounts.html
    """
    cursor.execute("SELECT VERSION()")
    row = cursor.fetchone()
    if row is None or "mariadb" in str(row[0]).lower():
        return False  # MariaDB doesn't know the syntax either
    try:
        cursor.execute(f"CREATE USER '{user}'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'")
    except pymysql.MySQLError as error:
        if error.args[0] == _PLUGIN_IS_NOT_LOADED:
            return False
        raise
    return True
