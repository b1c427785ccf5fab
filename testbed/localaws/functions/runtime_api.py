"""The HTTP interface between Lambda and a function's runtime, for one sandbox.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import queue
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True, slots=True)
class Event:
    """One invocation, as the runtime receives it."""

    payload: bytes = field(repr=False)
    function_arn: str
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True)
class InvocationOutcome:
    """The result of an invocation: the handler's response, or an error object."""

    payload: bytes = field(repr=False)
    failed: bool = False


class RuntimeApi:
    """Gives the runtime one event at a time and keeps its responses."""

    def __init__(self) -> None:
        self.outcomes: queue.Queue[InvocationOutcome | None] = queue.Queue()
        """The runtime's responses. The first item is None: it has initialised and asks for an event."""
        self._asked = False
        self._events: queue.Queue[tuple[Event, int] | None] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def hand_over(self, event: Event, deadline: float) -> None:
        """Give *event* to the runtime; *deadline* in seconds since the epoch."""
        self._events.put((event, int(deadline * 1000)))

    def close(self) -> None:
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class RuntimeApiHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each response waits 40 ms for an acknowledgement

            def do_GET(self) -> None:
                if self.path != f"{PREFIX}invocation/next":
                    self._answer(404, b"")
                    return
                if not api._asked:
                    api._asked = True
                    api.outcomes.put(None)
                given = api._events.get()
                if given is None:
                    return
                event, deadline = given
                self._answer(
                    200,
                    event.payload,
                    {
                        "Lambda-Runtime-Aws-Request-Id": event.request_id,
                        "Lambda-Runtime-Deadline-Ms": str(deadline),
                        "Lambda-Runtime-Invoked-Function-Arn": event.function_arn,
                        "Lambda-Runtime-Trace-Id": f"Root=1-{event.request_id.replace('-', '')};Sampled=0",
                    },
                )

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = self._chunks()
                api.outcomes.put(InvocationOutcome(body, failed=self.path.endswith("/error")))
                self._answer(202, b'{"status":"OK"}')

            def _chunks(self) -> bytes:
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                return body

            def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing: the function has its own log."""

        return RuntimeApiHandler
