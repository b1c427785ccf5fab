"""The nouns of a run. All are frozen; a value is hidden from every representation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID, uuid5

from .errors import ReplicatorError
from .names import decode

NAMESPACE = UUID("6f1bbb4e-7f0c-5d5e-9a44-51f0a7a0f1c7")
"""Fixed for ever: another namespace would make every secret look changed."""

TAG_OWNER = "beanvault:owner"
TAG_SOURCE = "beanvault:source"
TAG_VERSION = "beanvault:version"
TAG_KMS_KEY = "beanvault:kms-key"
TAG_REPLICAS = "beanvault:replicas"
TAG_TAGS = "beanvault:tags"

Tags: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Revision:
    """One write in Vault, known from metadata alone.

    *source* is `<mount>/<path>`. A KV v2 write has a *version*; others have 0 and tell writes apart by
    *created_time* alone (a rotation's time, or a keyed hash where the engine keeps nothing else). *custom*
    is the part of the path's custom metadata that speaks to us; *shape* says what the source adds to the
    value, so that a change of it makes a new secret version.
    """

    source: str
    version: int
    created_time: str
    custom: Tags = ()
    shape: str = ""

    @property
    def label(self) -> str:
        """What people are shown as the version."""
        return str(self.version) if self.version else self.created_time

    def version_id(self, owner: str, form: str = "") -> str:
        """Return the Secrets Manager version id that this write becomes, for *owner* and in this *form*.

        The created time is part of it because a path that was wholly removed and written anew starts over
        at version 1.
        """
        suffix = "".join(f"#{part}" for part in (self.shape, form) if part)
        return str(uuid5(NAMESPACE, f"{owner}/{self.source}@{self.version}@{self.created_time}{suffix}"))


@dataclass(frozen=True, slots=True)
class Absent:
    """A path that Vault knows and that holds nothing to replicate; *reason* says why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A path, or with a final `/` a folder or mount, that could not be looked at.

    Nothing below it is deleted in this run: what cannot be read looks exactly like what is gone.
    """

    source: str
    error: ReplicatorError


Entry: TypeAlias = Revision | Absent | Unreadable


@dataclass(frozen=True, slots=True)
class SecretValue:
    """What a path holds; numbers are kept as the text that Vault sent."""

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

    *current* is the version id that carries `AWSCURRENT`, *staged* are the others that carry any stage.
    *foreign* says why the secret can never be ours: an AWS service manages it, or it is a replica.
    *replicas* is known from `DescribeSecret` only.
    """

    name: str
    arn: str
    current: str | None
    staged: tuple[str, ...] = ()
    tags: Tags = ()
    pending_deletion: bool = False
    foreign: str | None = None
    replicas: tuple[Replica, ...] = ()

    def tag(self, key: str) -> str | None:
        for held, value in self.tags:
            if held == key:
                return value
        return None

    @property
    def owner(self) -> str | None:
        return self.tag(TAG_OWNER)

    @property
    def source(self) -> str | None:
        """The source that was last written here, encoded as names are."""
        return self.tag(TAG_SOURCE)


@dataclass(frozen=True, slots=True)
class DesiredSecret:
    """What one secret has to be: the name, the write it copies, and all that goes with it.

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
class Create:
    """The name is free."""

    wanted: DesiredSecret


@dataclass(frozen=True, slots=True)
class Update:
    """Another version is current; *drifted* when Vault's has not changed and somebody edited the copy."""

    wanted: DesiredSecret
    held: TargetSecret
    drifted: bool


@dataclass(frozen=True, slots=True)
class MoveStage:
    """The wanted version is there and `AWSCURRENT` points elsewhere: somebody rolled the copy back."""

    wanted: DesiredSecret
    held: TargetSecret


@dataclass(frozen=True, slots=True)
class Restore:
    """The secret is ours and scheduled for deletion, and its path is back."""

    wanted: DesiredSecret
    held: TargetSecret


@dataclass(frozen=True, slots=True)
class Adopt:
    """Somebody else's secret has the name, and its adoption was asked for."""

    wanted: DesiredSecret
    held: TargetSecret


@dataclass(frozen=True, slots=True)
class Retag:
    """The value is current; tags, KMS key or replica regions are not."""

    wanted: DesiredSecret
    held: TargetSecret


@dataclass(frozen=True, slots=True)
class Delete:
    """The secret is ours and its path is gone, or now called *moved*; it is scheduled, never immediate."""

    held: TargetSecret
    days: int
    moved: str | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """The name belongs to somebody else, or to another path; nothing is touched."""

    name: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The path asks for something that cannot be; a person has to change it."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Left alone on purpose."""

    source: str
    reason: str


Change: TypeAlias = Create | Update | MoveStage | Restore | Adopt | Retag | Delete
Remark: TypeAlias = Conflict | Refuse | Skip
Action: TypeAlias = Change | Remark


def name_of(change: Change) -> str:
    """Return the name of the secret that *change* is about."""
    return change.held.name if isinstance(change, Delete) else change.wanted.name


def source_of(change: Change) -> str:
    """Return the `<mount>/<path>` that *change* is about."""
    if isinstance(change, Delete):
        return decode(change.held.source or "")
    return change.wanted.source


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that was made; *arn* and *version_id* are those of the secret afterwards.

    *no_progress*: regions were looked at or tried again, and all is as before.
    """

    change: Change
    arn: str
    version_id: str
    remarks: tuple[str, ...] = ()
    no_progress: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A change that was not made, or not wholly; the next run tries again."""

    change: Change
    error: ReplicatorError


@dataclass(frozen=True, slots=True)
class Deferred:
    """A change for which the time did not suffice."""

    change: Change


@dataclass(frozen=True, slots=True)
class NoLongerNeeded:
    """A change that is not needed, or not allowed (*conflict*), now that the secret was looked at again."""

    change: Change
    conflict: Conflict | None


Outcome: TypeAlias = Applied | Failed | Deferred | NoLongerNeeded
