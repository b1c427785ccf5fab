"""The login in the replicated secret, and what happens when the database says no.

AWS's caching client reads the secret, in one background thread, so that no request waits for Secrets Manager.
While a login is refused the thread looks again and again, each time with a new cache: the caching client's
own `refresh_secret_now` sleeps 2.5 to 5 seconds first, which suits a fleet that found out by itself and not a
visitor who waits.
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

from .cached_secret import CachedSecret, SecretReader, name_of
from .model import Credential, CredentialUnavailable, Health, Rotation

logger = logging.getLogger(__name__)

PAUSES = (0.0, 0.1, 0.2, 0.4, 0.8, 1.0)
"""Seconds between looks while a login is refused, the last repeated; each up to half shorter, at random."""
URGENT_FOR = 60.0
"""Seconds after the last refused login in which the thread goes on looking."""


class SecretCredentials:
    """The login in the replicated secret; see the module's text."""

    def __init__(
        self, secret: str, client: SecretReader, *, ttl: int, demand: Callable[[], None] = lambda: None
    ) -> None:
        self._secret = CachedSecret(secret, client, ttl)
        self._demand = demand
        # Looking at the cache costs nothing; the cache decides by its own time to live when to ask.
        self._routine_pause = min(1.0, ttl / 2)
        self._changed = threading.Condition()
        self._first_read = threading.Lock()
        self._first_reads = 0
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

    def version(self) -> str:
        return self._held.version if self._held else ""

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
                logger.info("first login with the new credential", extra=self._told(self._rotation))

    def refused(self, credential: Credential) -> None:
        with self._changed:
            held = self._held
            if held is None or held.version != credential.version:
                return  # a newer one is there already
            if self._refused_version != credential.version:
                self._refused_version, self._refused_at = credential.version, datetime.now(UTC)
                self._looks = 0
                logger.warning(
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
        asked = self._first_reads
        with self._first_read:
            # Who had to wait for the lock shares what the one before found, be it a failure: a thread after
            # the other would ask a Secrets Manager that hangs.
            held = self._held
            if held is None and self._first_reads == asked:
                self._look(fresh=True)
                self._first_reads += 1
                if held := self._held:
                    threading.Thread(target=self._keep, name="credential", daemon=True).start()
            if held is None:
                raise CredentialUnavailable(self.health().reason)
            return held

    def _keep(self) -> None:
        while not self._stopped:
            try:
                self._look_when_due()
            except Exception as error:  # noqa: BLE001 - without this thread no newer credential is ever found
                logger.error("looking for the credential failed", extra={"error": type(error).__name__})  # noqa: TRY400 - a trace may hold values

    def _look_when_due(self) -> None:
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
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread must live and look again
            found, reason = None, name_of(error)
        with self._changed:
            if reason is None:
                if self._failure:
                    logger.info("secret readable again")
                self._failure = None
            elif self._failure is None or self._failure.reason != reason:
                self._failure = Health("last good value", reason, datetime.now(UTC))
                logger.warning("secret unreadable", extra={"error": reason})
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
            logger.info("credential changed", extra=self._told(self._rotation))
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
