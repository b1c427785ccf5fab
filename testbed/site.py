"""The app's page, and sessions that verify its certificate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter


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
