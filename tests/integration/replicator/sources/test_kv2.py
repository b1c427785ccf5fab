"""`sources/kv2.py` with a real OpenBao passes the tests of sources, listed in either way and in pages."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest

from replicator.contract.connection import VaultAddress
from replicator.model import Revision
from replicator.source import Source
from replicator.sources.kv2 import Kv2Mount
from replicator.vault import Vault
from tests.unit.replicator.source_contract import SourceContract

PLAIN = """
path "{mount}/metadata/*" {{ capabilities = ["list", "read"] }}
path "{mount}/data/*" {{ capabilities = ["read"] }}
"""


@dataclass
class Writer:
    bench: Any
    mount: str

    def write(self, path: str, data: dict[str, object]) -> None:
        self.bench.write(path, **data)

    def choose(self, path: str, **choices: str) -> None:
        self.bench.choose(path, **choices)

    def delete(self, path: str) -> None:
        self.bench.vault.secrets.kv.v2.delete_latest_version_of_secret(path, mount_point=self.mount)

    def remove(self, path: str) -> None:
        self.bench.vault.secrets.kv.v2.delete_metadata_and_all_versions(path, mount_point=self.mount)


@pytest.fixture
def writer(bench: Any) -> Writer:
    return Writer(bench, bench.mount)


@pytest.fixture
def vault(bench: Any) -> Vault:
    return Vault(VaultAddress(bench.address, ca_bundle=bench.ca_bundle))


class TestDetailedListing(SourceContract):
    @pytest.fixture
    def source(self, bench: Any, vault: Vault) -> Source:
        vault.use_token(bench.vault.token)
        return Kv2Mount(vault, bench.mount, time.time)


class TestPlainListing(SourceContract):
    @pytest.fixture
    def source(self, bench: Any, vault: Vault) -> Source:
        bench.vault.sys.create_or_update_policy(bench.mount, PLAIN.format(mount=bench.mount))
        token = bench.vault.auth.token.create(policies=[bench.mount], no_default_policy=True)
        vault.use_token(token["auth"]["client_token"])
        return Kv2Mount(vault, bench.mount, time.time)


class TestListingInPages(SourceContract):
    @pytest.fixture
    def source(self, bench: Any, vault: Vault) -> Source:
        vault.use_token(bench.vault.token)
        return Kv2Mount(vault, bench.mount, time.time, page=2)

    @pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
    def test_every_page_is_read(self, source: Source, writer: Writer, count: int) -> None:
        for number in range(count):
            writer.write(f"folder/{number}", {"key": "canary"})
            writer.write(f"folder/{number}/below", {"key": "canary"})
        entries = list(source.list())
        assert all(isinstance(entry, Revision) for entry in entries)
        assert len({entry.source for entry in entries}) == len(entries) == 2 * count
