"""Story of eb_app/database_login.py.

Without TLS and a verified certificate there is no connection to the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from eb_app.credentials import Credential
from eb_app.database_login import DatabaseServer, log_in, tls_context
from eb_app.errors import DatabaseMisconfigured, LoginRefused
from testbed.servers.authority import Authority
from testbed.servers.mariadb import MariaDB, engine
from testbed.servers.process import Process, free_port

from .conftest import World


@pytest.mark.parametrize("password", ["one", "wrong"])
def test_mariadb_refuses_plain_text_with_the_error_of_a_wrong_password(world: World, password: str) -> None:
    """Both are error 1045, so the number alone does not distinguish them."""
    with pytest.raises(pymysql.OperationalError) as raised:
        pymysql.connect(
            host=world.mariadb.host,
            port=world.mariadb.port,
            user=world.blue,
            password=password,
            ssl_disabled=True,
        )
    assert raised.value.args[0] == 1045


def test_the_session_has_tls_version_and_cipher(world: World) -> None:
    """As the database reports them."""
    session = world.database(world.credentials()).probe()
    assert session.tls_version in ("TLSv1.2", "TLSv1.3")
    assert "GCM" in session.tls_cipher or "CHACHA20" in session.tls_cipher


def test_an_unknown_authority_is_refused_before_the_password_is_sent(world: World, tmp_path: Path) -> None:
    """The error names the settings to check, and no newer credential is requested."""
    unknown = Authority(tmp_path / "unknown")
    credentials = world.credentials()
    with pytest.raises(DatabaseMisconfigured, match="BEANVAULT_DATABASE_CA_FILE"):
        world.database(credentials, ca_file=unknown.ca_file).probe()
    assert credentials.health().state == "current"


def test_a_host_name_that_is_not_in_the_certificate_is_refused(world: World) -> None:
    """Otherwise any server with a certificate of the same authority could pose as the database."""
    server = DatabaseServer(
        "127.1", world.mariadb.port, world.schema
    )  # resolves to the server, and is not in the certificate
    with pytest.raises(DatabaseMisconfigured, match=r"127\.1"):
        log_in(server, Credential(world.blue, "v", b"one"), tls_context(world.mariadb.ca_file), 10)


def test_an_incomplete_certificate_is_refused_in_words(tmp_path: Path) -> None:
    """Whatever Python runs the app: 3.13 and later refuse it by default, RDS's own are complete."""
    incomplete = Authority(tmp_path / "incomplete", strict=False)
    server = MariaDB.start(tmp_path, incomplete)
    with server.admin() as admin, admin.cursor() as cursor:
        cursor.execute("CREATE USER somebody")  # otherwise MySQL refuses the address before TLS
    try:
        with pytest.raises(DatabaseMisconfigured, match="keyUsage") as raised:
            log_in(
                DatabaseServer(server.host, server.port, "app"),
                Credential("app", "v", b"one"),
                tls_context(incomplete.ca_file),
                10,
            )
    finally:
        server.stop()
    assert "authorityKeyIdentifier" in str(raised.value)


@pytest.fixture
def without_tls(tmp_path: Path) -> Iterator[MariaDB]:
    """A server without TLS configuration."""
    first = MariaDB.start(tmp_path, Authority(tmp_path / "authority"))
    first.stop()
    port = free_port()
    command = tuple(
        f"--port={port}" if str(word).startswith("--port=") else word
        for word in first.command
        if not str(word).startswith(("--ssl", "--tls", "--require"))
    )
    process = Process.start(
        "the database without TLS", (*command, engine().without_tls), tmp_path / "without.log"
    )
    server = replace(first, port=port, command=command, process=process)
    process.wait_until(server._answers)
    yield server
    server.stop()


def test_a_server_without_tls_is_not_a_refused_login(without_tls: MariaDB) -> None:
    """The password is never sent, and the error isn't that of a stale password."""
    with without_tls.admin() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA app")
        cursor.execute("CREATE USER app IDENTIFIED BY 'one'")
        cursor.execute("GRANT ALL ON app.* TO app")
    server = DatabaseServer(without_tls.host, without_tls.port, "app")
    for password in (b"one", b"stale"):
        with pytest.raises(DatabaseMisconfigured, match="offers no TLS") as raised:
            log_in(server, Credential("app", "v", password), tls_context(without_tls.ca_file), 10)
        assert not isinstance(raised.value, LoginRefused)
