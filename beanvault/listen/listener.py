"""Push: Vault's audit records in, `Replication Requested` events out.

Vault sends a record of each request to an http or socket audit device before it answers the client. Those
that wrote below a replicated mount become events that name the paths; a burst becomes one event. A record
that gets lost costs only the time until the next schedule. So nothing here may ever hold Vault up: a record
is acknowledged as soon as it is in memory, and what is more than fits there becomes one request for
everything.

https://developer.hashicorp.com/vault/docs/audit, https://openbao.org/docs/audit/
"""

from __future__ import annotations

import json
import logging
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..polling import PollingClock

logger = logging.getLogger(__name__)

WRITES = frozenset({"create", "update", "patch", "delete"})
KV2_PARTS = frozenset({"data", "metadata", "delete", "undelete", "destroy"})
MAX_RECORD = 1 << 20
"""Bytes. What is longer is read to its end, so that its sender isn't left with a broken pipe, and thrown
away; everything is asked for, unless its beginning says that it was no write."""
OPERATION = re.compile(rb'"operation":\s*"(\w+)"')
MAX_DRAINED = 64 << 20
"""Bytes; twice what Vault takes as a request. Beyond that it isn't Vault who sends."""
MAX_PATHS = 100
MAX_BYTES = 200_000
"""More paths than this in one burst, or longer ones, and everything is asked for; an event holds 256 KB.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html"""
EVERYTHING = ""
"""What to add to a burst instead of a path, when nobody knows which was written."""

Publish = Callable[[list[str]], None]
"""Asks for the replication of sources; an empty list means all."""


def written(record: Mapping[str, Any], mounts: Iterable[str]) -> str | None:
    """Return the source, `<mount>/<path>`, that an audit record says was written, or None.

    Only successful responses count: a request's record comes before Vault has decided.
    """
    request = record.get("request")
    if record.get("type") != "response" or record.get("error") or not isinstance(request, Mapping):
        return None
    if request.get("operation") not in WRITES:
        return None
    path = str(request.get("path", ""))
    mount = next(
        (name for name in sorted(mounts, key=len, reverse=True) if path.startswith(f"{name}/")), None
    )
    if mount is None:
        return None
    below = path.removeprefix(f"{mount}/")
    part, _, rest = below.partition("/")
    kind = str(request.get("mount_type", ""))
    if kind == "database":
        return f"{mount}/{rest}" if part in ("rotate-role", "static-roles") and rest else None
    if part in KV2_PARTS and rest:
        # A version 1 mount may have a folder called `data`: asking for what isn't there does no harm.
        return f"{mount}/{rest}"
    return None if part in KV2_PARTS or below == "config" else f"{mount}/{below}"


@dataclass(slots=True)
class Burst:
    """Collects paths until it has been quiet for a while, or a burst has lasted long enough."""

    publish: Publish
    quiet: float = 0.3
    """Seconds without a write after which the paths are published."""
    longest: float = 2.0
    """Seconds after the first write after which they are, however busy it is."""
    clock: PollingClock = field(default_factory=PollingClock)
    _paths: dict[str, None] = field(default_factory=dict)
    _first: float = 0.0
    _last: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _some: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def add(self, source: str) -> None:
        """Take a path, or `EVERYTHING`."""
        with self._lock:
            now = self.clock.now()
            if not self._paths:
                self._first = now
            self._last = now
            if len(self._paths) <= MAX_PATHS or source == EVERYTHING:
                self._paths[source] = None
        self._some.set()

    def due(self) -> float | None:
        """Return in how many seconds the paths are to be published (0: now); nothing when there are none."""
        with self._lock:
            if not self._paths:
                return None
            return max(0.0, min(self._last + self.quiet, self._first + self.longest) - self.clock.now())

    def take(self) -> list[str]:
        """Return the collected paths and start over; an empty list means all: no event can name them."""
        with self._lock:
            paths = list(self._paths)
            self._paths.clear()
            self._some.clear()
        too_many = len(paths) > MAX_PATHS or len(json.dumps(paths)) > MAX_BYTES
        return [] if too_many or EVERYTHING in paths else paths

    def run(self) -> None:
        """Publish bursts until `end`; a failure to publish is logged, and the schedule makes up for it."""
        while not self._ended.is_set():
            due = self.due()
            if due is None:
                self._some.wait(1)
            elif due > 0:
                self._ended.wait(due)
            else:
                self._flush()
        if self.due() is not None:
            self._flush()

    def end(self) -> None:
        self._ended.set()
        self._some.set()

    def _flush(self) -> None:
        paths = self.take()
        try:
            self.publish(paths)
            logger.info("asked for %s", ", ".join(paths) or "everything")
        except Exception:  # the listener must outlive whatever AWS, or the network, does
            logger.exception(
                "couldn't ask for %s; the next schedule replicates it", ", ".join(paths) or "everything"
            )


@dataclass(slots=True)
class Intake:
    """Takes records, from whichever device, and tells the burst what was written."""

    mounts: tuple[str, ...]
    burst: Burst

    def lines(self, text: bytes) -> None:
        """Take JSON objects, one a line; what isn't one is skipped."""
        for line in text.splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            except RecursionError:
                self.missed()
                continue
            if isinstance(record, Mapping) and (source := written(record, self.mounts)):
                self.burst.add(source)

    def too_long(self, head: bytes) -> None:
        """Take the beginning of a record that is too long to be read whole.

        The answer to a listing is such a one, and a run over everything makes it: asked for because of it,
        runs would never end.
        """
        operation = OPERATION.search(head)
        if operation is None or operation[1].decode() in WRITES:
            self.missed()

    def missed(self) -> None:
        """Hear that there was a record that can't be read."""
        self.burst.add(EVERYTHING)


def http_server(
    address: tuple[str, int], intake: Intake, context: ssl.SSLContext | None
) -> ThreadingHTTPServer:
    """Return a server for an http audit device (OpenBao); any path, POST or PUT."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            said = self.headers.get("Content-Length", "")
            length = int(said) if said.isdecimal() else 0
            if length > MAX_RECORD:
                intake.too_long(self.rfile.read(MAX_RECORD))
                self._drain(min(length, MAX_DRAINED) - MAX_RECORD)
            else:
                intake.lines(self.rfile.read(length))
            self.send_response(204)  # also for what is too long: Vault must not wait, or fail, because of us
            self.end_headers()

        def _drain(self, length: int) -> None:
            while length > 0 and (part := self.rfile.read(min(length, MAX_RECORD))):
                length -= len(part)

        do_PUT = do_POST  # noqa: N815 - http.server's name

        def log_message(self, *args: object) -> None:
            """Say nothing: a line a record would be a second audit log."""

    class Server(ThreadingHTTPServer):
        address_family = family(address)

    server = Server(address, Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


def socket_server(address: tuple[str, int], intake: Intake) -> socketserver.ThreadingTCPServer:
    """Return a server for a socket audit device (TCP; HashiCorp Vault and OpenBao): a JSON object a line."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            goes_on = False
            while line := self.rfile.readline(MAX_RECORD):
                begun, goes_on = goes_on, not line.endswith(b"\n")
                if not begun and goes_on and len(line) == MAX_RECORD:
                    intake.too_long(line)
                elif not begun:
                    intake.lines(line)

    class Server(socketserver.ThreadingTCPServer):
        address_family = family(address)
        allow_reuse_address = True
        daemon_threads = True

    return Server(address, Handler)


def family(address: tuple[str, int]) -> socket.AddressFamily:
    """Return what Python's servers don't find out by themselves."""
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def serve(server: socketserver.BaseServer, burst: Burst, stop: threading.Event) -> None:
    """Serve until *stop*, and publish what is left."""
    threads = [
        threading.Thread(target=server.serve_forever, name="intake", daemon=True),
        threading.Thread(target=burst.run, name="burst", daemon=True),
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    server.shutdown()
    server.server_close()
    burst.end()
    for thread in threads:
        thread.join(10)
