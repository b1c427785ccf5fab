"""The target in memory passes the tests of targets."""

from __future__ import annotations

import pytest

from tests.unit.replicator.memory import MemoryTarget
from tests.unit.replicator.target_contract import TargetContract


class TestMemoryTarget(TargetContract):
    @pytest.fixture
    def target(self) -> MemoryTarget:
        return MemoryTarget()

    @pytest.fixture
    def prefix(self) -> str:
        return "shop"
