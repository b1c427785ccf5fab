"""The tags of the deployment's own AWS resources. Those of replicated secrets are the replicator's."""

from __future__ import annotations

from troposphere import Tags

from templates.deployment import Deployment

DEPLOYMENT_TAG = "beanvault:deployment"


def tags(deployment: Deployment, layer: str, name: str | None = None) -> Tags:
    """Return a resource's tags: the deployment file's, its deployment and layer, and *name* as `Name`."""
    own = {DEPLOYMENT_TAG: deployment.name, "beanvault:layer": layer}
    named = {"Name": f"{deployment.name}-{name}"} if name else {}
    return Tags(**{**deployment.tags, **own, **named})


def tag_map(deployment: Deployment, layer: str, name: str | None = None) -> dict[str, str]:
    """Return the same tags for the few resources that take a map."""
    return {tag["Key"]: tag["Value"] for tag in tags(deployment, layer, name).to_dict()}
