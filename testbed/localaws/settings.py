"""The settings of one run of the local AWS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

OPERATOR_KEY_ID = "AKIALOCALOPERATOR000"
"""The operator's access key: an administrator's, allowed everything."""

ACCOUNT = "123456789012"


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """The real MariaDB that answers for RDS instances."""

    socket: Path
    """Root logs in here without a password."""
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class LocalAwsSettings:
    home: Path
    """The directory for everything that a run writes."""
    endpoint: str
    """The server's own address; its processes get it as AWS_ENDPOINT_URL."""
    database: DatabaseAddress | None = None
    instance_tools: Path | None = None
    """What instances of Auto Scaling groups need to boot (`testbed/servers/instance_tools.py`)."""
