"""The connection to the database is encrypted, and to the server that was meant, or there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from eb_app.credentials import Credential
from eb_app.errors import DatabaseMisconfigured, LoginRefused
from eb_app.login import DatabaseServer, log_in, tls_context
from testbed.servers.authority import Authority
from testbed.servers.mariadb import MariaDB, engine
from testbed.servers.process import Process, free_port

from .conftest import World


@pytest.mark.parametrize("password", ["one", "wrong"])
def test_clear_text_is_refused_as_a_wrong_password_is(world: World, password: str) -> None:
    """The fact behind it all: both are error 1045, so the number alone says nothing."""
    with pytest.raises(pymysql.OperationalError) as raised:
        pymysql.connect(
            host=world.mariadb.host,
            port=world.mariadb.port,
            user=world.blue,
            password=password,
            ssl_disabled=True,
        )
    assert raised.value.args[0] == 1045


def test_the_session_tells_version_and_cipher(world: World) -> None:
    """As the database sees it."""
    session = world.database(world.credentials()).probe()
    assert session.tls_version in ("TLSv1.2", "TLSv1.3")
    assert "GCM" in session.tls_cipher or "CHACHA20" in session.tls_cipher


def test_an_authority_that_is_not_ours_is_refused_before_the_password_is_sent(
    world: World, tmp_path: Path
) -> None:
    """The error names the settings to check, and nobody is asked for a newer credential."""
    stranger = Authority(tmp_path / "stranger")
    credentials = world.credentials()
    with pytest.raises(DatabaseMisconfigured, match="BEANVAULT_DATABASE_CA_FILE"):
        world.database(credentials, ca_file=stranger.ca_file).probe()
    assert credentials.health().state == "current"


def test_another_name_than_the_certificate_has_is_refused(world: World) -> None:
    """Our authority alone isn't enough: any server that it vouches for could then pose as the database."""
    server = DatabaseServer(
        "127.1", world.mariadb.port, world.schema
    )  # leads there too, and isn't in the certificate
    with pytest.raises(DatabaseMisconfigured, match=r"127\.1"):
        log_in(server, Credential(world.blue, "v", b"one"), tls_context(world.mariadb.ca_file))


@pytest.fixture
def without_tls(tmp_path: Path) -> Iterator[MariaDB]:
    """A server that lost its TLS configuration, on the data of one that had it."""
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
            log_in(server, Credential("app", "v", password), tls_context(without_tls.ca_file))
        assert not isinstance(raised.value, LoginRefused)
