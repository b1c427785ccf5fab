"""The app's settings, read once from the environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, cast, get_args

Mode = Literal["secret", "iam", "proxy"]

MAX_WAIT_SECONDS = 15
"""The time-outs of nginx, the load balancer and gunicorn's stop are set for this."""
RDS_AUTHORITIES = Path(__file__).parent / "certs" / "rds-global-bundle.pem"

THREADS = 32
"""Of one gunicorn process."""


class SettingsError(Exception):
    """The environment is invalid; the message lists every mistake, one per line."""


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The environment's option settings (see docs/app.md)."""

    mode: Mode
    host: str
    port: int
    schema: str
    secret: str
    """Name or ARN; modes `secret` and `proxy`."""
    user: str
    """Mode `iam`."""
    ca_file: Path | None
    """PEM; None means the system's authorities, which sign RDS Proxy's certificate."""
    connection_age_seconds: float
    """The age at which a connection is replaced."""
    secret_ttl_seconds: int
    """The time after which the secret is read again."""
    max_wait_seconds: float
    """How long a request waits at most for a successful login."""
    max_waiting: int
    """Requests of one process that can wait, beyond those with a connection; more receive 503."""
    pool_size: int
    """Connections of one process."""
    bus: str
    """The event bus for replication requests; empty: none are sent."""
    source_path: str
    """The credential's `<mount>/<path>` in Vault."""
    log_file: Path | None
    """None: standard output."""

    @property
    def slots(self) -> int:
        """Requests of one process that can use the database or wait for it."""
        return self.pool_size + self.max_waiting

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Raises:
            SettingsError: with every mistake
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
            connection_age_seconds=read.number("BEANVAULT_DATABASE_CONNECTION_AGE", 300, 1, 86400),
            secret_ttl_seconds=int(read.number("BEANVAULT_DATABASE_SECRET_TTL", 60, 1, 86400)),
            max_wait_seconds=read.number("BEANVAULT_DATABASE_WAIT", 15, 0, MAX_WAIT_SECONDS),
            max_waiting=int(read.number("BEANVAULT_DATABASE_WAITING", 16, 0, 1000)),
            pool_size=int(read.number("BEANVAULT_DATABASE_POOL_SIZE", 8, 1, 1000)),
            bus=environ.get("BEANVAULT_BUS_NAME", ""),
            source_path=environ.get("BEANVAULT_SOURCE_PATH", "beanvault/app/database"),
            log_file=Path(log_file) if log_file else None,
        )
        if settings.slots >= THREADS:
            read.mistakes.append(
                f"BEANVAULT_DATABASE_POOL_SIZE and BEANVAULT_DATABASE_WAITING add up to {settings.slots}; "
                f"it must be fewer than the {THREADS} threads of a process, to leave one for the health check"
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
            self.mistakes.append(f"{name} is {value!r}; it must be one of {', '.join(allowed)}")
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
            self.mistakes.append(f"{name} is {path}, which is not a file")
        return path
