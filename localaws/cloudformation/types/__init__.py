"""The resource types of the local AWS.

Kept as state here, because moto has no operation behind it (created, updated and deleted with their stack, seen by
nobody else): Backup::BackupSelection, CloudWatch::CompositeAlarm, EC2::VPNGatewayRoutePropagation,
Events::EventBusPolicy where it is a whole statement. Updates of Backup::BackupPlan, RDS::DBProxy and
RDS::EventSubscription change the stack's state only.
"""

from __future__ import annotations

from ..resource import ResourceType
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
