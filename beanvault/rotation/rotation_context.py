"""What every rotation strategy uses, and the result of a rotation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from replicator.model import Revision

from ..errors import BeanvaultError, Refused
from ..polling import PollingClock
from ..replication.waiter import ReplicationWaiter
from ..ui import Ui
from .credential import DatabaseCredential
from .database import DatabaseSession, Endpoint, connected

T = TypeVar("T")


class TooSoon(BeanvaultError):
    """The password to be changed can still be in use since the previous rotation."""

    def __init__(self, reason: str, seconds_left: float) -> None:
        super().__init__(f"{reason} for {seconds_left:.0f} s more", "try again then, or pass --wait")
        self.seconds_left = seconds_left


@dataclass(frozen=True, slots=True)
class RotationResult:
    """A completed rotation."""

    source: str
    username: str
    version: str
    """In Vault."""
    version_id: str
    """In Secrets Manager."""
    seconds: float
    """From the write in Vault to `AWSCURRENT`."""
    resumed: bool = False
    """Whether it only completed a rotation that had been interrupted."""


@dataclass(frozen=True, slots=True)
class RotationDatabase:
    """The server, and the master user, who can change its users' passwords."""

    endpoint: Endpoint
    master: DatabaseCredential
    schema: str


@dataclass(frozen=True, slots=True)
class RotationContext:
    """What every rotation strategy uses."""

    database: RotationDatabase
    replication: ReplicationWaiter
    ui: Ui
    overlap_seconds: float
    """For how long a superseded credential must stay valid: `context_factory.overlap_seconds`."""
    through_proxy: bool = False
    """Whether the app logs in to RDS Proxy instead of the database."""
    wait: bool = False
    """Whether to wait for the end of the overlap instead of raising `TooSoon`."""
    clock: PollingClock = field(default_factory=PollingClock)

    def require_no_proxy(self, source: str) -> None:
        """Return unless the app uses RDS Proxy, which knows only the user in the secret's current version.

        It refuses every other user, so while processes of the app, or the proxy itself, still have the
        previous version, a change of the user costs logins.
        https://github.com/aws/aws-cdk/issues/25568
        https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas/issues/108

        Raises:
            Refused: the app uses RDS Proxy
        """
        if self.through_proxy:
            raise Refused(
                f"{source} was not rotated: database.mode is proxy, and RDS Proxy knows only the user in the "
                "current version of the secret, so two users can't take turns",
                "rotate the password of the one user: `beanvault rotate --strategy dual`",
            )

    def verify_login(self, credential: DatabaseCredential) -> None:
        """Log in with *credential*, over TLS, to the app's schema.

        Raises:
            DatabaseLoginRefused, Unreachable, RotationDatabaseError: it must not be published
        """
        with connected(self.database.endpoint, credential, self.database.schema):
            self.ui.step(f"{credential.username} logs in over TLS with the new password")

    @contextmanager
    def exclusive(self) -> Iterator[DatabaseSession]:
        """Log in as the master user and lock out other rotations until the end.

        The lock has to cover the read of Vault, the change of the password and the write to Vault. Of two
        runs that read the same version, the second would change the password that the first is about to
        publish.

        Raises:
            RotationInProgress: another rotation has the lock
            DatabaseLoginRefused, Unreachable, RotationDatabaseError: the master user can't log in
        """
        with connected(self.database.endpoint, self.database.master) as session:
            self.require_lock(session)
            yield session

    def require_lock(self, session: DatabaseSession) -> None:
        """Take the lock, or return if *session* still has it; called before each write that it protects.

        Raises:
            RotationInProgress, RotationDatabaseError: the lock was lost, with the connection
        """
        session.lock_rotation(self.database.schema)

    def wait_or_raise(self, attempt: Callable[[], T]) -> T:
        """Return what *attempt* returns; with `wait`, repeat it after the overlap if it is too soon.

        Raises:
            TooSoon: it is too soon, and `wait` is off
        """
        while True:
            try:
                return attempt()
            except TooSoon as early:
                if not self.wait:
                    raise
                self.ui.step(f"waiting: {early}")
                self.clock.sleep(early.seconds_left)

    def require_overlap(self, name: str, reason: str) -> None:
        """Return if every user of the previous version of secret *name* had time to read the current one.

        Raises:
            TooSoon: for *reason*
        """
        passed = self.replication.seconds_since_superseded(name)
        if passed is not None and passed < self.overlap_seconds:
            raise TooSoon(reason, self.overlap_seconds - passed)

    def wait_until_current(self, revision: Revision, username: str, *, resumed: bool) -> RotationResult:
        """Wait until *revision* is replicated, and return the rotation that this completes.

        Raises:
            TimedOut: it is not replicated after some minutes
        """
        seconds = self.replication.wait_until_current(revision)
        version_id = self.replication.desired(revision).version_id
        return RotationResult(revision.source, username, revision.label, version_id, seconds, resumed)
