"""Reading one secret through AWS's caching client."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
from botocore.exceptions import ClientError

from .model import Credential

MAX_RETRY_SECONDS = 30
"""The longest pause between two reads while Secrets Manager fails."""


class SecretReader(Protocol):
    """The part of the Secrets Manager client that is used."""

    def describe_secret(self, *, SecretId: str) -> Any: ...  # noqa: N803 - the SDK's name

    def get_secret_value(self, *, SecretId: str, VersionId: str) -> Any: ...  # noqa: N803 - the SDK's name


class SecretUnusable(Exception):
    """The secret's `AWSCURRENT` version is missing or is not a login; the message never quotes it."""


class CachedSecret:
    """Reads one secret through AWS's caching client, and records what that client doesn't return.

    The caching client returns only the value: neither its version, nor that a refresh failed and the value is
    old. So this class is the caching client's Secrets Manager client, and passes its calls on.
    """

    def __init__(self, secret: str, client: SecretReader, ttl_seconds: int) -> None:
        self._id, self._client = secret, client
        self._config = SecretCacheConfig(
            secret_refresh_interval=ttl_seconds, exception_retry_delay_max=MAX_RETRY_SECONDS
        )
        self._cache = SecretCache(self._config, self)
        self._version = ""
        self._created: dict[str, datetime] = {}
        self.failure: str | None = None

    def read(self, *, fresh: bool) -> Credential:
        """Return the login; *fresh* bypasses the cache.

        Raises:
            SecretUnusable: the value is not a login
            BotoCoreError, ClientError: Secrets Manager failed, and nothing is cached
        """
        if fresh:
            self._cache = SecretCache(self._config, self)
        text = self._cache.get_secret_string(self._id)
        try:
            document = json.loads(text)
            user, password = document["username"], document["password"]
        except (TypeError, ValueError, KeyError):
            raise SecretUnusable("AWSCURRENT is not a JSON object with username and password") from None
        if not (isinstance(user, str) and isinstance(password, str) and user and password):
            raise SecretUnusable("username or password in AWSCURRENT is empty or not a string")
        return Credential(user, self._version, password.encode(), self._created.get(self._version))

    def describe_secret(self, *, SecretId: str) -> Any:  # noqa: N803 - called by the caching client
        answer = self._recorded(lambda: self._client.describe_secret(SecretId=SecretId))
        stages = answer.get("VersionIdsToStages", {})
        self._version = next((version for version, names in stages.items() if "AWSCURRENT" in names), "")
        return answer

    def get_secret_value(self, *, SecretId: str, VersionId: str) -> Any:  # noqa: N803 - the same
        answer = self._recorded(lambda: self._client.get_secret_value(SecretId=SecretId, VersionId=VersionId))
        self._created = {VersionId: answer["CreatedDate"]}
        return answer

    def _recorded(self, call: Callable[[], Any]) -> Any:
        try:
            answer = call()
        except Exception as error:
            self.failure = reason_of(error)
            raise
        self.failure = None
        return answer


def reason_of(error: Exception) -> str:
    """Return the reason of a failure, without any value of the secret."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return str(error) if isinstance(error, SecretUnusable) else type(error).__name__
