"""The instance metadata service (IMDS) of one instance, version 2 and, where not disabled, 1.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_TTL = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "X-aws-ec2-metadata-token"
_RENEW_BEFORE_SECONDS = 900.0
"""The role is assumed again this long before expiry, which is about when SDKs refresh."""


@dataclass(slots=True)
class InstanceMetadata:
    """What the metadata service answers about an instance."""

    instance_id: str
    region: str
    account: str
    role: str | None
    """The name of the instance profile's role."""
    assume: Callable[[], Mapping[str, Any]] = field(repr=False)
    """Returns STS Credentials of the role."""
    address: str = "127.0.0.1"
    _credentials: Mapping[str, Any] | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def credentials(self) -> str:
        with self._lock:
            now = datetime.now(UTC)
            current = self._credentials
            if current is None or (current["Expiration"] - now).total_seconds() < _RENEW_BEFORE_SECONDS:
                current = self._credentials = self.assume()
        return json.dumps(
            {
                "Code": "Success",
                "LastUpdated": f"{now:%Y-%m-%dT%H:%M:%SZ}",
                "Type": "AWS-HMAC",
                "AccessKeyId": current["AccessKeyId"],
                "SecretAccessKey": current["SecretAccessKey"],
                "Token": current["SessionToken"],
                "Expiration": f"{current['Expiration']:%Y-%m-%dT%H:%M:%SZ}",
            }
        )

    def answer(self, path: str) -> str | None:
        """Return the text of a metadata path, or None if the path does not exist."""
        zone = f"{self.region}a"
        texts: dict[str, Callable[[], str]] = {
            "/latest/meta-data/instance-id": lambda: self.instance_id,
            "/latest/meta-data/local-ipv4": lambda: self.address,
            "/latest/meta-data/placement/availability-zone": lambda: zone,
            "/latest/meta-data/placement/region": lambda: self.region,
            "/latest/dynamic/instance-identity/document": lambda: json.dumps(
                {
                    "accountId": self.account,
                    "availabilityZone": zone,
                    "instanceId": self.instance_id,
                    "region": self.region,
                    "version": "2017-09-30",
                }
            ),
        }
        if self.role:
            texts["/latest/meta-data/iam/security-credentials"] = lambda: str(self.role)
            texts[f"/latest/meta-data/iam/security-credentials/{self.role}"] = self.credentials
        found = texts.get(path.rstrip("/"))
        return found() if found else None


class MetadataService:
    """A server, on loopback or on *listener*, that answers for one instance until it is closed."""

    def __init__(
        self, metadata: InstanceMetadata, *, token_required: bool, listener: socket.socket | None = None
    ) -> None:
        tokens: dict[str, float] = {}  # token → when it expires

        class MetadataHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _reply(self, status: int, text: str = "") -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_PUT(self) -> None:
                seconds = self.headers.get(_TTL, "")
                if self.path != "/latest/api/token":
                    self._reply(404)
                elif not seconds.isdecimal() or not 1 <= int(seconds) <= 21600:
                    self._reply(400)
                else:
                    token = secrets.token_urlsafe(32)
                    tokens[token] = time.monotonic() + int(seconds)
                    self._reply(200, token)

            def do_GET(self) -> None:
                token = self.headers.get(_TOKEN)
                if (token_required and token is None) or (
                    token is not None and tokens.get(token, 0.0) < time.monotonic()
                ):
                    self._reply(401)
                    return
                text = metadata.answer(self.path)
                self._reply(404) if text is None else self._reply(200, text)

            def log_message(self, *_: object) -> None:
                """Log nothing: the responses contain credentials."""

        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), MetadataHandler, bind_and_activate=listener is None
        )
        if listener is not None:
            self._server.socket.close()
            self._server.socket = listener
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"
        threading.Thread(target=self._server.serve_forever, name="imds", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
