"""What a rotation needs and what it tells afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import BeanvaultError
from ..ui import Ui
from ..waiting import Clock
from .credential import Credential
from .database import Endpoint, connected
from .replication import Replication

OVERLAP_SECONDS = 3900
"""For how long a superseded credential must stay valid: the app's cache lives for at most an hour, and a
connection begun with the old one for some minutes."""


class TooSoon(BeanvaultError):
    """The credential that would be changed may still be in use from the rotation before."""


@dataclass(frozen=True, slots=True)
class Rotated:
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
class Database:
    """The server, and who may change its users' passwords."""

    endpoint: Endpoint
    master: Credential
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """What every way of rotating uses."""

    database: Database
    replication: Replication
    ui: Ui
    overlap: float = OVERLAP_SECONDS
    wait: bool = False
    """Whether to wait for the overlap to end rather than to refuse."""
    clock: Clock = field(default_factory=Clock)

    def prove(self, credential: Credential) -> None:
        """Log in with *credential*, over TLS, to the app's schema.

        :raises LoginRefused, Unreachable, DatabaseError: it must not be published
        """
        with connected(self.database.endpoint, credential, self.database.schema):
            self.ui.step(f"{credential.username} logs in over TLS with the new password")

    def let_overlap_pass(self, name: str, what: str) -> None:
        """Return when whoever used what was current before had time to learn of what is current now.

        :raises TooSoon: it isn't time yet, and nobody wants to wait
        """
        age = self.replication.predecessor_age(name)
        if age is None or age >= self.overlap:
            return
        left = self.overlap - age
        if not self.wait:
            raise TooSoon(
                f"{what} may still be in use for {left:.0f} s after the rotation before",
                "try again then, or let it wait with --wait",
            )
        self.ui.step(f"waiting {left:.0f} s: {what} may still be in use")
        self.clock.sleep(left)
