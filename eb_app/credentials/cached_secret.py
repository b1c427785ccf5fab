"""Reading one secret through AWS's caching client."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
from botocore.exceptions import ClientError

from .model import Credential

RETRY_AFTER_FAILURE_AT_MOST = 30
"""Seconds between two looks, at most, while Secrets Manager fails."""


class SecretReader(Protocol):
    """What is used of the Secrets Manager client."""

    def describe_secret(self, *, SecretId: str) -> Any: ...  # noqa: N803 - the SDK's name

    def get_secret_value(self, *, SecretId: str, VersionId: str) -> Any: ...  # noqa: N803 - the SDK's name


class SecretUnusable(Exception):
    """The secret's `AWSCURRENT` version is missing or isn't a login; never says what it holds."""


class CachedSecret:
    """Reads one secret through AWS's caching client, and remembers what that client doesn't tell.

    It stands between the caching client and Secrets Manager, because the caching client returns the value
    alone: neither its version, nor that a refresh failed and the value is old.
    """

    def __init__(self, secret: str, client: SecretReader, ttl: int) -> None:
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

        Raises:
            SecretUnusable: it is no login
            BotoCoreError, ClientError: Secrets Manager failed, and nothing is cached
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
        except Exception as error:
            self.failure = name_of(error)
            raise
        self.failure = None
        return answer


def name_of(error: Exception) -> str:
    """Return what went wrong in one word or sentence that holds no value."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return str(error) if isinstance(error, SecretUnusable) else type(error).__name__
