"""The proxy that counts, delays and breaks calls, which all fault-injection tests use."""

from __future__ import annotations

from collections.abc import Iterator

import hvac
import pytest
import requests

from beanvault.vault.mounts import enable_kv2
from testbed.servers.authority import Authority
from testbed.servers.proxy import Cut, Drop, Pass, Proxy, ProxyAnswer
from tests.conftest import Unsealed


@pytest.fixture
def proxy(openbao: Unsealed, authority: Authority) -> Iterator[Proxy]:
    made = Proxy(openbao.address, openbao.ca_file, authority.issue("proxy"))
    yield made
    made.close()


@pytest.fixture
def through(proxy: Proxy, openbao: Unsealed, authority: Authority) -> hvac.Client:
    client = hvac.Client(url=proxy.address, token=openbao.root_token, verify=str(authority.ca_file))
    mounts = client.sys.list_mounted_secrets_engines()["data"]
    if "proxied/" not in mounts:
        enable_kv2(client, "proxied")
    proxy.forget()
    return client


def test_it_counts_what_passes_and_changes_nothing(through: hvac.Client, proxy: Proxy) -> None:
    through.secrets.kv.v2.create_or_update_secret("a/b", {"k": "v"}, mount_point="proxied")
    assert through.secrets.kv.v2.list_secrets("a", mount_point="proxied")["data"]["keys"] == ["b"]
    assert proxy.operations() == ["POST /v1/proxied/data/a/b", "LIST /v1/proxied/metadata/a"]


def test_an_answer_replaces_the_servers_response(through: hvac.Client, proxy: Proxy) -> None:
    proxy.rule = lambda _: ProxyAnswer(503, b'{"errors":["sealed"]}', "application/json")
    with pytest.raises(hvac.exceptions.VaultDown):
        through.secrets.kv.v2.list_secrets("", mount_point="proxied")


def test_a_call_dropped_afterwards_has_reached_the_server(through: hvac.Client, proxy: Proxy) -> None:
    """The client gets a broken connection, but the server has stored the write."""
    proxy.rule = lambda _: Drop(after=True)
    with pytest.raises(requests.ConnectionError):
        through.secrets.kv.v2.create_or_update_secret("dropped", {"k": "v"}, mount_point="proxied")
    proxy.rule = lambda _: Pass()
    assert "dropped" in through.secrets.kv.v2.list_secrets("", mount_point="proxied")["data"]["keys"]


def test_a_cut_answer_ends_in_mid_body(through: hvac.Client, proxy: Proxy) -> None:
    proxy.rule = lambda _: Cut()
    with pytest.raises(requests.RequestException):
        through.sys.list_mounted_secrets_engines()
