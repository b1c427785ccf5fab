"""CloudFormation's end of a custom resource: asks a handler, and takes its answer over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

Handler = Callable[[dict[str, Any], object], None]


@contextmanager
def _inbox() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield an address that takes answers, and the answers taken."""
    answers: list[dict[str, Any]] = []

    class Inbox(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            # S3 refuses a type that the address was not signed for; it is signed for none.
            signed = self.headers["Content-Type"] == ""
            if signed:
                answers.append(json.loads(body))
            self.send_response(200 if signed else 403)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Inbox)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/answer", answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(
    handler: Handler, kind: str, properties: Mapping[str, Any]
) -> tuple[dict[str, Any], Exception | None]:
    """Return what *handler* answers to a request of *kind* (such as `Create`), and what it raises."""
    raised: Exception | None = None
    with _inbox() as (address, answers):
        event = {
            "RequestType": kind,
            "ResponseURL": address,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Resource",
            "ResourceProperties": {"ServiceToken": "function", **properties},
        }
        try:
            handler(event, None)
        except Exception as error:  # noqa: BLE001 - whatever it raises is what Lambda would see
            raised = error
    (answer,) = answers
    return answer, raised
