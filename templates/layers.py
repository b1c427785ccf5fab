"""The layers of a deployment: which module builds each, in the order of deployment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from troposphere import Template

from templates import (
    data_layer,
    edge_layer,
    environment_layer,
    keys_layer,
    network_layer,
    observability_layer,
    replicator_layer,
    storage_layer,
    vault_layer,
)
from templates.deployment import Deployment

Build = Callable[[Deployment], Template]

LAYERS: Mapping[str, Build] = MappingProxyType(
    {
        "keys": keys_layer.build,
        "network": network_layer.build,
        "storage": storage_layer.build,
        "data": data_layer.build,
        "replicator": replicator_layer.build,
        "edge": edge_layer.build,
        "environment": environment_layer.build,
        "observability": observability_layer.build,
        "vault": vault_layer.build,
    }
)
"""What builds each layer, in the order of deployment. Optional layers build a template without resources
where the deployment leaves them out.
"""


def layers_of(deployment: Deployment) -> dict[str, Template]:
    """Return the templates of the layers that the deployment has, in the order of deployment."""
    built = {name: build(deployment) for name, build in LAYERS.items()}
    return {name: template for name, template in built.items() if template.resources}
