"""One deployment in memory."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from replicator.changes import Applied, Failed
from replicator.config import Config
from replicator.contract.events import ReplicationRequest
from replicator.contract.mounts import Mount
from replicator.replicate import RunClock, replicate
from replicator.report import RunReport
from tests.unit.replicator.memory import MemorySource, MemoryTarget

NOW = 1_767_225_700.0
"""A minute and forty seconds after the writes of the source in memory."""


@dataclass
class Deployment:
    source: MemorySource = field(default_factory=MemorySource)
    target: MemoryTarget = field(default_factory=MemoryTarget)
    config: Config = field(
        default_factory=lambda: Config(
            "shop-connection",
            (Mount("kv", "kv"),),
            "shop",
            "shop",
            kms_key="alias/shop",
            kms_keys_allowed=frozenset({"alias/shop", "alias/team"}),
        )
    )

    def set(self, **settings: object) -> None:
        self.config = dataclasses.replace(self.config, **settings)  # type: ignore[arg-type]  # by name

    def run(self, *sources: str, dry_run: bool = False, clock: RunClock | None = None) -> RunReport:
        request = ReplicationRequest(sources or None, dry_run=dry_run)
        return replicate(self.source, self.target, self.config, request, clock or RunClock(lambda: NOW))

    def values(self) -> dict[str, str | None]:
        """What apps would read, by name; secrets that are scheduled for deletion can't be read."""
        return {
            name: secret.value for name, secret in self.target.secrets.items() if not secret.pending_deletion
        }


def made(report: RunReport) -> dict[str, str]:
    """The kind of change that was made to each name."""
    return {
        each.change.name: type(each.change).__name__ for each in report.outcomes if isinstance(each, Applied)
    }


def failed(report: RunReport) -> dict[str, str]:
    """The class of the error at each name."""
    return {
        each.change.name: type(each.error).__name__ for each in report.outcomes if isinstance(each, Failed)
    }


@pytest.fixture(autouse=True)
def threads_switch_often() -> Iterator[None]:
    """Make each race between the replicator's threads a failure that repeats."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def assert_settled(deployment: Deployment) -> None:
    """Assert that another run finds nothing to change."""
    report = deployment.run()
    assert report.outcomes == []
    assert report.healthy, report.problems()


def reasons(report: RunReport) -> str:
    return "\n".join(map(str, report.problems()))
