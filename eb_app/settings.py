"""The app's configuration, read once from the environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, cast, get_args

Mode = Literal["secret", "iam", "proxy"]

LONGEST_WAIT = 15
"""Seconds; what nginx, the load balancer and gunicorn's stop wait for is made for this."""
RDS_AUTHORITIES = Path(__file__).parent / "certs" / "rds-global-bundle.pem"


THREADS = 32
"""Of one gunicorn process."""


class SettingsError(Exception):
    """The environment can't be used; the message lists every mistake, one a line."""


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What the app is told by the environment's option settings (see docs/app.md)."""

    mode: Mode
    host: str
    port: int
    schema: str
    secret: str
    """Name or ARN; modes `secret` and `proxy`."""
    user: str
    """Mode `iam`."""
    ca_file: Path | None
    """PEM; None means the system's authorities, which vouch for RDS Proxy."""
    connection_age: float
    """Seconds after which a connection is replaced."""
    secret_ttl: int
    """Seconds after which the secret is looked at again."""
    wait: float
    """Seconds that a request waits at most for a login that works."""
    waiting: int
    """Requests of one process beyond those that have a connection; the next is told to come back."""
    pool_size: int
    """Connections of one process."""
    bus: str
    """Where to ask for a replication; empty: nobody is asked."""
    source_path: str
    """The credential's `<mount>/<path>` in Vault."""
    log_file: Path | None
    """None: standard output."""

    @property
    def places(self) -> int:
        """Requests of one process that may work with the database or wait for it."""
        return self.pool_size + self.waiting

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Raises:
            SettingsError: with all mistakes at once
        """
        read = _SettingsReader(environ)
        mode = cast(Mode, read.choice("BEANVAULT_DATABASE_MODE", "secret", get_args(Mode)))
        ca_file = read.file("BEANVAULT_DATABASE_CA_FILE", None if mode == "proxy" else RDS_AUTHORITIES)
        log_file = environ.get("BEANVAULT_LOG_FILE", "")
        settings = cls(
            mode=mode,
            host=read.text("BEANVAULT_DATABASE_HOST"),
            port=int(read.number("BEANVAULT_DATABASE_PORT", 3306, 1, 65535)),
            schema=read.text("BEANVAULT_DATABASE_NAME", "app"),
            secret="" if mode == "iam" else read.text("BEANVAULT_DATABASE_SECRET"),
            user=read.text("BEANVAULT_DATABASE_USER") if mode == "iam" else "",
            ca_file=ca_file,
            connection_age=read.number("BEANVAULT_DATABASE_CONNECTION_AGE", 300, 1, 86400),
            secret_ttl=int(read.number("BEANVAULT_DATABASE_SECRET_TTL", 60, 1, 86400)),
            wait=read.number("BEANVAULT_DATABASE_WAIT", 15, 0, LONGEST_WAIT),
            waiting=int(read.number("BEANVAULT_DATABASE_WAITING", 16, 0, 1000)),
            pool_size=int(read.number("BEANVAULT_DATABASE_POOL_SIZE", 8, 1, 1000)),
            bus=environ.get("BEANVAULT_BUS_NAME", ""),
            source_path=environ.get("BEANVAULT_SOURCE_PATH", "beanvault/app/database"),
            log_file=Path(log_file) if log_file else None,
        )
        if settings.places >= THREADS:
            read.mistakes.append(
                f"BEANVAULT_DATABASE_POOL_SIZE and BEANVAULT_DATABASE_WAITING are {settings.places}: "
                f"fewer than the {THREADS} threads of a process leave one for the health check"
            )
        if read.mistakes:
            raise SettingsError("\n".join(read.mistakes))
        return settings


class _SettingsReader:
    """Collects mistakes instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.mistakes: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        value = self._environ.get(name) or default
        if not value:
            self.mistakes.append(f"{name} is missing")
        return value or ""

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self._environ.get(name) or default
        if value not in allowed:
            self.mistakes.append(f"{name} is {value!r}; it may be {', '.join(allowed)}")
        return value

    def number(self, name: str, default: float, least: float, most: float) -> float:
        value = self._environ.get(name) or str(default)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if least <= number <= most:
            return number
        self.mistakes.append(f"{name} is {value!r}; it must be a number from {least:g} to {most:g}")
        return least

    def file(self, name: str, default: Path | None) -> Path | None:
        value = self._environ.get(name)
        path = Path(value) if value else default
        if path is not None and not path.is_file():
            self.mistakes.append(f"{name} names {path}, which is no file")
        return path
