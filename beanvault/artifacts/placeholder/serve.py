"""What an environment runs until its first deployment: healthy, with a page that no version is deployed yet.

Runs on the instance, behind nginx, with only the standard library.
"""

from __future__ import annotations

import argparse
import http.server

PAGE = b"No version is deployed yet. Run: eb deploy NAME-app --timeout 40\n"


class Placeholder(http.server.BaseHTTPRequestHandler):
    """Gives every request, also health checks, the same answer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(PAGE)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the library calls it by
        """Log nothing: nginx has the access log."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    http.server.ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Placeholder).serve_forever()
