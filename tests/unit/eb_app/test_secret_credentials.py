"""The credential is read once, renewed in the background, and never lost."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, cast

import botocore.session
import pytest
from botocore.exceptions import EndpointConnectionError

from eb_app.credentials import CredentialUnavailable, IamCredentials, SecretCredentials
from eb_app.credentials.cached_secret import CachedSecret, SecretUnusable
from eb_app.credentials.iam import TokenSigner
from testbed.localaws import moto_client
from tests.polling import until

CANARY = "canary-9c41"
UNREACHABLE = EndpointConnectionError(endpoint_url="https://secretsmanager.example")


class Api:
    """Secrets Manager's backend in this process, with a plug that can be pulled."""

    def __init__(self) -> None:
        self.client = moto_client.client("secretsmanager", "eu-central-1")
        self.name = f"unit/{uuid.uuid4()}"
        self.down: Exception | None = None
        self.hangs: threading.Event | None = None
        self.calls = 0
        self.write("app_blue")

    def write(self, user: str, **more: object) -> str:
        """Make a new version current and return its id."""
        return self.put(json.dumps({"username": user, "password": f"{CANARY}-{user}", **more}))

    def put(self, text: str) -> str:
        try:
            answer = self.client.put_secret_value(SecretId=self.name, SecretString=text)
        except self.client.exceptions.ResourceNotFoundException:
            answer = self.client.create_secret(Name=self.name, SecretString=text)
        return str(answer["VersionId"])

    def describe_secret(self, *, SecretId: str) -> Any:  # noqa: N803 - the SDK's name
        self._count()
        return self.client.describe_secret(SecretId=SecretId)

    def get_secret_value(self, *, SecretId: str, VersionId: str) -> Any:  # noqa: N803 - the same
        self._count()
        return self.client.get_secret_value(SecretId=SecretId, VersionId=VersionId)

    def _count(self) -> None:
        self.calls += 1
        if self.hangs:
            self.hangs.wait(10)
        if self.down:
            raise self.down


@pytest.fixture
def api() -> Api:
    return Api()


Make = Callable[..., SecretCredentials]


@pytest.fixture
def make(api: Api) -> Iterator[Make]:
    """Credentials whose routine look is an hour away, unless a test wants otherwise."""
    made: list[SecretCredentials] = []

    def build(ttl: int = 3600, demand: Callable[[], None] = lambda: None) -> SecretCredentials:
        made.append(SecretCredentials(api.name, api, ttl=ttl, demand=demand))
        return made[-1]

    yield build
    for credentials in made:
        credentials.close()


def test_the_first_read_gives_user_version_and_age(api: Api, make: Make) -> None:
    """The caching client tells the value only; version and time come along all the same."""
    version = api.write("app_blue")
    held = make().current()
    assert (held.user, held.version, held.password) == ("app_blue", version, f"{CANARY}-app_blue".encode())
    assert held.created is not None
    assert CANARY not in repr(held)


def test_many_connections_cost_one_read(api: Api, make: Make) -> None:
    """DescribeSecret and GetSecretValue once, however many ask at the same time."""
    credentials = make()
    threads = [threading.Thread(target=credentials.current) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(1000):
        credentials.current()
    assert api.calls == 2


def test_a_refused_login_finds_the_newer_version_at_once(api: Api, make: Make) -> None:
    """Nobody waits for the time to live, and nobody is asked to replicate what is there already."""
    demanded: list[float] = []
    credentials = make(demand=lambda: demanded.append(time.monotonic()))
    old = credentials.current()
    version = api.write("app_green")
    began = time.monotonic()
    credentials.refused(old)
    credentials.wait(old.version, 10)
    assert credentials.current().version == version == credentials.version()
    assert time.monotonic() - began < 5
    assert demanded == []


def test_a_refused_login_asks_for_a_replication_when_there_is_nothing_newer(api: Api, make: Make) -> None:
    """And goes on looking until the newer version is there."""
    demanded = threading.Event()
    credentials = make(demand=demanded.set)
    old = credentials.current()
    credentials.refused(old)
    assert demanded.wait(10)
    assert credentials.health().state == "refused"
    version = api.write("app_green")
    credentials.wait(old.version, 10)
    assert credentials.version() == version
    assert credentials.health().state == "current"


def test_those_who_wait_are_let_go_together_and_look_only_once(api: Api, make: Make) -> None:
    """Twenty waiting requests are one look at Secrets Manager, not twenty."""
    credentials = make()
    old = credentials.current()
    api.calls = 0

    def wait() -> None:
        credentials.refused(old)
        credentials.waiting()
        credentials.wait(old.version, 30)

    threads = [threading.Thread(target=wait) for _ in range(20)]
    for thread in threads:
        thread.start()
    until(lambda: api.calls >= 4)
    api.write("app_green")
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    rotation = credentials.rotation()
    assert rotation is not None
    assert (rotation.previous_user, rotation.user, rotation.waited) == ("app_blue", "app_green", 20)
    assert rotation.refused_at is not None
    assert api.calls < 20


def test_a_rotation_that_nobody_noticed_says_so(api: Api, make: Make) -> None:
    """With alternating users the routine look finds the new version, and nobody was refused."""
    credentials = make(ttl=1)
    credentials.current()
    version = api.write("app_green")
    until(lambda: credentials.version() == version)
    rotation = credentials.rotation()
    assert rotation is not None
    assert (rotation.refused_at, rotation.seconds_refused, rotation.waited) == (None, 0.0, 0)
    credentials.accepted(credentials.current())
    first = credentials.rotation()
    assert first is not None
    assert first.first_login is not None


@pytest.mark.parametrize("failure", [UNREACHABLE, RuntimeError(CANARY)])
def test_the_last_good_value_serves_on_while_secrets_manager_is_down(
    api: Api, make: Make, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The health says so, and why; and takes it back afterwards. No failure ends the renewal."""
    credentials = make(ttl=1)
    old = credentials.current()
    api.down = failure
    until(lambda: credentials.health().state == "last good value")
    assert credentials.health().reason == type(failure).__name__
    assert CANARY not in caplog.text
    assert credentials.current() is old
    version = api.write("app_green")
    api.down = None
    until(lambda: credentials.version() == version)
    assert credentials.health().state == "current"


@pytest.mark.parametrize(
    "text",
    [
        f"{CANARY} is no JSON",
        json.dumps([CANARY]),
        json.dumps({"password": CANARY}),
        json.dumps({"username": "", "password": CANARY}),
        json.dumps({"username": "app_blue", "password": 7}),
    ],
)
def test_a_version_that_is_no_login_is_refused_without_a_word_of_it(api: Api, text: str) -> None:
    """Whatever it holds instead, the error doesn't say."""
    api.put(text)
    with pytest.raises(SecretUnusable, match="AWSCURRENT") as raised:
        CachedSecret(api.name, api, ttl=3600).read(fresh=False)
    assert CANARY not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_version_that_is_no_login_changes_nothing(api: Api, make: Make) -> None:
    """The last good value serves on, and the health says why."""
    credentials = make(ttl=1)
    old = credentials.current()
    api.put("no JSON")
    until(lambda: credentials.health().state == "last good value")
    assert credentials.current() is old
    assert "AWSCURRENT" in credentials.health().reason


def test_without_any_credential_there_is_an_error_and_later_a_login(api: Api, make: Make) -> None:
    """A process may start before Secrets Manager answers."""
    credentials = make()
    api.down = UNREACHABLE
    with pytest.raises(CredentialUnavailable, match="EndpointConnectionError"):
        credentials.current()
    assert credentials.health().state == "unavailable"
    api.down = None
    assert credentials.current().user == "app_blue"


def test_those_who_wait_for_the_first_read_share_its_failure(api: Api, make: Make) -> None:
    """A Secrets Manager that hangs is asked once, not by one thread after the other."""
    credentials = make()
    api.down, api.hangs = UNREACHABLE, threading.Event()
    refused: list[CredentialUnavailable] = []

    def read() -> None:
        try:
            credentials.current()
        except CredentialUnavailable as error:
            refused.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: api.calls == 1)
    time.sleep(0.2)  # the others have come by then; one that hasn't would ask anew, and rightly
    api.hangs.set()
    for thread in threads:
        thread.join()
    assert len(refused) == 8
    assert api.calls == 1


def test_no_failure_of_the_demand_ends_the_search(api: Api, make: Make) -> None:
    """The thread that asks is the one that looks."""

    def fail() -> None:
        demanded.set()
        raise RuntimeError(CANARY)

    demanded = threading.Event()
    credentials = make(demand=fail)
    old = credentials.current()
    credentials.refused(old)
    assert demanded.wait(10)
    version = api.write("app_green")
    credentials.wait(old.version, 10)
    assert credentials.version() == version


def test_a_version_that_is_current_again_is_recognised(api: Api, make: Make) -> None:
    """Somebody moved AWSCURRENT back: the id is the older one's, not the last one that was read."""
    first = api.write("app_blue")
    credentials = make(ttl=1)
    assert credentials.current().version == first
    second = api.write("app_green")
    until(lambda: credentials.version() == second)
    api.client.update_secret_version_stage(
        SecretId=api.name, VersionStage="AWSCURRENT", MoveToVersionId=first, RemoveFromVersionId=second
    )
    until(lambda: credentials.version() == first)
    assert credentials.current().user == "app_blue"


def test_a_refusal_that_passes_by_itself_ends_the_search(api: Api, make: Make) -> None:
    """The database was ahead for a moment, or an administrator put things right."""
    credentials = make()
    held = credentials.current()
    credentials.refused(held)
    until(lambda: credentials.health().state == "refused" and api.calls > 4)
    credentials.accepted(held)
    assert credentials.health().state == "current"
    time.sleep(0.1)  # a look may be under way
    calls = api.calls
    time.sleep(1)  # longer than a pause between two early looks
    assert api.calls == calls


def test_a_refusal_of_what_is_replaced_already_is_no_news(api: Api, make: Make) -> None:
    """A slow login with the old credential fails after the new one has come."""
    credentials = make()
    old = credentials.current()
    api.write("app_green")
    credentials.refused(old)
    credentials.wait(old.version, 10)
    credentials.refused(old)
    assert credentials.health().state == "current"


def test_iam_makes_a_token_for_each_connection() -> None:
    """Signed here, for this server and user; nothing is asked of AWS."""
    session = botocore.session.get_session()
    session.set_credentials("AKIAEXAMPLE", CANARY)
    signer = cast(TokenSigner, session.create_client("rds", region_name="eu-central-1"))
    credentials = IamCredentials("db.example", 3307, "app_iam", signer)
    held = credentials.current()
    token = held.password.decode()
    assert token.startswith("db.example:3307/?Action=connect&DBUser=app_iam&")
    assert "X-Amz-Signature=" in token
    assert CANARY not in token + repr(held)
    assert held.version == credentials.version()
    credentials.refused(held)
    assert credentials.health().state == "refused"
    credentials.accepted(held)
    assert credentials.health().state == "current"
