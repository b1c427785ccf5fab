"""How fast Secrets Manager is called: within its quotas, so that its other users are not throttled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


@dataclass(frozen=True, slots=True)
class Quota:
    """Requests per second that the named operations share, in one account and region."""

    rate: float
    operations: tuple[str, ...]


QUOTAS = (
    Quota(50, ("CreateSecret",)),
    Quota(50, ("DeleteSecret",)),
    Quota(50, ("RestoreSecret",)),
    Quota(50, ("TagResource", "UntagResource")),
    Quota(
        50,
        (
            "PutSecretValue",
            "UpdateSecret",
            "UpdateSecretVersionStage",
            "ReplicateSecretToRegions",
            "RemoveRegionsFromReplication",
        ),
    ),
    Quota(100, ("ListSecrets",)),
    Quota(40_000, ("DescribeSecret",)),
    Quota(10_000, ("GetSecretValue",)),
)
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""


class TokenBucket:
    """A token bucket: *rate* calls can start at once, then *rate* a second. Safe for several threads."""

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / rate
        self._burst = 1.0
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = clock() - self._burst

    def take(self) -> None:
        """Wait until one more call is allowed."""
        with self._lock:
            now = self._clock()
            self._next = max(self._next + self._interval, now - self._burst + self._interval)
            wait = self._next - now
        if wait > 0:
            self._sleep(wait)


SHARE = 0.99
"""Of a quota: requests sent at regular intervals arrive in bunches, as their latency varies."""


def keep_quotas(client: SecretsManagerClient, table: Mapping[str, TokenBucket]) -> SecretsManagerClient:
    """Let *client* send no faster than the quotas allow, and return it.

    Each attempt counts, so that retries of throttled calls don't prolong the throttling.
    """

    def wait(event_name: str, **_: object) -> None:
        operation = event_name.rpartition(".")[2]
        if operation in table:
            table[operation].take()

    client.meta.events.register("before-send.secretsmanager", wait, unique_id="beanvault-quotas")
    return client


def token_buckets(
    clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Mapping[str, TokenBucket]:
    """Return one bucket for each operation; operations that share a quota share the bucket."""
    table: dict[str, TokenBucket] = {}
    for quota in QUOTAS:
        table |= dict.fromkeys(quota.operations, TokenBucket(SHARE * quota.rate, clock, sleep))
    return table
