"""Story of beanvault/listen/, beanvault/commands/listen.py and beanvault/replication/replication_request.py.

The listener with a real OpenBao's audit device, and its servers alone (beanvault.listen).
"""

from __future__ import annotations

import json
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hvac
import pytest
import requests

from beanvault.host_port import join_host_port
from beanvault.listen.audit_records import AuditReader
from beanvault.listen.servers import http_server, serve, socket_server
from beanvault.listen.write_batcher import WriteBatcher
from beanvault.vault import server as vault_server
from beanvault.vault.mounts import enable_kv2
from beanvault.vault.server import Shares, VaultServer
from testbed.servers.authority import Authority
from testbed.servers.openbao import OpenBao, hashicorp

SECONDS = 20


@dataclass
class Receiver:
    address: tuple[str, int]
    published: queue.Queue[list[str]]
    stop: threading.Event
    thread: threading.Thread

    def end(self) -> None:
        self.stop.set()
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()


def start_receiver(
    kind: str, context: ssl.SSLContext | None = None, address: tuple[str, int] = ("127.0.0.1", 0)
) -> Receiver:
    published: queue.Queue[list[str]] = queue.Queue()
    batcher = WriteBatcher(published.put)
    reader = AuditReader(("beanvault",), batcher)
    server = http_server(address, reader, context) if kind == "http" else socket_server(address, reader)
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(server, batcher, stop))
    thread.start()
    host, port = server.server_address[:2]
    return Receiver((str(host), port), published, stop, thread)


@pytest.fixture
def http_receiver() -> Iterator[Receiver]:
    receiver = start_receiver("http")
    yield receiver
    receiver.end()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Receives the server's records; HashiCorp Vault's by a socket, because it has no http device."""
    receiver = start_receiver("socket" if hashicorp() else "http")
    yield receiver
    receiver.end()


@pytest.fixture
def client(tmp_path: Path, authority: Authority, receiver: Receiver) -> Iterator[hvac.Client]:
    """The root client of a server that sends its records to the receiver."""
    address = f"127.0.0.1:{receiver.address[1]}"
    running = OpenBao.start(tmp_path, authority, None if hashicorp() else f"http://{address}/")
    try:
        server = VaultServer(running.address, running.ca_file)
        keys = vault_server.initialise(server, Shares(1, 1))
        vault_server.unseal(server, keys.keys)
        client = server.client(keys.root_token)
        if hashicorp():
            running.enable_audit(client)
            client.sys.enable_audit_device("socket", options={"address": address, "socket_type": "tcp"})
        enable_kv2(client, "beanvault")
        enable_kv2(client, "other")
        yield client
    finally:
        running.stop()


def test_writes_become_one_request_within_seconds_and_reads_become_none(
    client: hvac.Client, receiver: Receiver
) -> None:
    """A burst of writes below the mount, among writes elsewhere, reads and a refused write."""
    kv = client.secrets.kv.v2
    for path in ("app/database", "app/mail", "app/database"):
        kv.create_or_update_secret(path, {"password": "canary-value"}, mount_point="beanvault")
        kv.create_or_update_secret(path, {"password": "x"}, mount_point="other")
        kv.read_secret_version(path, mount_point="beanvault", raise_on_deleted_version=True)
    with pytest.raises(hvac.exceptions.InvalidRequest):
        kv.create_or_update_secret("app/refused", {"a": "b"}, cas=9, mount_point="beanvault")
    found: set[str] = set()
    while found != {"beanvault/app/database", "beanvault/app/mail"}:
        found |= set(receiver.published.get(timeout=SECONDS))
    kv.delete_metadata_and_all_versions("app/mail", mount_point="beanvault")
    assert receiver.published.get(timeout=SECONDS) == ["beanvault/app/mail"]
    kv.create_or_update_secret("app/last", {"a": "b"}, mount_point="beanvault")
    assert receiver.published.get(timeout=SECONDS) == ["beanvault/app/last"]  # nothing was published twice


def test_vault_answers_without_the_listener(client: hvac.Client, receiver: Receiver) -> None:
    """Because of its file device: without the listener, replication is only later."""
    receiver.end()
    client.secrets.kv.v2.create_or_update_secret("app/database", {"a": "b"}, mount_point="beanvault")


def test_a_socket_device_sends_one_record_per_line() -> None:
    receiver = start_receiver("socket")
    try:
        lines = [
            {"type": "response", "request": {"operation": "update", "path": "beanvault/data/app/database"}},
            {"type": "response", "request": {"operation": "read", "path": "beanvault/data/app/other"}},
        ]
        with socket.create_connection(receiver.address) as connection:
            connection.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            assert receiver.published.get(timeout=SECONDS) == ["beanvault/app/database"]
    finally:
        receiver.end()


RECORD = {"type": "response", "request": {"operation": "update", "path": "beanvault/data/app/database"}}
LONG = {**RECORD, "response": "x" * 3_000_000}


def test_a_record_that_is_too_long_requests_every_path(http_receiver: Receiver) -> None:
    """Its sender gets no broken pipe: Vault would regard its device as failed."""
    address = f"http://127.0.0.1:{http_receiver.address[1]}/"
    assert requests.post(address, json=LONG, timeout=SECONDS).status_code == 204
    assert http_receiver.published.get(timeout=SECONDS) == []
    assert requests.post(address, json=RECORD, timeout=SECONDS).status_code == 204
    assert http_receiver.published.get(timeout=SECONDS) == ["beanvault/app/database"]


LISTING = {**LONG, "request": {"operation": "list", "path": "beanvault/detailed-metadata/app/"}}
"""The record that the replication of a large folder causes."""


@pytest.mark.parametrize("device", ["http", "socket"])
def test_the_long_response_to_a_list_requests_nothing(device: str) -> None:
    """Otherwise each full run would trigger the next one."""
    receiver = start_receiver(device)
    try:
        with socket.create_connection(receiver.address) as connection:
            for record in (LISTING, RECORD):
                line = json.dumps(record).encode() + b"\n"
                if device == "socket":
                    connection.sendall(line)
                else:
                    url = f"http://127.0.0.1:{receiver.address[1]}/"
                    assert requests.post(url, data=line, timeout=SECONDS).status_code == 204
        assert receiver.published.get(timeout=SECONDS) == ["beanvault/app/database"]
    finally:
        receiver.end()


def test_a_line_that_is_too_long_requests_every_path_and_the_next_is_read() -> None:
    receiver = start_receiver("socket")
    try:
        with socket.create_connection(receiver.address) as connection:
            connection.sendall(json.dumps(LONG).encode() + b"\n")
            assert receiver.published.get(timeout=SECONDS) == []
            connection.sendall(json.dumps(RECORD).encode() + b"\n")
            assert receiver.published.get(timeout=SECONDS) == ["beanvault/app/database"]
    finally:
        receiver.end()


def test_a_server_on_the_ipv6_loopback_receives_records() -> None:
    receiver = start_receiver("http", address=("::1", 0))
    try:
        address = join_host_port("::1", receiver.address[1])
        assert requests.post(f"http://{address}/", json=RECORD, timeout=SECONDS).status_code == 204
        assert receiver.published.get(timeout=SECONDS) == ["beanvault/app/database"]
    finally:
        receiver.end()


@pytest.mark.parametrize("length", [b"-1", b"x", b"\xb2"])
def test_an_invalid_content_length_is_answered_at_once(http_receiver: Receiver, length: bytes) -> None:
    """A negative length would mean to read until the client closes the connection."""
    with socket.create_connection(http_receiver.address, timeout=5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: " + length + b"\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.0 204")


def test_records_from_another_host_are_received_over_tls(authority: Authority) -> None:
    pair = authority.issue("listener")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    receiver = start_receiver("http", context)
    try:
        record = {"type": "response", "request": {"operation": "update", "path": "beanvault/data/a"}}
        answer = requests.post(
            f"https://localhost:{receiver.address[1]}/",
            json=record,
            verify=str(authority.ca_file),
            timeout=10,
        )
        assert answer.status_code == 204
        assert receiver.published.get(timeout=SECONDS) == ["beanvault/a"]
        with pytest.raises(requests.ConnectionError):
            requests.post(f"http://localhost:{receiver.address[1]}/", json=record, timeout=10)
    finally:
        receiver.end()
