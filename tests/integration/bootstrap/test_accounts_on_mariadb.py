"""Story of bootstrap/accounts.py and bootstrap/handler.py.

The bootstrap against a real server: what it creates, what it keeps, and TLS.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from bootstrap.accounts import BootstrapError, BootstrapReport, DesiredAccounts, set_up
from bootstrap.handler import Master, connected
from testbed.servers.authority import Authority
from testbed.servers.mariadb import MariaDB

DESIRED = DesiredAccounts("app", ("app_blue", "app_green"), "app_iam")
MASTER = Master("beanvault_master", "a master's password")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    directory = tmp_path_factory.mktemp("bootstrap")
    server = MariaDB.start(directory, Authority(directory / "authority"))
    try:
        with server.admin() as admin, admin.cursor() as cursor:
            cursor.execute(f"CREATE USER {MASTER.username}@'%%' IDENTIFIED BY %s", (MASTER.password,))
            cursor.execute(f"GRANT ALL ON *.* TO {MASTER.username}@'%' WITH GRANT OPTION")
        yield server
    finally:
        server.stop()


@pytest.fixture
def fresh(server: MariaDB) -> Iterator[MariaDB]:
    """The server without the bootstrap's schema and users."""
    yield server
    with server.admin() as admin, admin.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS app")
        for user in (*DESIRED.users, DESIRED.iam_user):
            cursor.execute(f"DROP USER IF EXISTS '{user}'@'%'")


def run(server: MariaDB) -> BootstrapReport:
    with connected(server.host, server.port, MASTER, server.ca_file) as connection:
        return set_up(connection, DESIRED)


def grants(server: MariaDB, user: str) -> str:
    with server.admin() as admin, admin.cursor() as cursor:
        cursor.execute(f"SHOW GRANTS FOR '{user}'@'%'")
        return "\n".join(str(row[0]) for row in cursor.fetchall())


def login(server: MariaDB, user: str, password: str, ca_file: Path | None) -> Connection[Cursor]:
    return pymysql.connect(
        host=server.host,
        port=server.port,
        user=user,
        password=password,
        ssl_disabled=ca_file is None,
        ssl_ca=str(ca_file) if ca_file else None,
        ssl_verify_identity=ca_file is not None,
    )


def give_password(server: MariaDB, user: str, password: str) -> None:
    with server.admin() as admin, admin.cursor() as cursor:
        cursor.execute(f"ALTER USER '{user}'@'%%' IDENTIFIED BY %s", (password,))


def test_an_incomplete_certificate_is_refused_in_words(tmp_path: Path) -> None:
    """The reason in the stack's events names what is missing, on every Python."""
    incomplete = Authority(tmp_path / "incomplete", strict=False)
    server = MariaDB.start(tmp_path, incomplete)
    with server.admin() as admin, admin.cursor() as cursor:
        cursor.execute("CREATE USER somebody")  # otherwise MySQL refuses the address before TLS
    try:
        with (
            pytest.raises(BootstrapError, match=r"certificate.*keyUsage"),
            connected(server.host, server.port, MASTER, incomplete.ca_file),
        ):
            pass
    finally:
        server.stop()


def test_the_users_are_created_and_the_iam_user_is_reported_as_missing(fresh: MariaDB) -> None:
    """MariaDB has no plugin for IAM tokens, which must not prevent the other users."""
    assert run(fresh) == BootstrapReport(created=("app_blue", "app_green"), iam_user=False)


def test_a_second_run_creates_nothing_and_keeps_passwords(fresh: MariaDB) -> None:
    """A rotated password survives every later deployment of the stack."""
    run(fresh)
    give_password(fresh, "app_blue", "rotated")
    assert run(fresh) == BootstrapReport(created=(), iam_user=False)
    login(fresh, "app_blue", "rotated", fresh.ca_file).close()


def test_users_can_access_their_schema_only(fresh: MariaDB) -> None:
    """The app migrates and uses its tables, and can't read the server's own."""
    run(fresh)
    give_password(fresh, "app_green", "known")
    with login(fresh, "app_green", "known", fresh.ca_file) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE app.entry (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO app.entry VALUES (1)")
        cursor.execute("SHOW DATABASES")
        # MySQL shows the performance schema to every user.
        assert {row[0] for row in cursor.fetchall()} - {"performance_schema"} == {"app", "information_schema"}
        for forbidden in ("SELECT * FROM mysql.user", "CREATE DATABASE other", "CREATE USER x@'%'"):
            with pytest.raises(pymysql.MySQLError):
                cursor.execute(forbidden)


def test_users_must_use_tls(fresh: MariaDB) -> None:
    """The account itself requires it, whatever the server's setting is."""
    run(fresh)
    give_password(fresh, "app_blue", "known")
    with fresh.admin() as admin, admin.cursor() as cursor:
        cursor.execute("SET GLOBAL require_secure_transport = OFF")
    try:
        with pytest.raises(pymysql.OperationalError):
            login(fresh, "app_blue", "known", None)
        login(fresh, "app_blue", "known", fresh.ca_file).close()
    finally:
        with fresh.admin() as admin, admin.cursor() as cursor:
            cursor.execute("SET GLOBAL require_secure_transport = ON")


def test_an_existing_user_keeps_its_password_and_must_use_tls(fresh: MariaDB) -> None:
    """A user that was created by hand: password kept, TLS required, schema granted."""
    with fresh.admin() as admin, admin.cursor() as cursor:
        cursor.execute("CREATE USER app_blue@'%' IDENTIFIED BY 'by hand'")
    assert run(fresh).created == ("app_green",)
    with fresh.admin() as admin, admin.cursor() as cursor:
        cursor.execute("SELECT ssl_type FROM mysql.user WHERE User = 'app_blue'")
        assert cursor.fetchone() in (("ANY",), (b"ANY",))
    assert "ON `app`.*" in grants(fresh, "app_blue")
    login(fresh, "app_blue", "by hand", fresh.ca_file).close()


def test_no_login_is_possible_before_the_first_rotation(fresh: MariaDB) -> None:
    """Neither without a password nor with an obvious one."""
    run(fresh)
    for guess in ("", "app_blue", MASTER.password):
        with pytest.raises(pymysql.OperationalError):
            login(fresh, "app_blue", guess, fresh.ca_file)


def test_a_server_of_another_authority_receives_no_password(fresh: MariaDB, tmp_path: Path) -> None:
    """The certificate is verified before the login, and an untrusted one is not retried."""
    waits: list[float] = []
    unknown = Authority(tmp_path / "unknown")
    with (
        pytest.raises(BootstrapError, match=r"self-signed certificate.*ca_file"),
        connected(fresh.host, fresh.port, MASTER, unknown.ca_file, sleep=waits.append),
    ):
        pass
    assert waits == []


def test_a_refused_login_is_not_retried(fresh: MariaDB) -> None:
    """A wrong password stays wrong, and repeated attempts look like an attack."""
    waits: list[float] = []
    wrong = Master(MASTER.username, "wrong")
    with (
        pytest.raises(pymysql.OperationalError, match="1045"),
        connected(fresh.host, fresh.port, wrong, fresh.ca_file, sleep=waits.append),
    ):
        pass
    assert waits == []
