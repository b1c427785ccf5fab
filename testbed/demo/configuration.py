"""The deployment file of the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..servers.localaws import REGION

NAME = "demo"
INVISIBLE = "finance"
"""A second secrets engine, which the function's token cannot read."""


def deployment_file(name: str, vault_port: int, database_port: int, ca_file: Path) -> dict[str, Any]:
    """Return the demo's deployment file: as small as `config/dev.toml`, with Vault on this machine."""
    return {
        "name": name,
        "region": REGION,
        "network": {"nat": "single"},
        "domain": {"certificate": "self-signed"},
        "app": {"min_instances": 1, "max_instances": 2},
        "database": {
            "deletion_protection": False,
            "port": database_port,
            "ca_file": str(ca_file),
            # The demo rotates minutes after it starts; a real deployment keeps the defaults.
            "connection_age_seconds": 2,
            "secret_ttl_seconds": 1,
        },
        "vault": {"where": "outside", "cidrs": ["127.0.0.1/32"], "port": vault_port},
        "edge": {"waf": False, "deletion_protection": False},
        "logs": {"retention_days": 30},
    }
