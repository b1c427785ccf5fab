"""Story of eb_app/database.py, eb_app/errors.py and eb_app/entries.py.

Connections are lost at the worst moments, and each acknowledged entry exists once.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from eb_app import entries
from eb_app.database import DatabasePool
from eb_app.errors import DatabaseUnreachable
from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws
from testbed.servers.mariadb import MariaDB
from tests.polling import until

from .conftest import Visitors, World, json_of, make_world, suspended


class Wire:
    """A TCP relay in front of the database that can drop the database's next answer."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.drops_the_next_answer = False
        self.lost = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                if answers and self.drops_the_next_answer:
                    self.drops_the_next_answer = False
                    self.lost += 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(mariadb: MariaDB) -> Iterator[Wire]:
    relay = Wire(mariadb.port)
    yield relay
    relay.close()


def test_a_commit_whose_answer_is_lost_adds_one_entry(world: World, wire: Wire) -> None:
    """The commit's outcome is unknown, so the work is repeated; the request key prevents a second entry."""
    database = world.database(world.credentials(), port=wire.port)
    runs: list[int] = []

    def work(connection: Any) -> entries.Entry:
        entry = entries.add(connection, str(uuid.UUID(int=7)), "once")
        runs.append(entry.id)
        wire.drops_the_next_answer = len(runs) == 1  # the answer to COMMIT
        return entry

    entry = database.run(work)
    assert (len(runs), wire.lost) == (2, 1)
    assert world.sql(f"SELECT id, text FROM `{world.schema}`.entries") == [(entry.id, "once")]


def test_a_transaction_whose_connection_is_killed_is_repeated(world: World) -> None:
    """The database rolls the incomplete transaction back, and it runs again on another connection."""
    database = world.database(world.credentials())
    runs: list[int] = []

    def work(connection: Any) -> entries.Entry:
        runs.append(1)
        entry = entries.add(connection, str(uuid.UUID(int=8)), "again")
        if len(runs) == 1:
            world.kill_connections()
        entries.latest(connection)
        return entry

    database.run(work)
    assert len(runs) == 2
    assert len(world.sql(f"SELECT id FROM `{world.schema}`.entries")) == 1


def test_the_victim_of_a_deadlock_is_repeated(world: World) -> None:
    """The database has rolled its transaction back in favour of another one."""
    database = world.database(world.credentials())
    table = f"`{world.schema}`.entries"
    for number in (1, 2):
        key = str(uuid.UUID(int=number))
        database.run(partial(entries.add, request_key=key, text="row"))
    touch = f"UPDATE {table} SET created_at = NOW() WHERE text = 'row' AND request_key = "
    first, second = (f"{touch}'{uuid.UUID(int=number)}'" for number in (1, 2))
    runs: list[int] = []
    with world.mariadb.admin() as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        # The transaction with fewer changes becomes the victim.
        rows = ", ".join("(UUID(), 'heavy', NOW())" for _ in range(100))
        cursor.execute(f"INSERT INTO {table} (request_key, text, created_at) VALUES {rows}")
        cursor.execute(first)
        rival = threading.Thread(target=lambda: (cursor.execute(second), cursor.execute("COMMIT")))

        waiting = "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"

        def work(connection: Any) -> None:
            runs.append(1)
            connection.execute(text(second))
            if len(runs) == 1:
                rival.start()
                until(lambda: world.sql(waiting) != [])
            connection.execute(text(first))

        database.run(work)
        rival.join()
    assert len(runs) == 2


def test_a_request_that_loses_too_many_connections_fails(world: World) -> None:
    """The number of repetitions is bounded."""
    database = world.database(world.credentials())

    def work(connection: Any) -> None:
        world.kill_connections()
        connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnreachable, match="connection was lost"):
        database.run(work)


def test_a_statement_that_times_out_is_not_repeated(world: World) -> None:
    """The database can still be running it, and would run each repetition, too."""
    database = world.database(world.credentials(), statement_seconds=1)
    runs: list[int] = []

    def work(connection: Any) -> None:
        runs.append(1)
        connection.execute(text("SELECT SLEEP(5)"))

    with pytest.raises(DatabaseUnreachable, match="more than 1 s"):
        database.run(work)
    assert len(runs) == 1


def test_nothing_is_repeated_after_the_maximum_wait(world: World) -> None:
    """However often its connection is lost, the time of a request is bounded."""
    database = world.database(world.credentials(), max_wait_seconds=1)
    runs: list[int] = []

    def work(connection: Any) -> None:
        runs.append(1)
        time.sleep(0.4)
        world.kill_connections()
        connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnreachable, match="connection was lost"):
        database.run(work)
    assert len(runs) <= 3


def test_the_loss_of_the_whole_pool_fails_no_request(world: World) -> None:
    """The connections count as new, so they are used without a ping; one request can get all of them."""
    database = world.database(world.credentials())
    with contextlib.ExitStack() as connections:
        for _ in range(8):
            driver: Any = connections.enter_context(database.engine.connect()).connection.dbapi_connection
            driver.session = replace(driver.session, opened=time.monotonic() + 60)
    assert world.kill_connections() >= 8

    assert database.run(lambda connection: entries.latest(connection)) == []


def test_a_login_that_is_cut_off_is_retried_at_once(world: World, wire: Wire) -> None:
    """A request that can't wait succeeds nevertheless."""
    database = world.database(world.credentials(), port=wire.port, max_wait_seconds=0)
    wire.drops_the_next_answer = True

    assert database.run(lambda connection: entries.latest(connection)) == []
    assert wire.lost == 1


def fill(database: DatabasePool, number: int) -> None:
    """Leave *number* open connections in the pool."""
    connections = [database.engine.connect() for _ in range(number)]
    for connection in connections:
        connection.close()


def test_the_loss_of_one_connection_closes_no_other(world: World) -> None:
    """While logins are refused, no connection can be replaced; SQLAlchemy would close all of them."""
    database = world.database(
        world.credentials(), pool_size=2, connection_age_seconds=3600, max_wait_seconds=5
    )
    fill(database, 2)
    world.change_password(world.blue, "two")
    runs: list[int] = []

    def work(connection: Any) -> None:
        runs.append(connection.execute(text("SELECT CONNECTION_ID()")).scalar_one())
        if len(runs) == 1:
            world.sql(f"KILL {runs[0]}")
        connection.execute(text("SELECT 1"))

    database.run(work)
    assert len(runs) == 2


def test_readiness_does_not_depend_on_an_idle_connection_that_was_lost(world: World) -> None:
    """The probe has no retry; the connection is checked before the probe gets it."""
    database = world.database(world.credentials(), connection_age_seconds=3600)
    first = database.probe()
    until(lambda: time.monotonic() > first.opened + 1)  # younger ones are not checked
    world.kill_connections()
    assert database.probe().opened > first.opened


def test_writers_lose_no_acknowledged_entry_while_connections_are_killed(world: World) -> None:
    """There is one row for every 201, and no connection is left."""
    app = world.app(pool_size=4)
    acknowledged: list[str] = []

    def write(client: Any) -> Any:
        key = str(uuid.uuid4())
        answer = client.post("/api/entries", json={"text": key}, headers={"Idempotency-Key": key})
        if answer.status_code == 201:
            acknowledged.append(key)
        return answer

    with Visitors(app, write) as visitors:
        killed = 0

        def kill() -> bool:
            nonlocal killed
            killed += world.kill_connections()
            return len(acknowledged) > 50

        until(kill, 60)
    assert visitors.failed == []
    assert killed > 0
    stored = [row[0] for row in world.sql(f"SELECT text FROM `{world.schema}`.entries")]
    assert sorted(stored) == sorted(acknowledged)
    assert world.connections() <= 4


@pytest.fixture
def own_world(tmp_path: Path, local_aws: LocalAws) -> Iterator[World]:
    """A world whose database server the test can stop."""
    server = MariaDB.start(tmp_path, Authority(tmp_path / "authority"))
    world = make_world(server, local_aws)
    try:
        yield world
        world.close()
    finally:
        world.mariadb.stop()


def test_a_restart_of_the_database_fails_no_request(own_world: World) -> None:
    """Requests wait while the server is down; afterwards the pool has no more connections than before."""
    world = own_world
    app = world.app(pool_size=4)
    with Visitors(app) as visitors:
        until(lambda: len(visitors.statuses) > 50)
        world.mariadb = world.mariadb.restarted()
        served = len(visitors.statuses)
        until(lambda: len(visitors.statuses) > served + 100)
    assert visitors.failed == []
    assert 1 <= world.connections() <= 4


def test_a_database_that_hangs_is_reported_and_recovers(own_world: World) -> None:
    """It accepts connections and answers nothing. A request without a slot fails at once, others time out."""
    world = own_world
    app = world.app(pool_size=2, max_waiting=2, max_wait_seconds=1)
    client = app.test_client()
    with Visitors(app, threads=8) as visitors:
        until(lambda: len(visitors.statuses) > 50)
        assert visitors.failed == []
        with suspended(world.mariadb):
            until(lambda: len(visitors.failed) > 20)
            ready = client.get("/readyz")
            assert ready.status_code == 503
            assert client.get("/healthz").status_code == 200
            until(lambda: json_of(client.get("/readyz"))["database"] == "DatabaseUnreachable", 60)
        until(lambda: client.get("/readyz").status_code == 200)
        served = len(visitors.statuses)
        until(lambda: visitors.statuses[served:].count(200) > 100)


def test_a_stopped_database_is_reported_quickly_and_recovers(own_world: World) -> None:
    """The health check passes, readiness fails, and afterwards nothing has to be restarted."""
    world = own_world
    app = world.app(max_wait_seconds=0.5)
    client = app.test_client()
    assert client.get("/readyz").status_code == 200
    world.mariadb.stop()
    answer = client.get("/api/entries")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert client.get("/").status_code == 503
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert (ready.status_code, json_of(ready)["database"]) == (503, "DatabaseUnreachable")
    world.mariadb = world.mariadb.restarted()
    until(lambda: client.get("/readyz").status_code == 200)
    assert client.get("/api/entries").status_code == 200
