"""One deployment in memory."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import pytest

from replicator.config import Config, Mount
from replicator.model import Applied, Failed, Outcome, name_of
from replicator.replicate import ReplicationRequest, RunClock, replicate
from replicator.report import Report
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

    def run(self, *sources: str, dry_run: bool = False, clock: RunClock | None = None) -> Report:
        request = ReplicationRequest(sources or None, dry_run=dry_run)
        return replicate(self.source, self.target, self.config, request, clock or RunClock(lambda: NOW))

    def values(self) -> dict[str, str | None]:
        """What apps would read, by name; secrets that are scheduled for deletion can't be read."""
        return {name: held.value for name, held in self.target.secrets.items() if not held.pending_deletion}


def made(report: Report) -> dict[str, str]:
    """The kind of change that was made to each name."""
    return {
        name_of(each.change): type(each.change).__name__
        for each in report.outcomes
        if isinstance(each, Applied)
    }


def failed(report: Report) -> dict[str, str]:
    """The class of the error at each name."""
    return {
        name_of(each.change): type(each.error).__name__
        for each in report.outcomes
        if isinstance(each, Failed)
    }


def kinds(outcomes: list[Outcome]) -> list[str]:
    return [type(each).__name__ for each in outcomes]


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()
