"""Events on the deployment's bus: their types, their details, and how both are built and parsed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from ..errors import ConfigError
from .mounts import parse_source


@dataclass(frozen=True, slots=True)
class EventType:
    """What rules and policies select an event by."""

    source: str
    detail_type: str

    def event(self, detail: Mapping[str, object]) -> dict[str, object]:
        """Return an event as a rule hands it to the function."""
        return {"source": self.source, "detail-type": self.detail_type, "detail": dict(detail)}

    def entry(self, detail: Mapping[str, object], bus_name: str) -> dict[str, str]:
        """Return an event as an entry of `PutEvents`."""
        return {
            "Source": self.source,
            "DetailType": self.detail_type,
            "Detail": json.dumps(detail),
            "EventBusName": bus_name,
        }


REPLICATION_REQUESTED = EventType("beanvault", "Replication Requested")
"""Starts the function."""
SECRET_REPLICATED = EventType("beanvault.replicator", "Secret Replicated")
"""Published by the function for each secret whose value it changed."""


class RequestReason(StrEnum):
    """Why a run was started. It decides nothing, and is logged."""

    SCHEDULE = "schedule"
    PUSH = "push"
    """Vault was written to."""
    DEMAND = "demand"
    """The app needs a newer credential."""
    CONTINUATION = "continuation"
    """The run before ran out of time."""
    OPERATOR = "operator"
    OTHER = "other"
    """Whatever else an event names."""

    @classmethod
    def _missing_(cls, value: object) -> Self:  # noqa: ARG003 - any other text is accepted
        return cls("other")


@dataclass(frozen=True, slots=True)
class ReplicationRequest:
    """What a run is asked for: everything, or only some sources (`<mount>/<path>`), and why."""

    sources: tuple[str, ...] | None = None
    reason: RequestReason = RequestReason.SCHEDULE
    dry_run: bool = False

    def detail(self) -> dict[str, object]:
        """Return the detail of the event that asks for this."""
        detail: dict[str, object] = {} if self.sources is None else {"paths": list(self.sources)}
        detail["reason"] = self.reason.value
        if self.dry_run:
            detail["dry_run"] = True
        return detail

    @classmethod
    def from_event(cls, event: Mapping[str, object]) -> Self:
        """Read *event*; the schedule's, and any other without paths, asks for everything.

        Raises:
            ConfigError: the event is one of `REPLICATION_REQUESTED`, and its detail has another shape.
        """
        if event.get("detail-type") != REPLICATION_REQUESTED.detail_type:
            return cls()
        detail = event.get("detail")
        if not isinstance(detail, Mapping):
            raise _wrong("has no detail")
        dry_run = detail.get("dry_run", False)
        if not isinstance(dry_run, bool):
            raise _wrong("has a dry_run that is neither true nor false")
        reason = RequestReason(detail.get("reason", RequestReason.OPERATOR))
        return cls(_sources(detail.get("paths")), reason, dry_run)


def _sources(paths: Any) -> tuple[str, ...] | None:
    """Return the sources that an event's *paths* name; none, or an empty list, means all."""
    if not paths:
        return None
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise _wrong("has paths that are not a list of strings")
    try:
        return tuple(sorted({parse_source(path) for path in paths}))
    except ValueError as error:
        raise _wrong(f"names a path that can't be requested: {error}") from None


def _wrong(problem: str) -> ConfigError:
    return ConfigError([f"the event {REPLICATION_REQUESTED.detail_type!r} {problem}"])


class SecretChange(StrEnum):
    """What happened to a replicated secret."""

    CREATED = "created"
    UPDATED = "updated"
    RESTORED = "restored"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class SecretReplicated:
    """One secret whose value the function changed; never the value."""

    source: str
    name: str
    arn: str
    version_id: str
    change: SecretChange

    def detail(self) -> dict[str, object]:
        """Return the detail of the event."""
        return {
            "source": self.source,
            "name": self.name,
            "arn": self.arn,
            "version_id": self.version_id,
            "change": self.change.value,
        }

    @classmethod
    def from_detail(cls, detail: Mapping[str, Any]) -> Self:
        """Read an event's detail.

        Raises:
            KeyError, ValueError: it has another shape.
        """
        return cls(
            detail["source"],
            detail["name"],
            detail["arn"],
            detail["version_id"],
            SecretChange(detail["change"]),
        )
