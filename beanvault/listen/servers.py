"""The servers that Vault's audit devices send their records to.

Vault sends a record of each request to an http or socket audit device before it answers the client. A lost
record only delays replication until the next scheduled run, so nothing here may ever block Vault: a record is
acknowledged as soon as it is in memory.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .audit_records import MAX_RECORD_BYTES, AuditReader
from .write_batcher import WriteBatcher

MAX_DRAINED_BYTES = 64 << 20
"""Twice the largest request that Vault accepts. A longer body doesn't come from Vault."""
REQUEST_TIMEOUT_SECONDS = 10


def http_server(
    address: tuple[str, int], reader: AuditReader, context: ssl.SSLContext | None
) -> ThreadingHTTPServer:
    """Return a server for an http audit device (OpenBao): POST or PUT to any path."""

    class HttpAuditHandler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_SECONDS

        def do_POST(self) -> None:
            declared = self.headers.get("Content-Length", "")
            length = int(declared) if declared.isdecimal() else 0
            if length > MAX_RECORD_BYTES:
                reader.read_truncated(self.rfile.read(MAX_RECORD_BYTES))
                self._drain(min(length, MAX_DRAINED_BYTES) - MAX_RECORD_BYTES)
            else:
                reader.read_lines(self.rfile.read(length))
            self.send_response(204)  # also for a record that is too long: Vault must neither wait nor fail
            self.end_headers()

        def _drain(self, length: int) -> None:
            """Read the rest of the body, so that its sender doesn't get a broken pipe."""
            while length > 0 and (part := self.rfile.read(min(length, MAX_RECORD_BYTES))):
                length -= len(part)

        do_PUT = do_POST  # noqa: N815 - http.server's name

        def log_message(self, *args: object) -> None:
            """Log nothing: a line per record would be a second audit log."""

    class HttpAuditServer(ThreadingHTTPServer):
        address_family = ip_family(*address)

    server = HttpAuditServer(address, HttpAuditHandler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


def socket_server(address: tuple[str, int], reader: AuditReader) -> socketserver.ThreadingTCPServer:
    """Return a server for a socket audit device (TCP; OpenBao and HashiCorp Vault): a JSON object a line."""

    class SocketAuditHandler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            continues = False
            while line := self.rfile.readline(MAX_RECORD_BYTES):
                is_continuation, continues = continues, not line.endswith(b"\n")
                if not is_continuation and continues and len(line) == MAX_RECORD_BYTES:
                    reader.read_truncated(line)
                elif not is_continuation:
                    reader.read_lines(line)

    class SocketAuditServer(socketserver.ThreadingTCPServer):
        address_family = ip_family(*address)
        allow_reuse_address = True
        daemon_threads = True

    return SocketAuditServer(address, SocketAuditHandler)


def ip_family(host: str, port: int) -> socket.AddressFamily:
    """Return the family to listen on: IPv4, unless *host* has an IPv6 address only."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    families = {family for family, *_ in found}
    return socket.AF_INET if socket.AF_INET in families else socket.AF_INET6


def serve(server: socketserver.BaseServer, batcher: WriteBatcher, stop: threading.Event) -> None:
    """Serve until *stop*, then publish the last batch."""
    threads = [
        threading.Thread(target=server.serve_forever, name="audit-records", daemon=True),
        threading.Thread(target=batcher.run, name="batches", daemon=True),
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    server.shutdown()
    server.server_close()
    batcher.end()
    for thread in threads:
        thread.join(10)
