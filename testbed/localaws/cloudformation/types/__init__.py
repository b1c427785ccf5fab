"""The resource types of the local AWS.

Updates of Backup::BackupPlan, RDS::DBProxy and RDS::EventSubscription change the stack's view only, because
moto has no operation for them. What a type declares as `ignored` has no effect.
"""

from __future__ import annotations

from ..resource_type import ResourceType
from . import beanstalk, compute, custom, database, edge, identity, messaging, network, observability, storage

REGISTRY: dict[str, ResourceType] = {
    kind.name: kind
    for module in (
        beanstalk,
        compute,
        custom,
        database,
        edge,
        identity,
        messaging,
        network,
        observability,
        storage,
    )
    for kind in module.TYPES
}


def type_of(name: str) -> ResourceType:
    return custom.CUSTOM if name.startswith("Custom::") else REGISTRY[name]
