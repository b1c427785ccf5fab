"""The app's page, and sessions that verify its certificate."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from ..servers.process import require_tool


class _NamedServer(HTTPAdapter):
    """Verifies the certificate for a name that has no DNS entry on this machine."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
        super().init_poolmanager(
            *arguments, **settings, assert_hostname=self._name, server_hostname=self._name
        )


@dataclass(frozen=True, slots=True)
class Site:
    """The page's address, and the certificate that it must show."""

    url: str
    name: str
    """The host name in the load balancer's certificate."""
    ca_file: Path

    def visitor(self) -> requests.Session:
        """Return a session that verifies the certificate and ignores this machine's proxy settings."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.ca_file)
        session.mount("https://", _NamedServer(self.name))
        return session

    def tls_version(self) -> str:
        """Return the TLS version that `openssl s_client` and the load balancer negotiate."""
        shown = subprocess.run(
            [
                require_tool("openssl"),
                "s_client",
                "-connect",
                self.url.removeprefix("https://"),
                "-brief",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        lines = (shown.stderr + shown.stdout).splitlines()
        return next((line.split(": ")[1] for line in lines if line.startswith("Protocol version")), "unknown")

    def status(self) -> dict[str, Any]:
        """Return the app's `/api/status`."""
        with self.visitor() as visitor:
            answer = visitor.get(f"{self.url}/api/status", timeout=30)
            answer.raise_for_status()
            status: dict[str, Any] = answer.json()
            return status
