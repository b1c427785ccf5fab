"""A schema, two database users and a secret for each test; the app in this process."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import botocore.session
import pymysql
import pytest
from botocore.config import Config
from flask import Flask
from werkzeug.test import TestResponse

from eb_app.credentials import Credentials, SecretCredentials
from eb_app.database import DatabasePool
from eb_app.database_login import DatabaseServer
from eb_app.instance import InstanceIdentity
from eb_app.migrate import migrate
from eb_app.web import create_app
from testbed.servers.localaws import OPERATOR, REGION, LocalAws
from testbed.servers.mariadb import MariaDB

from . import instance
from .instance import Running

Boot = Callable[..., Running]


def aws_client(service: str, endpoint: str) -> Any:
    """Return a client as the app makes it: short time-outs, few retries."""
    session = botocore.session.get_session()
    return session.create_client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id=OPERATOR["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=OPERATOR["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            connect_timeout=1, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1}
        ),
    )


@contextlib.contextmanager
def suspended(mariadb: MariaDB) -> Iterator[None]:
    """Suspend the server's process: the kernel accepts connections, and nothing answers them."""
    mariadb.process.popen.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        mariadb.process.popen.send_signal(signal.SIGCONT)


@dataclass
class World:
    """The servers and the data of one test."""

    mariadb: MariaDB
    aws: LocalAws
    schema: str
    secret: str
    blue: str
    green: str
    _closing: list[Callable[[], None]] = field(default_factory=list)

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run *statements* as root, and return the rows of the last."""
        with self.mariadb.admin() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def create_user(self, user: str, password: str) -> None:
        """Create *user*, or recreate it with another password."""
        self.sql(
            f"DROP USER IF EXISTS '{user}'@'%'",
            f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}' REQUIRE SSL",
            f"GRANT ALL ON `{self.schema}`.* TO '{user}'@'%'",
        )

    def change_password(self, user: str, password: str) -> None:
        """Change the password as Vault's database engine does; open connections stay open."""
        self.sql(f"ALTER USER '{user}'@'%' IDENTIFIED BY '{password}'")

    def publish(self, user: str, password: str) -> str:
        """Make a login current in Secrets Manager, as the replicator does."""
        text = json.dumps({"username": user, "password": password})
        answer = self.aws.client("secretsmanager").put_secret_value(SecretId=self.secret, SecretString=text)
        return str(answer["VersionId"])

    def kill_connections(self) -> int:
        """End every connection of the app, and return their number."""
        found = self.sql(
            f"SELECT id FROM information_schema.processlist WHERE user IN ('{self.blue}', '{self.green}')"
        )
        for (number,) in found:
            with contextlib.suppress(pymysql.OperationalError):  # it may have ended just now
                self.sql(f"KILL {number}")
        return len(found)

    def connections(self) -> int:
        (row,) = self.sql(
            "SELECT COUNT(*) FROM information_schema.processlist "
            f"WHERE user IN ('{self.blue}', '{self.green}')"
        )
        return int(row[0])

    def credentials(
        self,
        ttl_seconds: int = 1,
        request_replication: Callable[[], None] | None = None,
        endpoint: str | None = None,
    ) -> SecretCredentials:
        client = aws_client("secretsmanager", endpoint or self.aws.endpoint)
        credentials = SecretCredentials(
            self.secret, client, ttl_seconds=ttl_seconds, request_replication=request_replication
        )
        self._closing.append(credentials.close)
        return credentials

    def database(self, credentials: Credentials, port: int | None = None, **options: Any) -> DatabasePool:
        server = DatabaseServer(self.mariadb.host, port or self.mariadb.port, self.schema)
        defaults: dict[str, Any] = {
            "ca_file": self.mariadb.ca_file,
            "connection_age_seconds": 2,
            "max_wait_seconds": 15,
            "max_waiting": 16,
            "pool_size": 8,
        }
        pool = DatabasePool(credentials, server, **(defaults | options))
        self._closing.append(pool.close)
        return pool

    def app(self, credentials: Credentials | None = None, **options: Any) -> Flask:
        """Return the app on this test's schema."""
        credentials = credentials or self.credentials()
        database = self.database(credentials, **options)
        return create_app(
            database, credentials, mode="secret", instance=InstanceIdentity("i-1", "eu-central-1a")
        )

    def close(self) -> None:
        for close in self._closing:
            close()
        self.sql(
            f"DROP SCHEMA IF EXISTS `{self.schema}`",
            *(f"DROP USER IF EXISTS '{user}'@'%'" for user in (self.blue, self.green)),
        )


def make_world(mariadb: MariaDB, aws: LocalAws) -> World:
    """Return a migrated schema, the user *blue* with password `one`, and the secret with that login."""
    token = secrets.token_hex(4)
    world = World(mariadb, aws, f"app_{token}", f"{token}/app/database", f"blue_{token}", f"green_{token}")
    world.sql(f"CREATE SCHEMA `{world.schema}`")
    world.create_user(world.blue, "one")
    text = json.dumps({"username": world.blue, "password": "one"})
    aws.client("secretsmanager").create_secret(Name=world.secret, SecretString=text)
    migrate(world.database(world.credentials()))
    return world


@pytest.fixture
def world(mariadb: MariaDB, local_aws: LocalAws) -> Iterator[World]:
    created = make_world(mariadb, local_aws)
    yield created
    created.close()


@pytest.fixture
def boot(world: World, tmp_path: Path) -> Iterator[Boot]:
    """Boots an instance for the test; arguments are environment properties of the app."""
    with contextlib.ExitStack() as cleanup:

        def start(**environment: str) -> Running:
            running = instance.boot(world, tmp_path / "instance", **environment)
            cleanup.callback(running.stop)
            return running

        yield start


def json_of(response: TestResponse) -> Any:
    """Return the response's JSON document; fail where there is none."""
    assert response.is_json
    return response.json


class Visitors:
    """Sends requests from several threads until the end of the block, and records every status."""

    def __init__(self, app: Flask, visit: Callable[[Any], Any] | None = None, threads: int = 6) -> None:
        self._app, self._visit = app, visit or (lambda client: client.get("/api/entries"))
        self._stopped = threading.Event()
        self.statuses: list[int] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    @property
    def failed(self) -> list[int]:
        return [status for status in self.statuses if status >= 400]

    def _run(self) -> None:
        client = self._app.test_client()
        while not self._stopped.wait(0.05):
            self.statuses.append(self._visit(client).status_code)
