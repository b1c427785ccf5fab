"""The bootstrap against a real server: what it makes, what it leaves alone, and over what it talks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from bootstrap.accounts import BootstrapReport, DesiredAccounts, set_up
from bootstrap.handler import Master, connected
from testbed.servers.authority import Authority
from testbed.servers.mariadb import MariaDB

WANTED = DesiredAccounts("app", ("app_blue", "app_green"), "app_iam")
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
    """The server without anything the bootstrap makes."""
    yield server
    with server.admin() as admin, admin.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS app")
        for user in (*WANTED.users, WANTED.iam_user):
            cursor.execute(f"DROP USER IF EXISTS '{user}'@'%'")


def run(server: MariaDB) -> BootstrapReport:
    with connected(server.host, server.port, MASTER, server.ca_file) as connection:
        return set_up(connection, WANTED)


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


def test_creates_the_users_and_reports_the_one_for_iam_as_left_out(fresh: MariaDB) -> None:
    """MariaDB has no plugin for IAM tokens, which must not stop the others."""
    assert run(fresh) == BootstrapReport(created=("app_blue", "app_green"), iam_user=False)


def test_a_second_run_creates_nothing_and_keeps_passwords(fresh: MariaDB) -> None:
    """A rotated password survives every later deployment of the stack."""
    run(fresh)
    give_password(fresh, "app_blue", "rotated")
    assert run(fresh) == BootstrapReport(created=(), iam_user=False)
    login(fresh, "app_blue", "rotated", fresh.ca_file).close()


def test_users_reach_their_schema_and_no_other(fresh: MariaDB) -> None:
    """The app migrates and uses its tables; the server's own stay closed to it."""
    run(fresh)
    give_password(fresh, "app_green", "known")
    with login(fresh, "app_green", "known", fresh.ca_file) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE app.entry (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO app.entry VALUES (1)")
        cursor.execute("SHOW DATABASES")
        # MySQL shows everybody that it has a performance schema.
        assert {row[0] for row in cursor.fetchall()} - {"performance_schema"} == {"app", "information_schema"}
        for forbidden in ("SELECT * FROM mysql.user", "CREATE DATABASE other", "CREATE USER x@'%'"):
            with pytest.raises(pymysql.MySQLError):
                cursor.execute(forbidden)


def test_users_have_to_come_over_tls(fresh: MariaDB) -> None:
    """The account itself demands it, whatever the server's own setting is."""
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


def test_a_user_made_by_hand_is_brought_under_the_rules(fresh: MariaDB) -> None:
    """Somebody typed SQL before us: password kept, TLS demanded, schema granted."""
    with fresh.admin() as admin, admin.cursor() as cursor:
        cursor.execute("CREATE USER app_blue@'%' IDENTIFIED BY 'by hand'")
    assert run(fresh).created == ("app_green",)
    with fresh.admin() as admin, admin.cursor() as cursor:
        cursor.execute("SELECT ssl_type FROM mysql.user WHERE User = 'app_blue'")
        assert cursor.fetchone() in (("ANY",), (b"ANY",))
    assert "ON `app`.*" in grants(fresh, "app_blue")
    login(fresh, "app_blue", "by hand", fresh.ca_file).close()


def test_nobody_logs_in_without_a_rotation(fresh: MariaDB) -> None:
    """Neither without a password nor with a guess at the obvious ones."""
    run(fresh)
    for guess in ("", "app_blue", MASTER.password):
        with pytest.raises(pymysql.OperationalError):
            login(fresh, "app_blue", guess, fresh.ca_file)


def test_a_server_of_another_authority_gets_no_password(fresh: MariaDB, tmp_path: Path) -> None:
    """The certificate is verified before the login, and a wrong one is not tried again."""
    waits: list[float] = []
    stranger = Authority(tmp_path / "stranger")
    with (
        pytest.raises(pymysql.OperationalError, match="CERTIFICATE_VERIFY_FAILED"),
        connected(fresh.host, fresh.port, MASTER, stranger.ca_file, sleep=waits.append),
    ):
        pass
    assert waits == []


def test_a_refused_login_is_not_tried_again(fresh: MariaDB) -> None:
    """A wrong password stays wrong, and trying on would look like an attack."""
    waits: list[float] = []
    wrong = Master(MASTER.username, "wrong")
    with (
        pytest.raises(pymysql.OperationalError, match="1045"),
        connected(fresh.host, fresh.port, wrong, fresh.ca_file, sleep=waits.append),
    ):
        pass
    assert waits == []
