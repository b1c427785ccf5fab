"""The instance's identity comes from the metadata service; without an answer it is empty."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from eb_app.instance import InstanceIdentity, describe


class _Metadata(BaseHTTPRequestHandler):
    """IMDSv2: a token by PUT, and no answer without it."""

    def do_PUT(self) -> None:
        valid = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self._answer("the-token" if valid else None)

    def do_GET(self) -> None:
        known = {
            "/latest/meta-data/instance-id": "i-0123456789abcdef0",
            "/latest/meta-data/placement/availability-zone": "eu-central-1a",
        }
        allowed = self.headers["X-aws-ec2-metadata-token"] == "the-token"
        self._answer(known.get(self.path) if allowed else None)

    def _answer(self, text: str | None) -> None:
        self.send_response(200 if text else 401)
        self.end_headers()
        self.wfile.write((text or "").encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def metadata() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metadata)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_id_and_zone_come_from_the_metadata_service(metadata: str) -> None:
    """With a token, as IMDSv2 requires."""
    found = describe({"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata})
    assert found == InstanceIdentity("i-0123456789abcdef0", "eu-central-1a")


def test_outside_ec2_the_identity_is_empty(metadata: str) -> None:
    """A closed port, another server, and a disabled metadata service."""
    for environ in (
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{metadata}/elsewhere"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata, "AWS_EC2_METADATA_DISABLED": "true"},
    ):
        assert describe(environ) == InstanceIdentity()
