"""Fixtures of several test files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from beanvault.vault.server import VaultServer
from testbed.servers.authority import Authority
from testbed.servers.openbao import OpenBao

from .vault.support_pgp import Holder


@pytest.fixture
def empty(tmp_path: Path, authority: Authority) -> Iterator[VaultServer]:
    """A server that is not initialised."""
    running = OpenBao.start(tmp_path, authority)
    try:
        yield VaultServer(running.address, running.ca_file)
    finally:
        running.stop()


@pytest.fixture
def holders() -> Iterator[list[Holder]]:
    with tempfile.TemporaryDirectory(prefix="gpg") as short:  # its agent's socket takes 108 characters
        made = [Holder.made(Path(short) / name, name) for name in ("ada", "grace")]
        yield made
        for holder in made:
            holder.end()
