"""Is what Vault holds the version that AWS hands out? And if not yet: ask for it, and wait."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from replicator.config import Config
from replicator.contract.events import REPLICATION_REQUESTED, ReplicationRequest, RequestReason
from replicator.desired import resolve_desired
from replicator.model import DesiredSecret, Revision

from ..aws import AwsError, code
from ..errors import BeanvaultError, TimedOut
from ..polling import PollingClock, attempts

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef
    from mypy_boto3_secretsmanager import SecretsManagerClient

WAIT_SECONDS = 300
ASK_AGAIN_SECONDS = 60

Ask = Callable[[str], None]
"""Asks for the replication of one source, `<mount>/<path>`."""


class NotReplicated(BeanvaultError):
    """The path isn't one that the replicator copies, by its custom metadata or its configuration."""


@dataclass(frozen=True, slots=True)
class ReplicationWaiter:
    """The replicator and its target, seen from outside."""

    secrets: SecretsManagerClient
    config: Config
    """The replicator's own: names and version ids are worked out by its own code."""
    ask: Ask
    clock: PollingClock = field(default_factory=PollingClock)

    def wanted(self, revision: Revision) -> DesiredSecret:
        """Return what the replicator makes of *revision*: the secret's name and version id.

        Raises:
            NotReplicated: nothing
        """
        state = resolve_desired([revision], self.config)
        for desired in state.secrets.values():
            return desired
        reasons = "; ".join(remark.reason for remark in state.remarks)
        raise NotReplicated(
            f"{revision.source} isn't replicated: {reasons}",
            "change its custom metadata or the deployment file",
        )

    def current(self, name: str) -> str | None:
        """Return the version id that carries `AWSCURRENT`."""
        return next((vid for vid, stages in self._stages(name).items() if "AWSCURRENT" in stages), None)

    def is_current(self, revision: Revision) -> bool:
        wanted = self.wanted(revision)
        return self.current(wanted.name) == wanted.version_id

    def predecessor_age(self, name: str) -> float | None:
        """Return for how many seconds the previous version has been superseded; None without one."""
        stages = self._stages(name)
        if not any("AWSPREVIOUS" in labels for labels in stages.values()):
            return None
        current = self.current(name)
        for version in self.secrets.list_secret_version_ids(SecretId=name)["Versions"]:
            if version.get("VersionId") == current and "CreatedDate" in version:
                created: dt.datetime = version["CreatedDate"]
                return (dt.datetime.now(dt.UTC) - created).total_seconds()
        return None

    def wait_until_current(self, revision: Revision) -> float:
        """Ask for *revision* and return when it is `AWSCURRENT`, with the seconds that took.

        Raises:
            TimedOut: it isn't after five minutes; nothing is lost by that
        """
        wanted, asked = self.wanted(revision), -ASK_AGAIN_SECONDS - 1.0
        for passed in attempts(self.clock, WAIT_SECONDS, longest=2):
            if self.current(wanted.name) == wanted.version_id:
                return passed
            if passed - asked > ASK_AGAIN_SECONDS:
                self.ask(revision.source)
                asked = passed
        raise TimedOut(
            f"version {revision.label} of {revision.source} isn't replicated after {WAIT_SECONDS} s",
            "see the function's log; the old credential stays valid, and the same command goes on from here",
        )

    def _stages(self, name: str) -> dict[str, list[str]]:
        try:
            return dict(self.secrets.describe_secret(SecretId=name).get("VersionIdsToStages") or {})
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                return {}
            raise


def ask_on(bus_name: str, events: EventBridgeClient) -> Ask:
    """Return what puts requests on the bus."""

    def ask(source: str) -> None:
        put_requests(events, bus_name, [source], RequestReason.OPERATOR)

    return ask


def put_requests(events: EventBridgeClient, bus_name: str, sources: list[str], reason: RequestReason) -> None:
    """Put one `Replication Requested` event on the bus.

    Raises:
        AwsError: EventBridge didn't take it
    """
    request = ReplicationRequest(tuple(sources) or None, reason)
    entry = REPLICATION_REQUESTED.entry(request.detail(), bus_name)
    answer = events.put_events(Entries=[cast("PutEventsRequestEntryTypeDef", entry)])
    if answer.get("FailedEntryCount"):
        raise AwsError(
            f"EventBridge didn't take the event on {bus_name} ({answer['Entries'][0].get('ErrorCode')})"
        )
