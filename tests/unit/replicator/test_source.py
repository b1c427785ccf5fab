"""The source in memory passes the tests of sources."""

from __future__ import annotations

import pytest

from tests.unit.replicator.memory import MemorySource
from tests.unit.replicator.source_contract import SourceContract


class TestMemorySource(SourceContract):
    @pytest.fixture
    def source(self) -> MemorySource:
        return MemorySource()

    @pytest.fixture
    def writer(self, source: MemorySource) -> MemorySource:
        return source
