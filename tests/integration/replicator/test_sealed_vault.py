"""Story of replicator/vault.py.

A Vault that is sealed during a run (`vault.py`). It is the test's own: others need theirs unsealed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.servers.authority import Authority
from testbed.servers.openbao import OpenBao
from tests.conftest import Unsealed, unseal, unsealed

from .support_bad_days import PATHS, Day, doing, reads_any


@pytest.fixture
def server(tmp_path: Path, authority: Authority) -> Iterator[OpenBao]:
    started = OpenBao.start(tmp_path, authority)
    yield started
    started.stop()


@pytest.fixture
def openbao(server: OpenBao) -> Unsealed:
    return unsealed(server)


def test_a_vault_that_is_sealed_during_the_run_is_reported_as_sealed(
    deleting: Day, openbao: Unsealed, server: OpenBao
) -> None:
    day = deleting
    root = openbao.root_client()
    day.vault.rule = doing(reads_any, root.sys.seal)
    try:
        result = day.invoke()
        again = day.invoke()
    finally:
        unseal(server, openbao)
    assert result.errors <= {"SourceSealed", "SourceUnavailable"}  # what was under way was cut off
    assert result.counts["Failed"] == len(PATHS)
    day.assert_reported(result)
    assert [each.error for each in again.problems] == ["SourceSealed"]
    assert "unseal it" in again.problems[0].cause
    assert again.messages == []  # it was published already
    assert day.writes() == []
    day.recovers()
