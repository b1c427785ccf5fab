"""What a rotation needs and what it tells afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from replicator.model import Revision

from ..errors import BeanvaultError
from ..polling import PollingClock
from ..replication.waiter import ReplicationWaiter
from ..ui import Ui
from .credential import DatabaseCredential
from .database import DatabaseSession, Endpoint, connected

OVERLAP_SECONDS = 3900
"""For how long a superseded credential must stay valid: the app's cache lives for at most an hour, and a
connection begun with the old one for some minutes."""


T = TypeVar("T")


class TooSoon(BeanvaultError):
    """What would be changed may still be needed from the rotation before."""

    def __init__(self, reason: str, left: float) -> None:
        super().__init__(f"{reason} for {left:.0f} s more", "try again then, or let it wait with --wait")
        self.left = left
        """Seconds."""


@dataclass(frozen=True, slots=True)
class RotationResult:
    """A rotation that is finished."""

    source: str
    username: str
    version: str
    """In Vault."""
    version_id: str
    """In Secrets Manager."""
    seconds: float
    """From the write in Vault to `AWSCURRENT`."""
    resumed: bool = False
    """Whether it only finished one that had been interrupted."""


@dataclass(frozen=True, slots=True)
class RotationDatabase:
    """The server, and who may change its users' passwords."""

    endpoint: Endpoint
    master: DatabaseCredential
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class RotationContext:
    """What every way of rotating uses."""

    database: RotationDatabase
    replication: ReplicationWaiter
    ui: Ui
    overlap: float = OVERLAP_SECONDS
    wait: bool = False
    """Whether to wait for the overlap to end rather than to refuse."""
    clock: PollingClock = field(default_factory=PollingClock)

    def prove(self, credential: DatabaseCredential) -> None:
        """Log in with *credential*, over TLS, to the app's schema.

        Raises:
            LoginRefused, Unreachable, DatabaseError: it must not be published
        """
        with connected(self.database.endpoint, credential, self.database.schema):
            self.ui.step(f"{credential.username} logs in over TLS with the new password")

    @contextmanager
    def exclusive(self) -> Iterator[DatabaseSession]:
        """Log in as the master user, and keep every other rotation out until the end.

        Who reads Vault, changes a password and writes Vault must be alone from the reading on: of two who
        read the same version, the second would change the password that the first is about to publish.

        Raises:
            RotationUnderWay: another one isn't done
            LoginRefused, Unreachable, DatabaseError: the master user can't log in
        """
        with connected(self.database.endpoint, self.database.master) as session:
            self.require_turn(session)
            yield session

    def require_turn(self, session: DatabaseSession) -> None:
        """Take the turn, or return if *session* still has it; before each write that others must not precede.

        Raises:
            RotationUnderWay, DatabaseError: it is lost, with the connection
        """
        session.take_turn(self.database.schema or "")

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Return what *attempt* returns; where it is too soon and we may wait, attempt it again then.

        Raises:
            TooSoon: it is, and nobody wants to wait
        """
        while True:
            try:
                return attempt()
            except TooSoon as early:
                if not self.wait:
                    raise
                self.ui.step(f"waiting: {early}")
                self.clock.sleep(early.left)

    def require_overlap(self, name: str, reason: str) -> None:
        """Return if whoever used what was current before had time to learn of what is current now.

        Raises:
            TooSoon: for *reason*
        """
        age = self.replication.predecessor_age(name)
        if age is not None and age < self.overlap:
            raise TooSoon(reason, self.overlap - age)

    def wait_until_current(self, revision: Revision, username: str, *, resumed: bool) -> RotationResult:
        """Have *revision* replicated, and return the rotation that this ends.

        Raises:
            TimedOut: it isn't after some minutes
        """
        seconds = self.replication.wait_until_current(revision)
        version_id = self.replication.wanted(revision).version_id
        return RotationResult(revision.source, username, revision.label, version_id, seconds, resumed)
