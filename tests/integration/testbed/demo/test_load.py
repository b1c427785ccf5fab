"""The load keeps its schedule whatever the responses do, and reports every failure."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from testbed.demo.load import WRITE_EVERY, LoadSummary, OpenLoopLoad
from testbed.demo.site import Site
from testbed.servers.authority import Authority


class Server(ThreadingHTTPServer):
    """Answers over TLS with the status and the pause that the test sets."""

    daemon_threads = True
    request_queue_size = 200

    def __init__(self, pair: Any) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.pause = 200, 0.0
        self.methods: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.methods.append(self.command)
        time.sleep(self.server.pause)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET  # noqa: N815 - the base class's names

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    made = Server(authority.issue("load"))
    thread = threading.Thread(target=made.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def site(server: Server, authority: Authority) -> Site:
    return Site(f"https://localhost:{server.server_address[1]}", "localhost", authority.ca_file)


def summary(site: Site, rate: float, seconds: float) -> LoadSummary:
    with OpenLoopLoad.start(site, rate, seconds) as load:
        return LoadSummary.of(load.outcomes())


def test_slow_answers_delay_no_other_request(server: Server, authority: Authority) -> None:
    """All requests are outstanding together, far more than a client with eight threads would have sent."""
    server.pause = 2.0
    found = summary(site(server, authority), rate=40, seconds=1)
    assert (found.requests, found.failed) == (40, 0)
    # One after the other on eight connections they would have taken five times the pause.
    assert found.slowest < 5 * server.pause


def test_reads_and_writes_are_sent_and_counted(server: Server, authority: Authority) -> None:
    assert summary(site(server, authority), rate=100, seconds=1).failed == 0
    assert server.methods.count("POST") == 100 // WRITE_EVERY
    assert server.methods.count("GET") == 100 - 100 // WRITE_EVERY


def test_an_error_status_is_a_failure(server: Server, authority: Authority) -> None:
    server.status = 503
    found = summary(site(server, authority), rate=20, seconds=0.5)
    assert (found.failed, found.problems) == (10, {"HTTP 503": 10})


def test_a_load_without_an_end_is_finished_with_all_its_responses(
    server: Server, authority: Authority
) -> None:
    """Those that are outstanding when it is finished are waited for."""
    server.pause = 0.5
    with OpenLoopLoad.start(site(server, authority), rate=20) as load:
        time.sleep(1)
        found = LoadSummary.of(load.finish())
    assert found.failed == 0
    assert found.requests == len(server.methods) > 10


def test_a_load_that_is_left_early_ends_its_process(server: Server, authority: Authority) -> None:
    with OpenLoopLoad.start(site(server, authority), rate=50):
        time.sleep(0.2)
    sent = len(server.methods)
    time.sleep(0.3)
    assert len(server.methods) == sent > 0


def test_a_connection_refused_or_a_wrong_certificate_is_a_failure(
    server: Server, authority: Authority, tmp_path: Path
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        closed_port = Site(f"https://localhost:{closed.getsockname()[1]}", "localhost", authority.ca_file)
        refused = summary(closed_port, rate=10, seconds=0.5)
    assert refused.problems == {"ConnectionRefusedError": 5}
    other = Authority(tmp_path / "other")
    untrusted = summary(site(server, other), rate=10, seconds=0.5)
    assert untrusted.problems == {"SSLCertVerificationError": 5}
