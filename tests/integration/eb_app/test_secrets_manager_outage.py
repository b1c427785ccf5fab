"""Story of eb_app/credentials/secret.py and eb_app/credentials/cached_secret.py.

An outage of Secrets Manager fails no request; `/readyz` reports it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.servers.proxy import Drop, Pass, Proxy, ProxyAnswer
from tests.polling import until

from .conftest import Visitors, World, json_of


@pytest.fixture
def wire(world: World) -> Iterator[Proxy]:
    """A proxy between the app and Secrets Manager."""
    proxy = Proxy(world.aws.endpoint)
    yield proxy
    proxy.close()


@pytest.mark.parametrize(
    ("outage", "reason"),
    [
        (Drop(), "ConnectionClosedError"),
        (
            ProxyAnswer(400, b'{"__type": "AccessDeniedException", "message": "no"}'),
            "AccessDeniedException",
        ),
        (ProxyAnswer(503, b""), "503"),
        (Pass(delay=6), "ReadTimeoutError"),
    ],
)
def test_the_last_good_value_is_used_during_an_outage(
    world: World, wire: Proxy, outage: Drop | ProxyAnswer | Pass, reason: str
) -> None:
    """New connections are opened meanwhile; afterwards a rotation is noticed as usual."""
    credentials = world.credentials(endpoint=wire.address)
    app = world.app(credentials, connection_age_seconds=1)
    client = app.test_client()
    with Visitors(app) as visitors:
        until(lambda: len(visitors.statuses) > 20)
        opened = int(world.sql("SHOW GLOBAL STATUS LIKE 'Connections'")[0][1])
        wire.rule = lambda _: outage
        until(lambda: json_of(client.get("/readyz"))["credential"]["state"] == "last good value", 30)
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert json_of(ready)["credential"]["reason"] == reason
        assert json_of(ready)["credential"]["since"]
        until(lambda: int(world.sql("SHOW GLOBAL STATUS LIKE 'Connections'")[0][1]) > opened + 10)
        wire.rule = lambda _: Pass()
        world.create_user(world.green, "three")
        version = world.publish(world.green, "three")
        until(lambda: credentials.version() == version, 60)
    assert visitors.failed == []
    assert json_of(client.get("/readyz"))["credential"]["state"] == "current"


def test_a_process_can_start_during_an_outage(world: World, wire: Proxy) -> None:
    """It reports that it isn't ready, with the reason; afterwards nothing has to be restarted."""
    wire.rule = lambda _: Drop()
    client = world.app(world.credentials(endpoint=wire.address), max_wait_seconds=0.5).test_client()
    assert client.get("/api/entries").status_code == 503
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert (ready.status_code, json_of(ready)["database"]) == (503, "DatabaseUnreachable")
    assert json_of(ready)["credential"]["state"] == "unavailable"
    assert json_of(ready)["credential"]["reason"] == "ConnectionClosedError"
    wire.rule = lambda _: Pass()
    until(lambda: client.get("/readyz").status_code == 200)
    assert client.get("/api/entries").status_code == 200


def test_calls_to_secrets_manager_depend_on_the_time_to_live_only(world: World, wire: Proxy) -> None:
    """At most two per time to live, whatever the number of visitors."""
    credentials = world.credentials(ttl_seconds=2, endpoint=wire.address)
    client = world.app(credentials, connection_age_seconds=0.5).test_client()
    client.get("/api/entries")
    assert wire.operations() == ["DescribeSecret", "GetSecretValue"]
    wire.forget()
    for _ in range(200):
        assert client.get("/api/entries").status_code == 200
    until(lambda: len(wire.operations()) >= 3)
    # The value is fetched only when there is another version.
    assert set(wire.operations()) == {"DescribeSecret"}
