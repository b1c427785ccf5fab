"""The plan of a deployment: which stacks change, and in which order.

What can't be done is refused here, before the first stack is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import troposphere
from botocore.exceptions import ClientError

from templates.deployment import Deployment
from templates.layers import LAYERS

from ..aws import Aws, code
from ..cloudformation.stacks import Stacks
from ..errors import Refused
from .ordering import StackDependencies, deployment_order

RUNBOOK = "docs/operations.md#changing-a-deployment"


@dataclass(frozen=True, slots=True)
class ImmutableProperty:
    """What of a resource can't be changed once it is created."""

    resource: str
    value: Callable[[Mapping[str, Any]], object]
    reason: str
    remedy: str


def _listener_settings(properties: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (setting["Namespace"], setting["OptionName"], setting["Value"])
        for setting in properties["OptionSettings"]
        if setting["Namespace"].startswith("aws:elbv2:listener")
    }


IMMUTABLE: Mapping[str, ImmutableProperty] = {
    "network": ImmutableProperty(
        "Vpc",
        lambda properties: properties["CidrBlock"],
        "another [network] cidr means another VPC, and all other layers are in this one",
        "keep it, or create another deployment",
    ),
    # https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/environments-cfg-alb-shared.html
    "environment": ImmutableProperty(
        "Environment",
        _listener_settings,
        "Beanstalk can't change the domain of an existing environment",
        "keep [domain] name, or have the environment created again, with an outage",
    ),
}
"""By layer."""


def credential_arn(aws: Aws, deployment: Deployment) -> str | None:
    """Return the ARN of the replicated credential; None until it is replicated."""
    try:
        described = aws.client("secretsmanager").describe_secret(SecretId=deployment.credential_secret)
    except ClientError as error:
        if code(error) == "ResourceNotFoundException":
            return None
        raise
    return None if "DeletedDate" in described else described["ARN"]


def without_unusable_proxy(aws: Aws, deployment: Deployment) -> Deployment:
    """Return the deployment without a proxy until the credential exists that the proxy logs in with.

    Until then CloudFormation would wait for targets of the proxy that never become available.
    """
    if deployment.database.mode != "proxy" or credential_arn(aws, deployment):
        return deployment
    return without_proxy(deployment)


def without_proxy(deployment: Deployment) -> Deployment:
    """Return the deployment with an app that connects to the database directly instead of through a proxy."""
    if deployment.database.mode != "proxy":
        return deployment
    database = deployment.database.model_copy(update={"mode": "secret"})
    return deployment.model_copy(update={"database": database})


def deployment_steps(
    deployment: Deployment, stacks: Stacks, layers: Sequence[str]
) -> tuple[dict[str, troposphere.Template], tuple[str, ...]]:
    """Return the templates of *layers* in the order to deploy them, and the stacks to delete before.

    The latter are those of optional layers that the deployment file leaves out.

    Raises:
        Refused: CloudFormation or Beanstalk would refuse one of the changes
    """
    rendered = {deployment.stack_name(layer): (layer, LAYERS[layer](deployment)) for layer in layers}
    desired = {name: (layer, template) for name, (layer, template) in rendered.items() if template.resources}
    left_out = tuple(name for name in rendered if name not in desired and stacks.describe(name) is not None)
    for name, (layer, template) in desired.items():
        stacks.wait_until_idle(name)  # how an interrupted run ends decides what there is to do
        _refuse_immutable(stacks, name, layer, template)
    before = {
        name: StackDependencies(stacks.exports(name))
        for name in map(deployment.stack_name, LAYERS)
        if name not in left_out
    }
    after = {name: _dependencies(template) for name, (_, template) in desired.items()}
    for name, dependencies in after.items():
        for export in before[name].exports - dependencies.exports:
            for importer in stacks.importers(export) - set(left_out):
                known = before.get(importer, StackDependencies())
                before[importer] = StackDependencies(known.exports, known.imports | {export})
    return dict(desired[name] for name in deployment_order(before, after)), left_out


def imports(value: object) -> frozenset[str]:
    """Return all names that a rendered template imports."""
    if isinstance(value, Mapping):
        name = value.get("Fn::ImportValue")
        found = frozenset({name} if isinstance(name, str) else ())
        return found.union(*map(imports, value.values()))
    return frozenset[str]().union(*map(imports, value)) if isinstance(value, list) else frozenset()


def _dependencies(template: troposphere.Template) -> StackDependencies:
    rendered = template.to_dict()
    exports = {output["Export"]["Name"] for output in rendered.get("Outputs", {}).values()}
    return StackDependencies(frozenset(exports), imports(rendered))


def _refuse_immutable(stacks: Stacks, name: str, layer: str, template: troposphere.Template) -> None:
    """Refuse a change that needs another resource of the same name, or one that all other layers use.

    Raises:
        Refused: an immutable property differs between the stack and *template*
    """
    immutable = IMMUTABLE.get(layer)
    if immutable is None or stacks.is_new(name):
        return
    current, desired = (
        immutable.value(source["Resources"][immutable.resource]["Properties"])
        for source in (stacks.template(name), template.to_dict())
    )
    if current != desired:
        raise Refused(f"nothing was changed: {immutable.reason}", f"{immutable.remedy} ({RUNBOOK})")
