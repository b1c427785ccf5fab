"""Waiting until Vault's newest version is what Secrets Manager returns, and requesting it until then."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from replicator.config import Config
from replicator.desired import resolve_desired
from replicator.model import DesiredSecret, Revision

from ..aws import code
from ..errors import BeanvaultError, TimedOut
from ..polling import PollingClock, attempts
from .replication_request import RequestReplication

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

WAIT_SECONDS = 300
REQUEST_AGAIN_SECONDS = 60


class NotReplicated(BeanvaultError):
    """The replicator does not copy this path, by its custom metadata or by the function's configuration."""


@dataclass(frozen=True, slots=True)
class ReplicationWaiter:
    """Compares a Vault revision with its replica."""

    secrets: SecretsManagerClient
    config: Config
    """The function's own: names and version ids are computed by the replicator's code."""
    request: RequestReplication
    clock: PollingClock = field(default_factory=PollingClock)

    def desired(self, revision: Revision) -> DesiredSecret:
        """Return the secret that *revision* becomes, with its name and version id.

        Raises:
            NotReplicated: the replicator does not copy it
        """
        state = resolve_desired([revision], self.config)
        for desired in state.secrets.values():
            return desired
        reasons = "; ".join(remark.reason for remark in state.remarks)
        raise NotReplicated(
            f"{revision.source} is not replicated: {reasons}",
            "change its custom metadata or the deployment file",
        )

    def current_version_id(self, name: str) -> str | None:
        """Return the version id that has the stage `AWSCURRENT`."""
        stages = self._stages(name)
        return next((version for version, labels in stages.items() if "AWSCURRENT" in labels), None)

    def is_current(self, revision: Revision) -> bool:
        desired = self.desired(revision)
        return self.current_version_id(desired.name) == desired.version_id

    def seconds_since_superseded(self, name: str) -> float | None:
        """Return how long ago the previous version was superseded, in seconds; None if there is none."""
        stages = self._stages(name)
        if not any("AWSPREVIOUS" in labels for labels in stages.values()):
            return None
        current = self.current_version_id(name)
        for version in self.secrets.list_secret_version_ids(SecretId=name)["Versions"]:
            if version.get("VersionId") == current and "CreatedDate" in version:
                return (dt.datetime.now(dt.UTC) - version["CreatedDate"]).total_seconds()
        return None

    def wait_until_current(self, revision: Revision) -> float:
        """Request *revision*, wait until it is `AWSCURRENT`, and return the seconds that took.

        Raises:
            TimedOut: it is not current after five minutes; the rotation can be resumed
        """
        desired, requested = self.desired(revision), -REQUEST_AGAIN_SECONDS - 1.0
        for passed in attempts(self.clock, WAIT_SECONDS, longest=2):
            if self.current_version_id(desired.name) == desired.version_id:
                return passed
            if passed - requested > REQUEST_AGAIN_SECONDS:
                self.request(revision.source)
                requested = passed
        raise TimedOut(
            f"version {revision.label} of {revision.source} is not replicated after {WAIT_SECONDS} s",
            "see the function's log; the old credential stays valid, and the same command resumes",
        )

    def _stages(self, name: str) -> dict[str, list[str]]:
        try:
            return dict(self.secrets.describe_secret(SecretId=name).get("VersionIdsToStages") or {})
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                return {}
            raise
