"""The credential is read once, refreshed in the background, and never lost."""

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
    """Secrets Manager's backend in this process, with failures on demand."""

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
    """Credentials whose routine read is an hour away, unless a test sets another time to live."""
    made: list[SecretCredentials] = []

    def build(
        ttl_seconds: int = 3600, request_replication: Callable[[], None] | None = None
    ) -> SecretCredentials:
        made.append(
            SecretCredentials(api.name, api, ttl_seconds=ttl_seconds, request_replication=request_replication)
        )
        return made[-1]

    yield build
    for credentials in made:
        credentials.close()


def test_the_first_read_gives_user_version_and_age(api: Api, make: Make) -> None:
    """The caching client returns the value only; version and time are recorded in addition."""
    version = api.write("app_blue")
    credential = make().current()
    assert (credential.user, credential.version, credential.password) == (
        "app_blue",
        version,
        f"{CANARY}-app_blue".encode(),
    )
    assert credential.created is not None
    assert CANARY not in repr(credential)


def test_many_connections_cost_one_read(api: Api, make: Make) -> None:
    """DescribeSecret and GetSecretValue once, however many threads need it at the same time."""
    credentials = make()
    threads = [threading.Thread(target=credentials.current) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(1000):
        credentials.current()
    assert api.calls == 2


def test_after_a_refused_login_the_newer_version_is_read_at_once(api: Api, make: Make) -> None:
    """Without waiting for the time to live, and without a request for what is already replicated."""
    requests: list[float] = []
    credentials = make(request_replication=lambda: requests.append(time.monotonic()))
    old = credentials.current()
    version = api.write("app_green")
    began = time.monotonic()
    credentials.record_refused(old)
    credentials.wait_for_newer(old.version, 10)
    assert credentials.current().version == version == credentials.version()
    assert time.monotonic() - began < 5
    assert requests == []


def test_a_refused_login_requests_a_replication_if_there_is_no_newer_version(api: Api, make: Make) -> None:
    """And the secret is read until the newer version is there."""
    requested = threading.Event()
    credentials = make(request_replication=requested.set)
    old = credentials.current()
    credentials.record_refused(old)
    assert requested.wait(10)
    assert credentials.health().state == "refused"
    version = api.write("app_green")
    credentials.wait_for_newer(old.version, 10)
    assert credentials.version() == version
    assert credentials.health().state == "current"


def test_waiting_requests_share_the_reads_and_continue_together(api: Api, make: Make) -> None:
    """Twenty waiting requests are one read of the secret, not twenty."""
    credentials = make()
    old = credentials.current()
    api.calls = 0

    def wait() -> None:
        credentials.record_refused(old)
        credentials.record_waiting()
        credentials.wait_for_newer(old.version, 30)

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


def test_a_rotation_without_a_refused_login_is_recorded_as_such(api: Api, make: Make) -> None:
    """With alternating users the routine read finds the new version, and no login is refused."""
    credentials = make(ttl_seconds=1)
    credentials.current()
    version = api.write("app_green")
    until(lambda: credentials.version() == version)
    rotation = credentials.rotation()
    assert rotation is not None
    assert (rotation.refused_at, rotation.seconds_refused, rotation.waited) == (None, 0.0, 0)
    credentials.record_accepted(credentials.current())
    first = credentials.rotation()
    assert first is not None
    assert first.first_login is not None


@pytest.mark.parametrize("failure", [UNREACHABLE, RuntimeError(CANARY)])
def test_the_last_good_value_is_used_while_secrets_manager_is_down(
    api: Api, make: Make, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The health reports it with the reason, until a read succeeds again. No failure ends the refresh."""
    credentials = make(ttl_seconds=1)
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
        f"{CANARY} is not JSON",
        json.dumps([CANARY]),
        json.dumps({"password": CANARY}),
        json.dumps({"username": "", "password": CANARY}),
        json.dumps({"username": "app_blue", "password": 7}),
    ],
)
def test_a_version_that_is_not_a_login_is_an_error_that_does_not_quote_it(api: Api, text: str) -> None:
    api.put(text)
    with pytest.raises(SecretUnusable, match="AWSCURRENT") as raised:
        CachedSecret(api.name, api, ttl_seconds=3600).read(fresh=False)
    assert CANARY not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_version_that_is_not_a_login_changes_nothing(api: Api, make: Make) -> None:
    """The last good value is used, and the health gives the reason."""
    credentials = make(ttl_seconds=1)
    old = credentials.current()
    api.put("not JSON")
    until(lambda: credentials.health().state == "last good value")
    assert credentials.current() is old
    assert "AWSCURRENT" in credentials.health().reason


def test_a_process_can_start_before_secrets_manager_answers(api: Api, make: Make) -> None:
    """Until then there is an error, and afterwards a login."""
    credentials = make()
    api.down = UNREACHABLE
    with pytest.raises(CredentialUnavailable, match="EndpointConnectionError"):
        credentials.current()
    assert credentials.health().state == "unavailable"
    api.down = None
    assert credentials.current().user == "app_blue"


def test_threads_that_wait_for_the_first_read_share_its_failure(api: Api, make: Make) -> None:
    """A Secrets Manager that hangs is called once, not by one thread after the other."""
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
    time.sleep(0.2)  # the other threads wait by then; a later one would rightly read again
    api.hangs.set()
    for thread in threads:
        thread.join()
    assert len(refused) == 8
    assert api.calls == 1


def test_a_failing_replication_request_does_not_end_the_reads(api: Api, make: Make) -> None:
    """The thread that requests a replication is the one that reads the secret."""

    def fail() -> None:
        requested.set()
        raise RuntimeError(CANARY)

    requested = threading.Event()
    credentials = make(request_replication=fail)
    old = credentials.current()
    credentials.record_refused(old)
    assert requested.wait(10)
    version = api.write("app_green")
    credentials.wait_for_newer(old.version, 10)
    assert credentials.version() == version


def test_a_version_that_is_current_again_is_recognised(api: Api, make: Make) -> None:
    """An operator moved AWSCURRENT back: the id is the older one, not the one that was read last."""
    first = api.write("app_blue")
    credentials = make(ttl_seconds=1)
    assert credentials.current().version == first
    second = api.write("app_green")
    until(lambda: credentials.version() == second)
    api.client.update_secret_version_stage(
        SecretId=api.name, VersionStage="AWSCURRENT", MoveToVersionId=first, RemoveFromVersionId=second
    )
    until(lambda: credentials.version() == first)
    assert credentials.current().user == "app_blue"


def test_an_accepted_login_ends_the_urgent_reads(api: Api, make: Make) -> None:
    """The database had the new password before Vault did, or an administrator corrected it."""
    credentials = make()
    credential = credentials.current()
    credentials.record_refused(credential)
    until(lambda: credentials.health().state == "refused" and api.calls > 4)
    credentials.record_accepted(credential)
    assert credentials.health().state == "current"
    time.sleep(0.1)  # a read can be in progress
    calls = api.calls
    time.sleep(1)  # longer than a pause between two urgent reads
    assert api.calls == calls


def test_a_refusal_of_a_replaced_credential_is_ignored(api: Api, make: Make) -> None:
    """A slow login with the old credential fails after the new one was read."""
    credentials = make()
    old = credentials.current()
    api.write("app_green")
    credentials.record_refused(old)
    credentials.wait_for_newer(old.version, 10)
    credentials.record_refused(old)
    assert credentials.health().state == "current"


def test_iam_makes_a_token_for_each_connection() -> None:
    """Signed in this process, for this server and user, without a call to AWS."""
    session = botocore.session.get_session()
    session.set_credentials("AKIAEXAMPLE", CANARY)
    signer = cast(TokenSigner, session.create_client("rds", region_name="eu-central-1"))
    credentials = IamCredentials("db.example", 3307, "app_iam", signer)
    credential = credentials.current()
    token = credential.password.decode()
    assert token.startswith("db.example:3307/?Action=connect&DBUser=app_iam&")
    assert "X-Amz-Signature=" in token
    assert CANARY not in token + repr(credential)
    assert credential.version == credentials.version()
    credentials.record_refused(credential)
    assert credentials.health().state == "refused"
    credentials.record_accepted(credential)
    assert credentials.health().state == "current"
