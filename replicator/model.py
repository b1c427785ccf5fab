"""The nouns of a run. All are frozen; a value is hidden from every representation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias
from uuid import UUID, uuid5

from .contract.events import SecretChange
from .contract.summary import ChangeSummary, Count
from .contract.tags import TAG_OWNER, TAG_SOURCE, Tags
from .errors import ReplicatorError

NAMESPACE = UUID("6f1bbb4e-7f0c-5d5e-9a44-51f0a7a0f1c7")
"""Fixed for ever: another namespace would make every secret look changed."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One write in Vault, known from metadata alone.

    *source* is `<mount>/<path>`. A KV v2 write has a *version*; others have 0 and differ in *created_time*
    alone (a rotation's time, or a keyed hash where the engine keeps nothing else). *custom* is the part of
    the path's custom metadata that is addressed to us; *shape* names what the source adds to the value, so
    that a change of it makes a new secret version.
    """

    source: str
    version: int
    created_time: str
    custom: Tags = ()
    shape: str = ""

    @property
    def label(self) -> str:
        """The version as people see it."""
        return str(self.version) if self.version else self.created_time

    def version_id(self, owner: str, form: str = "") -> str:
        """Return the Secrets Manager version id that this write becomes, for *owner* and in this *form*.

        The created time is part of it because a path that was deleted with its metadata and written again
        starts over at version 1.
        """
        suffix = "".join(f"#{part}" for part in (self.shape, form) if part)
        return str(uuid5(NAMESPACE, f"{owner}/{self.source}@{self.version}@{self.created_time}{suffix}"))


@dataclass(frozen=True, slots=True)
class Absent:
    """A path that exists in Vault without a value to replicate; *reason* is why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A path, or with a final `/` a folder or mount, that could not be read.

    Nothing below it is deleted in this run: what cannot be read looks exactly like what was deleted.
    """

    source: str
    error: ReplicatorError


Entry: TypeAlias = Revision | Absent | Unreadable


@dataclass(frozen=True, slots=True)
class SecretValue:
    """The value of a path; numbers are kept as the text that Vault sent."""

    data: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Replica:
    """The state of one replica region: `InSync`, `InProgress` or `Failed`, with AWS's message."""

    region: str
    status: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class TargetSecret:
    """A secret in Secrets Manager, known from metadata alone.

    *current_version* is the version id that carries `AWSCURRENT`, *staged* are the others that carry any
    stage. *foreign* is why the secret can never be ours: an AWS service manages it, or it is a replica.
    *replicas* is known from `DescribeSecret` only. *tags* are plain, as `decode_tags` returns them.
    """

    name: str
    arn: str
    current_version: str | None
    staged: tuple[str, ...] = ()
    tags: Tags = ()
    pending_deletion: bool = False
    foreign: str | None = None
    replicas: tuple[Replica, ...] = ()

    def tag(self, key: str) -> str | None:
        for existing, value in self.tags:
            if existing == key:
                return value
        return None

    @property
    def owner(self) -> str | None:
        return self.tag(TAG_OWNER)

    @property
    def source(self) -> str | None:
        """The `<mount>/<path>` that was last written here; None where the tag is missing or was edited."""
        return self.tag(TAG_SOURCE)


@dataclass(frozen=True, slots=True)
class DesiredSecret:
    """The state that one secret must reach: its name, the write it copies, and all that goes with it.

    *tags* are all that we set, except `beanvault:replicas`, which follows what AWS reports.
    """

    name: str
    revision: Revision
    version_id: str
    form: str
    kms_key: str | None
    tags: Tags

    @property
    def source(self) -> str:
        return self.revision.source


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
class NoLongerNeeded:
    """A change that is not needed, or not allowed (*conflict*), now that its secret was checked again."""

    change: Change
    conflict: Conflict | None


Outcome: TypeAlias = Applied | Failed | Deferred | NoLongerNeeded
