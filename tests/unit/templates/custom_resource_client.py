"""CloudFormation's side of a custom resource: calls a handler, and receives its response over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

Handler = Callable[[dict[str, Any], object], None]


@contextmanager
def _response_server(failures: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield a URL that accepts responses after as many *failures*, and the responses received."""
    responses: list[dict[str, Any]] = []
    refusals = iter(range(failures))

    class ResponseServer(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            # S3 refuses a content type that the URL was not signed for; it is signed for none.
            signed = self.headers["Content-Type"] == ""
            busy = next(refusals, None) is not None
            if signed and not busy:
                responses.append(json.loads(body))
            self.send_response(503 if busy else 200 if signed else 403)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), ResponseServer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/response", responses
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(
    handler: Handler, kind: str, properties: Mapping[str, Any], *, failures: int = 0
) -> tuple[dict[str, Any], Exception | None]:
    """Return the response of *handler* to a request of *kind* (such as `Create`), and what it raises.

    The first *failures* attempts to respond are answered with 503.
    """
    raised: Exception | None = None
    with _response_server(failures) as (address, responses):
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
    (response,) = responses
    return response, raised
