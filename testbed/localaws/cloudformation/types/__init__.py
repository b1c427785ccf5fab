"""The resource types of the local AWS.

Updates of Backup::BackupPlan, RDS::DBProxy and RDS::EventSubscription change only what the stack shows,
because moto has no operation for them. Properties that a type declares as `ignored` have no effect.
"""

from __future__ import annotations

from ..resource_type import ResourceType
from . import (
    beanstalk,
    compute,
    custom,
    database,
    edge,
    identity,
    messaging,
    network,
    observability,
    security_groups,
    storage,
    waiting,
)

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
        security_groups,
        storage,
        waiting,
    )
    for kind in module.TYPES
}


def type_of(name: str) -> ResourceType:
    return custom.CUSTOM if name.startswith("Custom::") else REGISTRY[name]
