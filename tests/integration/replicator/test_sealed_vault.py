"""A Vault that is sealed in mid run. It is one of the test's own: nobody else is to find it sealed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.servers.authority import Authority
from demo.servers.openbao import OpenBao
from tests.conftest import Unsealed, unsealed

from .support_bad_days import PATHS, Day, doing, reads_any


@pytest.fixture
def openbao(tmp_path: Path, authority: Authority) -> Iterator[Unsealed]:
    server = OpenBao.start(tmp_path, authority)
    try:
        yield unsealed(server)
    finally:
        server.stop()


def test_a_vault_that_is_sealed_in_mid_run_is_told_as_sealed(deleting: Day, openbao: Any) -> None:
    day = deleting
    root = openbao.root_client()
    day.vault.rule = doing(reads_any, root.sys.seal)
    try:
        told = day.invoke()
        again = day.invoke()
    finally:
        _unseal(openbao)
    assert told.kinds <= {"SourceSealed", "SourceUnavailable"}  # what was under way was cut off
    assert told.counts["Failed"] == len(PATHS)
    day.told_unhealthy(told)
    assert [kind for _, kind, _ in again.problems] == ["SourceSealed"]
    assert "unseal it" in again.problems[0][2]
    assert again.messages == []  # it was told already
    assert day.writes() == []
    day.recovers()


def _unseal(openbao: Any) -> None:
    deadline = time.monotonic() + 60
    client = openbao.root_client()
    client.sys.submit_unseal_key(openbao.unseal_key)
    while not isinstance(client.sys.read_health_status(method="GET"), dict):
        assert time.monotonic() < deadline
        time.sleep(0.05)
