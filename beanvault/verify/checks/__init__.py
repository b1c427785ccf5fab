"""The checks, one module for each area; each ends with its table `CONTROLS`.

A new check is a function that reads `AccountState` and yields observations, and a row of that table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..model import Control
from . import database, edge, environment, network, replication, roles, storage

AREAS: Mapping[str, tuple[Control, ...]] = MappingProxyType(
    {
        "Network": network.CONTROLS,
        "Edge": edge.CONTROLS,
        "Application": environment.CONTROLS,
        "Storage, keys and logs": storage.CONTROLS,
        "Database": database.CONTROLS,
        "Replication and alerts": replication.CONTROLS,
        "Roles": roles.CONTROLS,
    }
)
CONTROLS: tuple[Control, ...] = tuple(control for controls in AREAS.values() for control in controls)
