"""The benchmark's visitors keep their schedule whatever the answers do, and tell every failure."""

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

from testbed.benchmarks.load import WRITE_EVERY, OpenLoopLoad, TimedTally
from testbed.demo.load import Site
from testbed.servers.authority import Authority


class Server(ThreadingHTTPServer):
    """Answers as its test wants, over TLS."""

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
        """Say nothing."""


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


def test_slow_answers_delay_no_other_request(server: Server, authority: Authority) -> None:
    """All requests are under way together, far more than a client with eight threads would have sent."""
    server.pause = 2.0
    load = OpenLoopLoad.start(site(server, authority), rate=40, seconds=1)
    tally = TimedTally.of(load.outcomes())
    assert (tally.requests, tally.failed) == (40, 0)
    # One after the other on eight connections they would have taken five times the pause.
    assert tally.slowest < 5 * server.pause


def test_reads_and_writes_are_sent_and_counted(server: Server, authority: Authority) -> None:
    load = OpenLoopLoad.start(site(server, authority), rate=100, seconds=1)
    assert TimedTally.of(load.outcomes()).failed == 0
    assert server.methods.count("POST") == 100 // WRITE_EVERY
    assert server.methods.count("GET") == 100 - 100 // WRITE_EVERY


def test_an_error_status_is_a_failure(server: Server, authority: Authority) -> None:
    server.status = 503
    tally = TimedTally.of(OpenLoopLoad.start(site(server, authority), rate=20, seconds=0.5).outcomes())
    assert (tally.failed, tally.problems) == (10, {"HTTP 503": 10})


def test_a_connection_refused_or_a_wrong_certificate_is_a_failure(
    server: Server, authority: Authority, tmp_path: Path
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = Site(f"https://localhost:{closed.getsockname()[1]}", "localhost", authority.ca_file)
        refused = TimedTally.of(OpenLoopLoad.start(nobody, rate=10, seconds=0.5).outcomes())
    assert refused.problems == {"ConnectionRefusedError": 5}
    other = Authority(tmp_path / "other")
    strange = TimedTally.of(OpenLoopLoad.start(site(server, other), rate=10, seconds=0.5).outcomes())
    assert strange.problems == {"SSLCertVerificationError": 5}
