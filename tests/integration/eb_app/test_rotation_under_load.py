"""Passwords change while visitors come, and no request fails; without our care, requests do fail."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from eb_app import entries
from eb_app.credentials import Credential, Health, Rotation
from eb_app.database import ONE_ATTEMPT_IN
from eb_app.errors import LoginRefused
from eb_app.replication_request import ReplicationRequester
from testbed.servers.proxy import Proxy
from tests.polling import until

from .conftest import Visitors, World, aws_client, json_of


class NeverRenewed:
    """The negative control: a login that was read once at the start, as a naive app does it."""

    def __init__(self, user: str, password: str) -> None:
        self._credential = Credential(user, "naive", password.encode())

    def current(self) -> Credential:
        return self._credential

    def version(self) -> str:
        return "naive"

    def accepted(self, credential: Credential) -> None: ...

    def refused(self, credential: Credential) -> None: ...

    def wait(self, than: str, seconds: float) -> None:  # noqa: ARG002 - the protocol's
        time.sleep(seconds)

    def waiting(self) -> None: ...

    def health(self) -> Health:
        return Health("current")

    def rotation(self) -> Rotation | None:
        return None


def rotate_late(world: World, visitors: Visitors, between: Callable[[], Any] = lambda: None) -> None:
    """Change the password of *blue*, and tell Secrets Manager two seconds later."""
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
    """Old connections are kept until new logins work again, although they are long past their age.

    Requests may not wait here, so a connection that was closed before its replacement is open would show.
    """
    credentials = world.credentials()
    app = world.app(credentials, connection_age=1, wait=0, pool_size=2)
    client = app.test_client()
    with Visitors(app) as visitors:
        rotate_late(world, visitors)
        until(lambda: credentials.rotation() is not None)
        until(lambda: json_of(client.get("/api/status"))["database"]["version_id"] == credentials.version())
    assert visitors.failed == []
    rotation = credentials.rotation()
    assert rotation is not None
    # The window was really there: logins were refused, and for about as long as the replication took.
    assert rotation.refused_at is not None
    assert rotation.seconds_refused > 0.5
    assert credentials.health().state == "current"


def test_requests_wait_when_even_the_old_connections_are_lost(world: World) -> None:
    """All connections are killed in the window: requests wait for the newer credential, and none fails."""
    credentials = world.credentials()
    with Visitors(world.app(credentials)) as visitors:
        rotate_late(world, visitors, between=world.kill_connections)
    assert visitors.failed == []
    rotation = credentials.rotation()
    assert rotation is not None
    assert rotation.waited > 0


def test_without_renewal_requests_fail(world: World) -> None:
    """The negative control of the two above: the same load, the same rotation."""
    app = world.app(NeverRenewed(world.blue, "one"), wait=0.2)
    with Visitors(app) as visitors:
        rotate_late(world, visitors, between=world.kill_connections)
    assert 503 in visitors.failed


def test_without_waiting_requests_fail(world: World) -> None:
    """The other negative control: renewal alone doesn't bridge the time until the replication."""
    with Visitors(world.app(wait=0)) as visitors:
        rotate_late(world, visitors, between=world.kill_connections)
    assert 503 in visitors.failed


def test_alternating_users_lose_nothing_even_when_every_connection_is_killed(world: World) -> None:
    """The other user has its password before anybody is told; so no login is ever refused."""
    credentials = world.credentials()
    with Visitors(world.app(credentials)) as visitors:
        until(lambda: len(visitors.statuses) > 50)
        world.let_in(world.green, "three")
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
    """Connections of the previous version are replaced as soon as there is a newer one, however young."""
    credentials = world.credentials()
    client = world.app(credentials, connection_age=3600).test_client()
    before = json_of(client.get("/api/status"))["database"]
    world.let_in(world.green, "three")
    version = world.publish(world.green, "three")
    until(lambda: json_of(client.get("/api/status"))["database"]["version_id"] == version)
    assert before["user"] == world.blue
    assert json_of(client.get("/api/status"))["database"]["user"] == world.green


def test_one_demand_reaches_the_bus(world: World) -> None:
    """A refused login asks for a replication once, however many requests wait."""
    bus = world.secret.replace("/", "-")
    world.aws.client("events").create_event_bus(Name=bus)
    wire = Proxy(world.aws.endpoint)
    try:
        demand = ReplicationRequester(aws_client("events", wire.address), bus, "beanvault/app/database")
        with Visitors(world.app(world.credentials(demand=demand))) as visitors:
            rotate_late(world, visitors, between=world.kill_connections)
        (call,) = wire.calls()
    finally:
        wire.close()
    assert visitors.failed == []
    assert call.operation == "PutEvents"
    (entry,) = json.loads(call.body)["Entries"]
    assert json.loads(entry["Detail"]) == {"paths": ["beanvault/app/database"], "reason": "demand"}


def test_more_requests_than_may_wait_are_told_to_come_back(world: World) -> None:
    """The rest is answered at once with 503 and Retry-After, so that a process never fills with waiting."""
    app = world.app(pool_size=1, waiting=1)
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


def test_a_place_to_wait_is_given_back(world: World) -> None:
    """A request that has waited in vain leaves its place to the next."""
    database = world.database(world.credentials(), wait=0.2, pool_size=1, waiting=0)
    world.change_password(world.blue, "two")
    for _ in range(3):
        with pytest.raises(LoginRefused):
            database.run(entries.latest)


def test_a_refused_login_is_tried_once_a_second_however_many_wait(world: World) -> None:
    """What refuses us isn't mended by knocking faster, and MySQL can lock accounts after failed logins.

    Only what was being opened when the first was refused comes on top: at most a pool.
    """

    class Counting(NeverRenewed):
        refusals = 0

        def refused(self, credential: Credential) -> None:  # noqa: ARG002 - the protocol's
            self.refusals += 1

    credentials, pool = Counting(world.blue, "one"), 3
    app = world.app(credentials, wait=5, pool_size=pool)
    world.change_password(world.blue, "two")
    began = time.monotonic()
    with Visitors(app, threads=6) as visitors:
        until(lambda: len(visitors.failed) >= 6)
    passed = time.monotonic() - began
    assert pool < credentials.refusals <= pool + passed / ONE_ATTEMPT_IN + 1


def test_a_dropped_user_is_an_error_with_a_reason(world: World, caplog: Any) -> None:
    """No newer version comes: after the wait the log says who was refused and what that means."""
    app = world.app(wait=1)
    client = app.test_client()
    assert client.get("/api/entries").status_code == 200
    world.sql(f"DROP USER '{world.blue}'@'%'")
    world.kill_connections()
    assert client.get("/api/entries").status_code == 503
    assert "the user was dropped" in " ".join(str(vars(record).get("told")) for record in caplog.records)
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert json_of(ready)["credential"]["state"] == "refused"
    assert json_of(ready)["database"] == "LoginRefused"
