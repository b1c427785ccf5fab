"""The layers of a deployment: which module builds each, in the order of deployment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from troposphere import Template

from templates import data, edge, environment, keys, network, observability, replicator, storage, vault
from templates.deployment import Deployment

Build = Callable[[Deployment], Template]

LAYERS: Mapping[str, Build] = MappingProxyType(
    {
        "keys": keys.build,
        "network": network.build,
        "storage": storage.build,
        "data": data.build,
        "replicator": replicator.build,
        "edge": edge.build,
        "environment": environment.build,
        "observability": observability.build,
        "vault": vault.build,
    }
)
"""What builds each layer, in the order of deployment. Optional layers build a template without resources
where the deployment leaves them out.
"""


def layers_of(deployment: Deployment) -> dict[str, Template]:
    """Return the templates of the layers that the deployment has, in the order of deployment."""
    built = {name: build(deployment) for name, build in LAYERS.items()}
    return {name: template for name, template in built.items() if template.resources}
