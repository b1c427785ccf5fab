"""The login in the replicated secret, and how it is refreshed when the database refuses it.

AWS's caching client reads the secret, in one background thread, so that no request waits for Secrets Manager.
While a login is refused, the thread reads again and again, each time with a new cache: the caching client's
own `refresh_secret_now` first sleeps for 2.5 to 5 seconds, which protects Secrets Manager from a fleet of
clients but keeps visitors waiting.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from .cached_secret import CachedSecret, SecretReader, reason_of
from .model import Credential, CredentialUnavailable, Health, Rotation

logger = logging.getLogger(__name__)

URGENT_PAUSES_SECONDS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.0)
"""Between reads while a login is refused, the last one repeated; each up to half shorter, at random."""
URGENT_SECONDS = 60.0
"""How long after the last refused login the thread reads urgently."""


class SecretCredentials:
    """The login in the replicated secret; see the module's docstring.

    Args:
        ttl_seconds: the time after which the secret is read again
        request_replication: called while the database refuses the newest version; None where no bus is known
    """

    def __init__(
        self,
        secret: str,
        client: SecretReader,
        *,
        ttl_seconds: int,
        request_replication: Callable[[], None] | None = None,
    ) -> None:
        self._secret = CachedSecret(secret, client, ttl_seconds)
        self._request_replication = request_replication
        # A read of the cache costs nothing: by its own time to live the cache decides when to call AWS.
        self._routine_pause = min(1.0, ttl_seconds / 2)
        self._changed = threading.Condition()
        self._first_read = threading.Lock()
        self._first_reads = 0
        self._stopped = False
        self._current: Credential | None = None
        self._rotation: Rotation | None = None
        self._failure: Health | None = None
        self._refused_version: str | None = None
        self._refused_at: datetime | None = None
        self._urgent_until = float("-inf")
        self._urgent_reads = 0
        self._waited = 0

    def current(self) -> Credential:
        return self._current or self._read_first()

    def version(self) -> str:
        current = self._current
        return current.version if current else ""

    def record_accepted(self, credential: Credential) -> None:
        with self._changed:
            if credential.version == self._refused_version:
                self._end_urgency()
            if (
                self._rotation
                and self._rotation.version == credential.version
                and not self._rotation.first_login
            ):
                self._rotation = replace(self._rotation, first_login=datetime.now(UTC))
                logger.info("first login with the new credential", extra=self._log_fields(self._rotation))

    def record_refused(self, credential: Credential) -> None:
        with self._changed:
            current = self._current
            if current is None or current.version != credential.version:
                return  # a newer one has already been read
            if self._refused_version != credential.version:
                self._refused_version, self._refused_at = credential.version, datetime.now(UTC)
                self._urgent_reads = 0
                logger.warning(
                    "login refused", extra={"user": credential.user, "version_id": credential.version}
                )
            self._urgent_until = time.monotonic() + URGENT_SECONDS
            self._changed.notify_all()

    def wait_for_newer(self, version: str, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: bool(version) and self._current is not None and self._current.version != version,
                seconds,
            )

    def record_waiting(self) -> None:
        with self._changed:
            self._waited += self._refused_version is not None

    def health(self) -> Health:
        with self._changed:
            if self._current is None:
                return Health("unavailable", self._failure.reason if self._failure else "not read yet")
            if self._refused_version is not None:
                return Health("refused", "the database refuses it; no newer version yet", self._refused_at)
            return self._failure or Health("current", since=self._current.created)

    def rotation(self) -> Rotation | None:
        return self._rotation

    def close(self) -> None:
        """End the background thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _read_first(self) -> Credential:
        reads_before = self._first_reads
        with self._first_read:
            # A thread that waited for the lock uses the result of the thread before it, also a failure:
            # otherwise each of them in turn would call a Secrets Manager that hangs.
            current = self._current
            if current is None and self._first_reads == reads_before:
                self._read(fresh=True)
                self._first_reads += 1
                if current := self._current:
                    threading.Thread(target=self._refresh, name="credential", daemon=True).start()
            if current is None:
                raise CredentialUnavailable(self.health().reason)
            return current

    def _refresh(self) -> None:
        while not self._stopped:
            try:
                self._read_when_due()
            except Exception as error:  # noqa: BLE001 - without this thread no newer credential is ever read
                logger.error("refreshing the credential failed", extra={"error": type(error).__name__})  # noqa: TRY400 - a traceback can contain values

    def _read_when_due(self) -> None:
        with self._changed:
            refused_before = self._refused_version
            self._changed.wait_for(partial(self._is_interrupted, refused_before), self._pause())
            if self._stopped:
                return
            urgent = self._is_urgent()
            self._urgent_reads += urgent
        self._read(fresh=urgent)
        if urgent and self._request_replication and self._is_urgent():
            self._request_replication()

    def _is_interrupted(self, refused_before: str | None) -> bool:
        return self._stopped or self._refused_version != refused_before

    def _is_urgent(self) -> bool:
        return self._refused_version is not None and time.monotonic() < self._urgent_until

    def _pause(self) -> float:
        if not self._is_urgent():
            return self._routine_pause
        pause = URGENT_PAUSES_SECONDS[min(self._urgent_reads, len(URGENT_PAUSES_SECONDS) - 1)]
        return pause * random.uniform(0.5, 1)  # noqa: S311 - jitter

    def _read(self, *, fresh: bool) -> None:
        try:
            found = self._secret.read(fresh=fresh)
            reason = self._secret.failure
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread must survive and read again
            found, reason = None, reason_of(error)
        with self._changed:
            if reason is None:
                if self._failure:
                    logger.info("secret is readable again")
                self._failure = None
            elif self._failure is None or self._failure.reason != reason:
                self._failure = Health("last good value", reason, datetime.now(UTC))
                logger.warning("secret is not readable", extra={"error": reason})
            if found and (self._current is None or self._current.version != found.version):
                self._replace(found)

    def _replace(self, found: Credential) -> None:
        previous, self._current = self._current, found
        if previous:
            self._rotation = Rotation(
                datetime.now(UTC),
                found.user,
                found.version,
                previous.user,
                self._refused_at,
                waited=self._waited,
            )
            logger.info("credential changed", extra=self._log_fields(self._rotation))
        self._end_urgency()
        self._changed.notify_all()

    def _end_urgency(self) -> None:
        self._refused_version = self._refused_at = None
        self._waited = 0

    @staticmethod
    def _log_fields(rotation: Rotation) -> dict[str, object]:
        return {
            "user": rotation.user,
            "version_id": rotation.version,
            "seconds_refused": round(rotation.seconds_refused, 3),
            "requests_waited": rotation.waited,
        }
