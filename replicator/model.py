"""The state of both sides. All types are frozen; a value is hidden from every representation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID, uuid5

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
