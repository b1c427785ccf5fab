"""What one run of the local AWS is told, passed to every part of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

OPERATOR_KEY_ID = "AKIALOCALOPERATOR000"
"""The access key of the person at the keyboard: never refused, like an account's administrator."""

ACCOUNT = "123456789012"


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """The real MariaDB that answers for RDS instances."""

    socket: Path
    """Where its administrator logs in without a password."""
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class LocalAwsSettings:
    home: Path
    """Everything a run writes lies below this directory."""
    endpoint: str
    """The server's own address, given to the processes it starts as AWS_ENDPOINT_URL."""
    database: DatabaseAddress | None = None
