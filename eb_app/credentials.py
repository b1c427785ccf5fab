"""As whom the app logs in to the database, and what happens when the database says no.

`SecretCredentials` reads the secret that the replicator keeps current. AWS's caching client does the reading,
in one background thread, so that no request waits for Secrets Manager. While a login is refused the thread
looks again and again, each time with a new cache: the caching client's own `refresh_secret_now` sleeps 2.5 to
5 seconds first, which suits a fleet that found out by itself and not a visitor who waits.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, Protocol

from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
from botocore.exceptions import BotoCoreError, ClientError

LOG = logging.getLogger(__name__)

PAUSES = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0)
"""Seconds between looks while a login is refused, the last repeated; each up to half shorter, at random."""
URGENT_FOR = 60.0
"""Seconds after the last refused login in which the thread goes on looking."""
RETRY_AFTER_FAILURE_AT_MOST = 30
"""Seconds between two looks, at most, while Secrets Manager fails."""


class CredentialUnavailable(Exception):
    """There is no credential to log in with, not even an old one."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One login."""

    user: str
    version: str
    """Secrets Manager's version id; `token` where each connection has its own."""
    password: bytes = field(repr=False)
    created: datetime | None = None
    """When this version was written to Secrets Manager."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """How the change to the credential held now went for this process."""

    at: datetime
    """When this process learned of it."""
    user: str
    version: str
    previous_user: str
    refused_at: datetime | None = None
    """When the database first refused the previous credential; None: it never did."""
    first_login: datetime | None = None
    waited: int = 0
    """Requests that waited for it."""

    @property
    def seconds_refused(self) -> float:
        """How long new connections were impossible."""
        end = self.first_login or self.at
        return (end - self.refused_at).total_seconds() if self.refused_at else 0.0


@dataclass(frozen=True, slots=True)
class Health:
    """What to say about the credential without saying the credential."""

    state: Literal["current", "refused", "last good value", "unavailable"]
    reason: str = ""
    since: datetime | None = None


class Credentials(Protocol):
    """Where new connections get their login from; safe to use from all threads."""

    def current(self) -> Credential:
        """Return the login for a new connection.

        :raises CredentialUnavailable: there has been none yet
        """

    def accepted(self, credential: Credential) -> None:
        """Hear that the database let *credential* in."""

    def refused(self, credential: Credential) -> None:
        """Hear that the database refused *credential*; begin to look for a newer one."""

    def wait(self, than: str, seconds: float) -> None:
        """Return after *seconds*, or as soon as there is another version than *than* (empty: don't mind)."""

    def waiting(self) -> None:
        """Hear that one more request has begun to wait."""

    def health(self) -> Health: ...

    def rotation(self) -> Rotation | None:
        """Return how the last rotation went; None before the first."""


class SecretsManager(Protocol):
    """What is used of the Secrets Manager client."""

    def describe_secret(self, *, SecretId: str) -> Any: ...  # noqa: N803 - the SDK's name

    def get_secret_value(self, *, SecretId: str, VersionId: str) -> Any: ...  # noqa: N803 - the SDK's name


class SecretCredentials:
    """The login in the replicated secret; see the module's text."""

    def __init__(
        self, secret: str, client: SecretsManager, *, ttl: int, demand: Callable[[], None] = lambda: None
    ) -> None:
        self._secret = _Secret(secret, client, ttl)
        self._demand = demand
        # Looking at the cache costs nothing; the cache decides by its own time to live when to ask.
        self._routine_pause = min(1.0, ttl / 2)
        self._changed = threading.Condition()
        self._first_read = threading.Lock()
        self._stopped = False
        self._held: Credential | None = None
        self._rotation: Rotation | None = None
        self._failure: Health | None = None
        self._refused_version: str | None = None
        self._refused_at: datetime | None = None
        self._urgent_until = float("-inf")
        self._looks = 0
        self._waited = 0

    def current(self) -> Credential:
        return self._held or self._read_first()

    def accepted(self, credential: Credential) -> None:
        with self._changed:
            if credential.version == self._refused_version:
                self._end_urgency()
            if (
                self._rotation
                and self._rotation.version == credential.version
                and not self._rotation.first_login
            ):
                self._rotation = replace(self._rotation, first_login=datetime.now(UTC))
                LOG.info("first login with the new credential", extra=self._told(self._rotation))

    def refused(self, credential: Credential) -> None:
        with self._changed:
            held = self._held
            if held is None or held.version != credential.version:
                return  # a newer one is there already
            if self._refused_version != credential.version:
                self._refused_version, self._refused_at = credential.version, datetime.now(UTC)
                self._looks = 0
                LOG.warning(
                    "login refused", extra={"user": credential.user, "version_id": credential.version}
                )
            self._urgent_until = time.monotonic() + URGENT_FOR
            self._changed.notify_all()

    def wait(self, than: str, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: bool(than) and self._held is not None and self._held.version != than, seconds
            )

    def waiting(self) -> None:
        with self._changed:
            self._waited += self._refused_version is not None

    def health(self) -> Health:
        with self._changed:
            if self._held is None:
                return Health("unavailable", self._failure.reason if self._failure else "not read yet")
            if self._refused_version is not None:
                return Health("refused", "the database refuses it; no newer version yet", self._refused_at)
            return self._failure or Health("current", since=self._held.created)

    def rotation(self) -> Rotation | None:
        return self._rotation

    def close(self) -> None:
        """End the background thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _read_first(self) -> Credential:
        with self._first_read:
            if held := self._held:
                return held  # another request was first
            self._look(fresh=True)
            if held := self._held:
                threading.Thread(target=self._keep, name="credential", daemon=True).start()
                return held
            raise CredentialUnavailable(self.health().reason)

    def _keep(self) -> None:
        while True:
            with self._changed:
                seen = self._refused_version
                self._changed.wait_for(partial(self._is_to_look, seen), self._pause())
                if self._stopped:
                    return
                urgent = self._is_urgent()
                self._looks += urgent
            self._look(fresh=urgent)
            if urgent and self._is_urgent():
                self._demand()

    def _is_to_look(self, seen: str | None) -> bool:
        return self._stopped or self._refused_version != seen

    def _is_urgent(self) -> bool:
        return self._refused_version is not None and time.monotonic() < self._urgent_until

    def _pause(self) -> float:
        if not self._is_urgent():
            return self._routine_pause
        return PAUSES[min(self._looks, len(PAUSES) - 1)] * random.uniform(0.5, 1)  # noqa: S311 - jitter

    def _look(self, *, fresh: bool) -> None:
        try:
            found = self._secret.read(fresh=fresh)
            reason = self._secret.failure
        except (BotoCoreError, ClientError, SecretUnusable) as error:
            found, reason = None, _name(error)
        with self._changed:
            if reason is None:
                if self._failure:
                    LOG.info("secret readable again")
                self._failure = None
            elif self._failure is None or self._failure.reason != reason:
                self._failure = Health("last good value", reason, datetime.now(UTC))
                LOG.warning("secret unreadable", extra={"error": reason})
            if found and (self._held is None or self._held.version != found.version):
                self._take(found)

    def _take(self, found: Credential) -> None:
        previous, self._held = self._held, found
        if previous:
            self._rotation = Rotation(
                datetime.now(UTC),
                found.user,
                found.version,
                previous.user,
                self._refused_at,
                waited=self._waited,
            )
            LOG.info("credential changed", extra=self._told(self._rotation))
        self._end_urgency()
        self._changed.notify_all()

    def _end_urgency(self) -> None:
        self._refused_version = self._refused_at = None
        self._waited = 0

    @staticmethod
    def _told(rotation: Rotation) -> dict[str, object]:
        return {
            "user": rotation.user,
            "version_id": rotation.version,
            "seconds_refused": round(rotation.seconds_refused, 3),
            "waited": rotation.waited,
        }


class SecretUnusable(Exception):
    """The secret's `AWSCURRENT` version is missing or isn't a login; never says what it holds."""


class _Secret:
    """Reads one secret through AWS's caching client, and remembers what that client doesn't tell.

    It stands between the caching client and Secrets Manager, because the caching client returns the value
    alone: neither its version, nor that a refresh failed and the value is old.
    """

    def __init__(self, secret: str, client: SecretsManager, ttl: int) -> None:
        self._id, self._client = secret, client
        self._config = SecretCacheConfig(
            secret_refresh_interval=ttl, exception_retry_delay_max=RETRY_AFTER_FAILURE_AT_MOST
        )
        self._cache = SecretCache(self._config, self)
        self._version = ""
        self._created: dict[str, datetime] = {}
        self.failure: str | None = None

    def read(self, *, fresh: bool) -> Credential:
        """Return the login; *fresh*: not from the cache.

        :raises SecretUnusable: it is no login
        :raises BotoCoreError, ClientError: Secrets Manager failed, and nothing is cached
        """
        if fresh:
            self._cache = SecretCache(self._config, self)
        text = self._cache.get_secret_string(self._id)
        try:
            document = json.loads(text)
            user, password = document["username"], document["password"]
        except (TypeError, ValueError, KeyError):
            raise SecretUnusable("AWSCURRENT is no JSON object with username and password") from None
        if not (isinstance(user, str) and isinstance(password, str) and user and password):
            raise SecretUnusable("username or password in AWSCURRENT is empty or no text")
        return Credential(user, self._version, password.encode(), self._created.get(self._version))

    def describe_secret(self, *, SecretId: str) -> Any:  # noqa: N803 - called by the caching client
        answer = self._observed(lambda: self._client.describe_secret(SecretId=SecretId))
        stages = answer.get("VersionIdsToStages", {})
        self._version = next((version for version, names in stages.items() if "AWSCURRENT" in names), "")
        return answer

    def get_secret_value(self, *, SecretId: str, VersionId: str) -> Any:  # noqa: N803 - the same
        answer = self._observed(lambda: self._client.get_secret_value(SecretId=SecretId, VersionId=VersionId))
        self._created = {VersionId: answer["CreatedDate"]}
        return answer

    def _observed(self, call: Callable[[], Any]) -> Any:
        try:
            answer = call()
        except (BotoCoreError, ClientError) as error:
            self.failure = _name(error)
            raise
        self.failure = None
        return answer


def _name(error: Exception) -> str:
    """Return what went wrong in one word or sentence that holds no value."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return str(error) if isinstance(error, SecretUnusable) else type(error).__name__


class TokenSigner(Protocol):
    """What is used of the RDS client; signing needs no request."""

    def generate_db_auth_token(self, *, DBHostname: str, Port: int, DBUsername: str) -> str: ...  # noqa: N803 - the SDK's names


class IamCredentials:
    """IAM database authentication: each connection has a token of its own, so there is nothing to refresh.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
    """

    def __init__(self, host: str, port: int, user: str, signer: TokenSigner) -> None:
        self._host, self._port, self._user, self._signer = host, port, user, signer
        self._refused_at: datetime | None = None

    def current(self) -> Credential:
        try:
            token = self._signer.generate_db_auth_token(
                DBHostname=self._host, Port=self._port, DBUsername=self._user
            )
        except BotoCoreError as error:
            raise CredentialUnavailable(f"no token could be signed: {type(error).__name__}") from None
        return Credential(self._user, "token", token.encode())

    def accepted(self, credential: Credential) -> None:  # noqa: ARG002 - the protocol's
        self._refused_at = None

    def refused(self, credential: Credential) -> None:
        if self._refused_at is None:
            self._refused_at = datetime.now(UTC)
            LOG.warning("login refused", extra={"user": credential.user})

    def wait(self, than: str, seconds: float) -> None:  # noqa: ARG002 - the protocol's
        time.sleep(seconds)

    def waiting(self) -> None:
        return None

    def health(self) -> Health:
        if self._refused_at:
            reason = (
                "the database refuses tokens: check rds-db:connect and the user's AWSAuthenticationPlugin"
            )
            return Health("refused", reason, self._refused_at)
        return Health("current")

    def rotation(self) -> Rotation | None:
        return None
