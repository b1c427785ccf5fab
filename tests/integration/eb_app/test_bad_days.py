"""Story of eb_app/database.py, eb_app/database_login.py and eb_app/web.py.

Failures below an instance during writes: no acknowledged entry is lost, and the instance recovers.

The instance is complete: nginx with TLS, gunicorn with two processes, a schema of its own. Each writer sends
a unique key with each entry, so that acknowledged entries can be counted and failed ones repeated.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
import requests

from eb_app.settings import THREADS as THREADS_OF_GUNICORN
from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws
from testbed.servers.mariadb import MariaDB
from testbed.servers.proxy import Drop, Pass, Proxy
from tests.polling import until

from .conftest import Boot, World, make_world, suspended
from .instance import Running

THREADS = 6
POOL = 3
"""Connections of one process."""
MOST_CONNECTIONS = 2 * POOL
POOL_AND_WAITING = 24
"""Requests of one process that can use the database or wait by default."""


@pytest.fixture(scope="module")
def own_mariadb(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[list[MariaDB]]:
    """A database server that tests of this file can stop; the list contains the running one."""
    running = [MariaDB.start(tmp_path_factory.mktemp("bad-days"), authority)]
    try:
        yield running
    finally:
        running[0].stop()


@pytest.fixture
def world(own_mariadb: list[MariaDB], local_aws: LocalAws) -> Iterator[World]:
    made = make_world(own_mariadb[0], local_aws)
    made.kill_connections()  # of the migration, so that only the instance's are counted
    try:
        yield made
        made.close()
    finally:
        own_mariadb[0] = made.mariadb


class Writers:
    """Add entries over HTTPS, each request on a new connection, until the end of the block."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._stopped = threading.Event()
        self.acknowledged: list[str] = []
        self.failed: dict[str, str] = {}
        """By key: the status, or the class of the network error."""
        self._threads = [threading.Thread(target=self._run) for _ in range(THREADS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, more: int = 40) -> None:
        """Return when *more* entries have been acknowledged."""
        before = len(self.acknowledged)
        until(lambda: len(self.acknowledged) >= before + more, 60)

    def write(self, key: str) -> None:
        try:
            with self._running.session() as session:
                answer = session.post(
                    f"{self._running.https}/api/entries",
                    json={"text": key},
                    headers={"Idempotency-Key": key},
                    timeout=40,
                )
        except requests.RequestException as error:
            self.failed[key] = type(error).__name__
            return
        if answer.status_code == 201:
            self.acknowledged.append(key)
        else:
            self.failed[key] = str(answer.status_code)

    def _run(self) -> None:
        while not self._stopped.wait(0.02):
            self.write(str(uuid.uuid4()))


def settle(world: World, running: Running, writers: Writers) -> None:
    """Check that every acknowledged entry exists once, and that failed requests can be repeated.

    And that no connection is left, in the database or between nginx and gunicorn.
    """
    stored = [row[0] for row in world.sql(f"SELECT text FROM `{world.schema}`.entries")]
    assert len(stored) == len(set(stored))
    assert set(writers.acknowledged) <= set(stored) <= set(writers.acknowledged) | writers.failed.keys()
    unanswered, writers.failed = list(writers.failed), {}
    for key in unanswered:
        writers.write(key)
    assert writers.failed == {}
    stored = [row[0] for row in world.sql(f"SELECT text FROM `{world.schema}`.entries")]
    assert sorted(stored) == sorted(writers.acknowledged)
    until(lambda: world.connections() <= MOST_CONNECTIONS and running.in_flight() == 0, 20)
    assert world.sql("SELECT COUNT(*) FROM information_schema.innodb_trx") == [(0,)]


def for_seconds(seconds: float, act: Callable[[], object]) -> None:
    """Repeat *act* for the duration of a failure."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        act()
        time.sleep(0.1)


@pytest.fixture
def running(boot: Boot) -> Running:
    return boot(BEANVAULT_DATABASE_POOL_SIZE=str(POOL))


def test_a_lost_entry_and_a_leaked_connection_would_be_detected(running: Running, world: World) -> None:
    """The negative control of the tests below."""
    with Writers(running) as writers:
        pass
    settle(world, running, writers)
    leaked = [world.database(world.credentials()).engine.connect() for _ in range(MOST_CONNECTIONS + 1)]
    with pytest.raises(AssertionError, match="no result within"):
        settle(world, running, writers)
    for connection in leaked:
        connection.invalidate()
    world.sql(f"DELETE FROM `{world.schema}`.entries LIMIT 1")
    with pytest.raises(AssertionError, match="Extra items"):
        settle(world, running, writers)


def test_the_database_restarts(running: Running, world: World) -> None:
    """Requests wait while the server is down, and none fails."""
    workers = running.workers()
    with Writers(running) as writers:
        world.mariadb = world.mariadb.restarted()
        writers.wait_for_more()
    assert writers.failed == {}
    settle(world, running, writers)
    assert running.workers() == workers


def test_the_database_hangs(boot: Boot, world: World) -> None:
    """More requests than a process has threads need it; the health check is answered meanwhile."""
    running = boot(WEB_CONCURRENCY="1")
    visitors = THREADS_OF_GUNICORN + 8
    answers: list[int] = []

    def visit() -> None:
        answers.append(running.get("/api/entries"))

    threads = [threading.Thread(target=visit) for _ in range(visitors)]
    with suspended(world.mariadb):
        for thread in threads:
            thread.start()
        until(lambda: len(answers) + running.in_flight() >= visitors)
        assert running.get("/healthz") == 200
        hanging = visitors - len(answers)
    for thread in threads:
        thread.join()
    assert hanging >= POOL_AND_WAITING
    until(lambda: running.get("/api/entries") == 200)
    assert set(answers) <= {200, 503}


def test_every_connection_is_cut_repeatedly(running: Running, world: World) -> None:
    """As in a failover of a Multi-AZ database: all at once, and more than once."""
    with Writers(running) as writers:
        for_seconds(3, world.kill_connections)
        writers.wait_for_more()
    assert writers.failed == {}
    settle(world, running, writers)


def test_secrets_manager_is_unavailable_while_connections_are_lost(boot: Boot, world: World) -> None:
    """12 s are six times the secret's time to live here, as 6 minutes are with the default.

    New connections use the last good value; afterwards a rotation is noticed without a restart.
    """
    wire = Proxy(world.aws.endpoint)
    try:
        running = boot(BEANVAULT_DATABASE_POOL_SIZE=str(POOL), AWS_ENDPOINT_URL=wire.address)
        workers = running.workers()
        with Writers(running) as writers:
            wire.rule = lambda _: Drop()
            wire.forget()
            for_seconds(12, world.kill_connections)
            assert len(wire.calls()) > 0
            ready = running.session().get(f"{running.https}/readyz", timeout=30)
            assert (ready.status_code, ready.json()["credential"]["state"]) == (200, "last good value")
            wire.rule = lambda _: Pass()
            world.create_user(world.green, "three")
            version = world.publish(world.green, "three")
            until(lambda: _used(running) == version, 60)
            writers.wait_for_more()
        assert writers.failed == {}
        settle(world, running, writers)
        assert running.workers() == workers
    finally:
        wire.close()


def _used(running: Running) -> str:
    status = running.session().get(f"{running.https}/api/status", timeout=30).json()
    return str(status["database"]["version_id"])


def test_a_gunicorn_process_is_killed(running: Running, world: World) -> None:
    """Its requests in progress are lost, at most one for each writer; another process replaces it."""
    before = running.workers()
    victim = min(before)
    with Writers(running) as writers:
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(running.workers()) == 2 and victim not in running.workers())
        writers.wait_for_more()
    assert len(writers.failed) <= THREADS
    assert set(writers.failed.values()) <= {"502"}
    settle(world, running, writers)


def test_nginx_reloads_its_configuration(running: Running, world: World) -> None:
    """As after a change of the environment's options: no request fails."""
    with Writers(running) as writers:
        for _ in range(5):
            running.nginx.popen.send_signal(signal.SIGHUP)
            writers.wait_for_more(20)
    assert writers.failed == {}
    settle(world, running, writers)


def test_nginx_is_restarted(running: Running, world: World) -> None:
    """Connections are refused while it is down; accepted requests are answered."""
    with Writers(running) as writers:
        running.stop_nginx()
        until(lambda: len(writers.failed) > THREADS)
        running.nginx = running.start_nginx()
        writers.wait_for_more()
    assert set(writers.failed.values()) == {"ConnectionError"}
    settle(world, running, writers)


def test_the_disk_of_the_logs_is_full(boot: Boot, world: World, tmp_path: Path) -> None:
    """`/dev/full` accepts no byte, as a full disk; the app's log continues as soon as there is space."""
    app_log, access_log = tmp_path / "app.log", tmp_path / "instance/var/log/nginx/access.log"
    access_log.parent.mkdir(parents=True)
    for log in (app_log, access_log):
        log.symlink_to("/dev/full")
    running = boot(BEANVAULT_DATABASE_POOL_SIZE=str(POOL), BEANVAULT_LOG_FILE=str(app_log))
    with Writers(running) as writers:
        world.kill_connections()
        writers.wait_for_more()
        app_log.unlink()
        until(lambda: app_log.exists() and '"route": "/api/entries"' in app_log.read_text())
    assert writers.failed == {}
    settle(world, running, writers)
