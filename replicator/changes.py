"""What a run can do about one secret, and the outcomes of that. All types are frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from .contract.events import SecretChange
from .contract.summary import ChangeSummary, Count
from .errors import ReplicatorError
from .model import DesiredSecret, TargetSecret


@dataclass(frozen=True, slots=True)
class _Change:
    """What every change has: how it is shown, what it is counted as, and which event it makes."""

    action: ClassVar[str]
    count: ClassVar[Count]
    event: ClassVar[SecretChange | None]
    """None where the value does not change."""

    @property
    def reason(self) -> str:
        """Why, where *action* is not clear without it."""
        return ""


@dataclass(frozen=True, slots=True)
class _Write(_Change):
    """A change that moves one secret to its desired state."""

    desired: DesiredSecret

    @property
    def name(self) -> str:
        return self.desired.name

    @property
    def source(self) -> str:
        return self.desired.source

    def summary(self) -> ChangeSummary:
        return ChangeSummary(self.action, self.name, self.source, self.desired.revision.label, self.reason)


@dataclass(frozen=True, slots=True)
class Create(_Write):
    """The name is free."""

    action = "create"
    count = Count.CREATED
    event = SecretChange.CREATED


@dataclass(frozen=True, slots=True)
class Update(_Write):
    """Another version is current; *drifted* when Vault's is unchanged and a person edited the copy."""

    action = "update"
    count = Count.UPDATED
    event = SecretChange.UPDATED

    current: TargetSecret
    drifted: bool

    @property
    def reason(self) -> str:
        return "the copy was edited" if self.drifted else ""


@dataclass(frozen=True, slots=True)
class MoveStage(_Write):
    """The desired version exists and `AWSCURRENT` is on another: a person rolled the copy back."""

    action = "move stage"
    count = Count.UPDATED
    event = SecretChange.UPDATED

    current: TargetSecret

    @property
    def reason(self) -> str:
        return "the copy was rolled back"


@dataclass(frozen=True, slots=True)
class Restore(_Write):
    """The secret is ours and scheduled for deletion, and its path exists again."""

    action = "restore"
    count = Count.RESTORED
    event = SecretChange.RESTORED

    current: TargetSecret


@dataclass(frozen=True, slots=True)
class Adopt(_Write):
    """The name belongs to a secret that is not ours, and the configuration allows its adoption."""

    action = "adopt"
    count = Count.UPDATED
    event = SecretChange.UPDATED

    current: TargetSecret


@dataclass(frozen=True, slots=True)
class Retag(_Write):
    """The value is current; tags, KMS key or replica regions are not."""

    action = "retag"
    count = Count.UNCHANGED  # its value was current
    event = None

    current: TargetSecret

    @property
    def reason(self) -> str:
        return "tags, KMS key or replica regions differ"


@dataclass(frozen=True, slots=True)
class Delete(_Change):
    """The secret is ours and its path was deleted, or now has the name *moved_to*.

    The deletion is scheduled, with *days* to restore it.
    """

    action = "delete"
    count = Count.DELETED
    event = SecretChange.DELETED

    current: TargetSecret
    days: int
    moved_to: str | None = None

    @property
    def name(self) -> str:
        return self.current.name

    @property
    def source(self) -> str:
        return self.current.source or ""

    @property
    def reason(self) -> str:
        return f"with a recovery window of {self.days} days"

    def summary(self) -> ChangeSummary:
        return ChangeSummary(self.action, self.name, self.source, "", self.reason)


@dataclass(frozen=True, slots=True)
class Conflict:
    """The name belongs to another owner, or to another path; nothing is changed."""

    name: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The path's custom metadata asks for something that can't be done; its author has to change it."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Not replicated, or kept, on purpose."""

    source: str
    reason: str


Change: TypeAlias = Create | Update | MoveStage | Restore | Adopt | Retag | Delete
Remark: TypeAlias = Conflict | Refuse | Skip


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that was made; *arn* and *version_id* are those of the secret afterwards.

    *failed_replicas* holds a cause for each region that failed. *no_progress* means that regions were checked
    or tried again and nothing changed.
    """

    change: Change
    arn: str
    version_id: str
    failed_replicas: tuple[str, ...] = ()
    no_progress: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A change that was not made, or only in part; the next run tries again."""

    change: Change
    error: ReplicatorError


@dataclass(frozen=True, slots=True)
class Deferred:
    """A change for which there was no time."""

    change: Change


@dataclass(frozen=True, slots=True)
class Postponed:
    """A deletion that AWS was not ready for; the next run makes it."""

    change: Change
    reason: str


@dataclass(frozen=True, slots=True)
class NoLongerNeeded:
    """A change that is not needed, or not allowed (*conflict*), now that its secret was checked again."""

    change: Change
    conflict: Conflict | None


Outcome: TypeAlias = Applied | Failed | Deferred | Postponed | NoLongerNeeded
