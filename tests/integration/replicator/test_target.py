"""`target.py` with Secrets Manager passes the tests of targets."""

from __future__ import annotations

from typing import Any

import pytest

from replicator.target import SecretsManagerTarget
from tests.unit.replicator.target_contract import TargetContract


class TestSecretsManagerTarget(TargetContract):
    @pytest.fixture
    def target(self, bench: Any) -> SecretsManagerTarget:
        return SecretsManagerTarget(bench.aws)

    @pytest.fixture
    def prefix(self, bench: Any) -> str:
        return str(bench.config.prefix)
