"""Story of eb_app/database.py, eb_app/credentials/ and eb_app/replication_request.py.

Passwords change under load and no request fails; the negative controls do fail.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from eb_app import entries
from eb_app.credentials import Credential, Health, Rotation
from eb_app.database import LOGIN_INTERVAL_SECONDS
from eb_app.errors import LoginRefused
from eb_app.replication_request import ReplicationRequester
from testbed.servers.proxy import Proxy
from tests.polling import until

from .conftest import Visitors, World, aws_client, json_of


class NeverRefreshed:
    """The negative control: a login that is read once at the start, as in a naive app."""

    def __init__(self, user: str, password: str) -> None:
        self._credential = Credential(user, "naive", password.encode())

    def current(self) -> Credential:
        return self._credential

    def version(self) -> str:
        return "naive"

    def record_accepted(self, credential: Credential) -> None: ...

    def record_refused(self, credential: Credential) -> None: ...

    def wait_for_newer(self, version: str, seconds: float) -> None:  # noqa: ARG002 - the protocol's
        time.sleep(seconds)

    def record_waiting(self) -> None: ...

    def health(self) -> Health:
        return Health("current")

    def rotation(self) -> Rotation | None:
        return None


def rotate_late(world: World, visitors: Visitors, between: Callable[[], Any] = lambda: None) -> None:
    """Change the password of *blue*, and publish it in Secrets Manager 2.5 seconds later."""
    served = len(visitors.statuses)
    until(lambda: len(visitors.statuses) > served + 50)
    world.change_password(world.blue, "two")
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        between()
        time.sleep(0.1)
    world.publish(world.blue, "two")
    served = len(visitors.statuses)
    until(lambda: len(visitors.statuses) > served + 300)


def test_a_static_role_rotates_without_a_failed_request(world: World) -> None:
    """Old connections are kept until new logins succeed, although they are long past their age.

    Requests can't wait here, so a connection that is closed before its replacement is open fails a request.
    """
    credentials = world.credentials()
    app = world.app(credentials, connection_age_seconds=1, max_wait_seconds=0, pool_size=2)
    client = app.test_client()
    with Visitors(app) as visitors:
        rotate_late(world, visitors)
        until(lambda: credentials.rotation() is not None)
        until(lambda: json_of(client.get("/api/status"))["database"]["version_id"] == credentials.version())
    assert visitors.failed == []
    rotation = credentials.rotation()
    assert rotation is not None
    # Logins were really refused, for about as long as the replication took.
    assert rotation.refused_at is not None
    assert rotation.seconds_refused > 0.5
    assert credentials.health().state == "current"


def test_requests_wait_when_the_old_connections_are_lost_as_well(world: World) -> None:
    """All connections are killed meanwhile: requests wait for the newer credential, and none fails."""
    credentials = world.credentials()
    with Visitors(world.app(credentials)) as visitors:
        rotate_late(world, visitors, between=world.kill_connections)
    assert visitors.failed == []
    rotation = credentials.rotation()
    assert rotation is not None
    assert rotation.waited > 0


def test_without_refresh_requests_fail(world: World) -> None:
    """The negative control of the two tests above: the same load, the same rotation."""
    app = world.app(NeverRefreshed(world.blue, "one"), max_wait_seconds=0.2)
    with Visitors(app) as visitors:
        rotate_late(world, visitors, between=world.kill_connections)
    assert 503 in visitors.failed


def test_without_waiting_requests_fail(world: World) -> None:
    """The other negative control: a refresh alone doesn't bridge the time until the replication."""
    with Visitors(world.app(max_wait_seconds=0)) as visitors:
        rotate_late(world, visitors, between=world.kill_connections)
    assert 503 in visitors.failed


def test_alternating_users_fail_no_request_when_every_connection_is_killed(world: World) -> None:
    """The other user has its password before the secret changes, so no login is ever refused."""
    credentials = world.credentials()
    with Visitors(world.app(credentials)) as visitors:
        until(lambda: len(visitors.statuses) > 50)
        world.create_user(world.green, "three")
        killed = 0

        def kill() -> bool:
            nonlocal killed
            killed += world.kill_connections()
            return killed > 10

        until(kill, 60)
        version = world.publish(world.green, "three")
        until(lambda: credentials.version() == version)
        world.kill_connections()
        served = len(visitors.statuses)
        until(lambda: len(visitors.statuses) > served + 150)
    assert visitors.failed == []
    rotation = credentials.rotation()
    assert rotation is not None
    assert (rotation.previous_user, rotation.user) == (world.blue, world.green)
    assert (rotation.seconds_refused, rotation.waited) == (0.0, 0)


def test_a_new_credential_is_used_at_once(world: World) -> None:
    """Connections of the previous version are replaced when there is a newer one, whatever their age."""
    credentials = world.credentials()
    client = world.app(credentials, connection_age_seconds=3600).test_client()
    before = json_of(client.get("/api/status"))["database"]
    world.create_user(world.green, "three")
    version = world.publish(world.green, "three")
    until(lambda: json_of(client.get("/api/status"))["database"]["version_id"] == version)
    assert before["user"] == world.blue
    assert json_of(client.get("/api/status"))["database"]["user"] == world.green


def test_one_replication_request_reaches_the_bus(world: World) -> None:
    """A refused login requests a replication once, however many requests wait."""
    bus = world.secret.replace("/", "-")
    world.aws.client("events").create_event_bus(Name=bus)
    wire = Proxy(world.aws.endpoint)
    try:
        request = ReplicationRequester(aws_client("events", wire.address), bus, "beanvault/app/database")
        with Visitors(world.app(world.credentials(request_replication=request))) as visitors:
            rotate_late(world, visitors, between=world.kill_connections)
        (call,) = wire.calls()
    finally:
        wire.close()
    assert visitors.failed == []
    assert call.operation == "PutEvents"
    (entry,) = json.loads(call.body)["Entries"]
    assert json.loads(entry["Detail"]) == {"paths": ["beanvault/app/database"], "reason": "demand"}


def test_requests_beyond_the_limit_receive_503_with_retry_after(world: World) -> None:
    """At once, so that waiting requests never use all threads of a process."""
    app = world.app(pool_size=1, max_waiting=1)
    app.test_client().get("/api/entries")
    world.change_password(world.blue, "two")
    world.kill_connections()
    with Visitors(app, threads=8) as visitors:
        until(lambda: len(visitors.failed) > 20)
        assert app.test_client().get("/healthz").status_code == 200
        refused = app.test_client().get("/api/entries")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        world.publish(world.blue, "two")
        served = len(visitors.statuses)
        until(lambda: len(visitors.statuses) > served + 100)
        assert 200 in visitors.statuses[served:]


def test_a_request_that_fails_returns_its_slot(world: World) -> None:
    database = world.database(world.credentials(), max_wait_seconds=0.2, pool_size=1, max_waiting=0)
    world.change_password(world.blue, "two")
    for _ in range(3):
        with pytest.raises(LoginRefused):
            database.run(entries.latest)


def test_a_refused_login_is_retried_once_a_second_however_many_requests_wait(world: World) -> None:
    """A refused login isn't fixed by retrying faster, and MySQL can lock accounts after failed logins.

    In addition, the logins in progress at the first refusal fail: at most as many as the pool's connections.
    """

    class Counting(NeverRefreshed):
        refusals = 0

        def record_refused(self, credential: Credential) -> None:  # noqa: ARG002 - the protocol's
            self.refusals += 1

    credentials, pool = Counting(world.blue, "one"), 3
    app = world.app(credentials, max_wait_seconds=5, pool_size=pool)
    world.change_password(world.blue, "two")
    began = time.monotonic()
    with Visitors(app, threads=6) as visitors:
        until(lambda: len(visitors.failed) >= 6)
    passed = time.monotonic() - began
    assert pool < credentials.refusals <= pool + passed / LOGIN_INTERVAL_SECONDS + 1


def test_a_dropped_user_is_an_error_with_a_reason(world: World, caplog: Any) -> None:
    """No newer version arrives: after the wait the log names the refused user and the likely cause."""
    app = world.app(max_wait_seconds=1)
    client = app.test_client()
    assert client.get("/api/entries").status_code == 200
    world.sql(f"DROP USER '{world.blue}'@'%'")
    world.kill_connections()
    assert client.get("/api/entries").status_code == 503
    assert "the user was dropped" in " ".join(str(vars(record).get("detail")) for record in caplog.records)
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert json_of(ready)["credential"]["state"] == "refused"
    assert json_of(ready)["database"] == "LoginRefused"
