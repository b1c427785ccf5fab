"""A proxy on loopback that counts, delays and breaks calls, for fault injection in tests and benchmarks."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, assert_never
from urllib.parse import parse_qs, urlsplit

from .authority import KeyPair

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


@dataclass(frozen=True, slots=True)
class ProxiedCall:
    """One request that the proxy received."""

    index: int
    """Counted from 0 in the order of arrival."""
    method: str
    path: str
    """Including the query."""
    operation: str
    """AWS's operation name if the request has one, else method and path."""
    body: bytes = field(repr=False)
    port: int
    """The client's port, which differs for each of its connections."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Forward the call, and return the server's response *delay* seconds later."""

    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class ProxyAnswer:
    """Return this response; with *after* the server receives the request first."""

    status: int
    body: bytes = b""
    content_type: str = "application/x-amz-json-1.1"
    after: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without a response; with *after* the server receives the request first.

    *first* is called before the connection is closed, with *after* when the server has responded.
    """

    after: bool = False
    first: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Return the first half of the server's response, then close the connection."""


Behaviour = Pass | ProxyAnswer | Drop | Cut
Rule = Callable[[ProxiedCall], Behaviour]
FORWARD = Pass()


class Proxy:
    """A proxy for one server. `rule` decides what happens to each call, and can be replaced at any time."""

    def __init__(self, upstream: str, ca_file: Path | None = None, pair: KeyPair | None = None) -> None:
        """Start a proxy for *upstream*, an http or https URL; *ca_file* verifies its certificate.

        With *pair* clients connect to the proxy over TLS.
        """
        self.rule: Rule = lambda _: FORWARD
        self._upstream = urlsplit(upstream)
        self._context = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None
        self._lock = threading.Lock()
        self._calls: list[ProxiedCall] = []
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if pair is None else "https"
        self.address = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="proxy")
        self._thread.start()

    def calls(self) -> tuple[ProxiedCall, ...]:
        """Return the calls since the start, or since the last `forget`."""
        with self._lock:
            return tuple(self._calls)

    def operations(self) -> list[str]:
        return [call.operation for call in self.calls()]

    def forget(self) -> None:
        with self._lock:
            self._calls.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _arrived(self, method: str, path: str, operation: str, body: bytes, port: int) -> ProxiedCall:
        with self._lock:
            call = ProxiedCall(len(self._calls), method, path, operation, body, port)
            self._calls.append(call)
            return call

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._upstream.hostname or "127.0.0.1", self._upstream.port
        if self._upstream.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=120, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=120)


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, and the connection to the server that belongs to it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: ClassVar[Proxy]
    upstream: http.client.HTTPConnection | None = None

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the client closed the connection

    def finish(self) -> None:
        if self.upstream is not None:
            self.upstream.close()
        super().finish()

    def log_message(self, *_: object) -> None:
        """Log nothing: tests read `calls`."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        operation, port = self._operation(body), self.client_address[1]
        call = self.proxy._arrived(self.command, self.path, operation, body, port)
        behaviour = self.proxy.rule(call)
        match behaviour:
            case Pass(delay):
                self._answer(*self._forward(body), delay=delay)
            case ProxyAnswer(status, content, content_type, after):
                if after:
                    self._forward(body)
                self._answer(status, [("Content-Type", content_type)], content)
            case Drop(after, first):
                if after:
                    self._forward(body)
                if first is not None:
                    first()
                self.close_connection = True
            case Cut():
                status, headers, content = self._forward(body)
                self._answer(status, headers, content, sent=len(content) // 2)
                self.close_connection = True
            case _:
                assert_never(behaviour)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Serve every method alike: the base class looks up `do_GET`, `do_LIST` (Vault's) and so on."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _operation(self, body: bytes) -> str:
        if target := self.headers.get("X-Amz-Target"):
            return target.rpartition(".")[2]
        if b"Action=" in body[:2000]:
            return parse_qs(body.decode(errors="replace")).get("Action", [self.command])[0]
        return f"{self.command} {self.path}"

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if self.upstream is None:
            self.upstream = self.proxy._connect()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            self.upstream.request(self.command, self.path, body, headers)
            answer = self.upstream.getresponse()
            content = answer.read()
        except (http.client.HTTPException, OSError):
            self.upstream.close()
            self.upstream = None
            return 502, [], b""
        kept = [(n, v) for n, v in answer.getheaders() if n.lower() not in HOP_BY_HOP | {"content-length"}]
        return answer.status, kept, content

    def _answer(
        self,
        status: int,
        headers: list[tuple[str, str]],
        content: bytes,
        delay: float = 0.0,
        sent: int | None = None,
    ) -> None:
        if delay:
            time.sleep(delay)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if sent is None else content[:sent])
        self.wfile.flush()
