"""The app's schema and database accounts, in SQL for MySQL 8.4 and MariaDB 10.11.

Every statement can be repeated: nothing is dropped, and existing passwords and privileges are kept.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

# The app migrates its own tables, so it can change them, and nothing outside its schema.
PRIVILEGES = "ALTER, CREATE, DELETE, DROP, INDEX, INSERT, REFERENCES, SELECT, UPDATE"
_PLUGIN_IS_NOT_LOADED = 1524  # PyMySQL has no name for it
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


class BootstrapError(Exception):
    """The accounts could not be created; the message says what to change."""


@dataclass(frozen=True, slots=True)
class DesiredAccounts:
    """The schema and the accounts to create."""

    schema: str
    users: tuple[str, ...]
    """They log in with a password, which is set by the first rotation."""
    iam_user: str
    """It logs in with an IAM token."""

    def __post_init__(self) -> None:
        for name in (self.schema, *self.users, self.iam_user):
            # Names can't be parameters of these statements: anything else could inject SQL.
            if not _NAME.fullmatch(name):
                raise BootstrapError(f"{name!r} is not a valid schema or user name; use a to z, 0 to 9 and _")


@dataclass(frozen=True, slots=True)
class BootstrapReport:
    """The result of a bootstrap."""

    created: tuple[str, ...]
    """Users that did not exist before."""
    iam_user: bool
    """Whether the user for IAM tokens exists; only RDS for MySQL has the plugin for it."""


def set_up(connection: Connection[Cursor], desired: DesiredAccounts) -> BootstrapReport:
    """Create the missing accounts of *desired*.

    Raises:
        pymysql.MySQLError: the database refused a statement
    """
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{desired.schema}` CHARACTER SET utf8mb4")
        before = _existing(cursor, (*desired.users, desired.iam_user))
        for user in desired.users:
            # Neither stored nor shown: the first rotation replaces it.
            unknown = secrets.token_urlsafe(32)
            cursor.execute(
                f"CREATE USER IF NOT EXISTS '{user}'@'%%' IDENTIFIED BY %s REQUIRE SSL", (unknown,)
            )
            _restrict(cursor, user, desired.schema)
        iam_user = desired.iam_user in before or _create_iam_user(cursor, desired.iam_user)
        if iam_user:
            _restrict(cursor, desired.iam_user, desired.schema)
        after = _existing(cursor, (*desired.users, desired.iam_user))
    return BootstrapReport(created=tuple(sorted(after - before)), iam_user=iam_user)


def _existing(cursor: Cursor, users: Sequence[str]) -> set[str]:
    cursor.execute("SELECT User FROM mysql.user WHERE Host = '%%' AND User IN %s", (tuple(users),))
    return {str(row[0]) for row in cursor.fetchall()}


def _restrict(cursor: Cursor, user: str, schema: str) -> None:
    """Require TLS of the user, also of one that existed before, and grant the schema."""
    cursor.execute(f"ALTER USER '{user}'@'%' REQUIRE SSL")
    cursor.execute(f"GRANT {PRIVILEGES} ON `{schema}`.* TO '{user}'@'%'")


def _create_iam_user(cursor: Cursor, user: str) -> bool:
    """Create the user for IAM tokens and return whether the server has the plugin for it.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.DBAccounts.html
    """
    cursor.execute("SELECT VERSION()")
    row = cursor.fetchone()
    if row is None or "mariadb" in str(row[0]).lower():
        return False  # MariaDB doesn't have the syntax, either
    try:
        cursor.execute(f"CREATE USER '{user}'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'")
    except pymysql.MySQLError as error:
        if error.args[0] == _PLUGIN_IS_NOT_LOADED:
            return False
        raise
    return True
