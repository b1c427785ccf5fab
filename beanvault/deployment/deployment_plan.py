"""The plan of a deployment: which stacks change, and in which order.

What can't be done is refused here, before the first stack is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import troposphere
from botocore.exceptions import ClientError

from templates.deployment import Deployment
from templates.layers import LAYERS

from ..aws import Aws, code
from ..cloudformation.stacks import DEAD, Stacks
from ..errors import Refused
from .ordering import StackDependencies, arrange

RUNBOOK = "docs/operations.md#changing-a-deployment"


@dataclass(frozen=True, slots=True)
class ImmutableProperty:
    """What of a resource stays as it was made."""

    resource: str
    value: Callable[[Mapping[str, Any]], object]
    why: str
    remedy: str


def _listener_rules(properties: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (setting["Namespace"], setting["OptionName"], setting["Value"])
        for setting in properties["OptionSettings"]
        if setting["Namespace"].startswith("aws:elbv2:listener")
    }


IMMUTABLE: Mapping[str, ImmutableProperty] = {
    "network": ImmutableProperty(
        "Vpc",
        lambda properties: properties["CidrBlock"],
        "another [network] cidr would be another VPC, and all others stand in this one",
        "leave it, or make another deployment",
    ),
    # https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/environments-cfg-alb-shared.html
    "environment": ImmutableProperty(
        "Environment",
        _listener_rules,
        "Beanstalk can't bring another domain to an environment that is there",
        "leave [domain] name as it is, or have the environment made anew, with an outage",
    ),
}
"""By layer."""


def credential_arn(aws: Aws, deployment: Deployment) -> str | None:
    """Return the ARN of the replicated credential; nothing as long as nothing was replicated."""
    try:
        found = aws.client("secretsmanager").describe_secret(SecretId=deployment.credential_secret)
    except ClientError as error:
        if code(error) == "ResourceNotFoundException":
            return None
        raise
    return None if "DeletedDate" in found else str(found["ARN"])


def possible_now(aws: Aws, deployment: Deployment) -> Deployment:
    """Return the deployment without a proxy as long as there is no credential that it could log in with.

    CloudFormation would wait in vain for the proxy's targets.
    """
    if deployment.database.mode != "proxy" or credential_arn(aws, deployment):
        return deployment
    return without_proxy(deployment)


def without_proxy(deployment: Deployment) -> Deployment:
    """Return the deployment with an application that connects to the database itself, if it didn't anyway."""
    if deployment.database.mode != "proxy":
        return deployment
    database = deployment.database.model_copy(update={"mode": "secret"})
    return deployment.model_copy(update={"database": database})


def deployment_steps(
    deployment: Deployment, stacks: Stacks, layers: Sequence[str]
) -> tuple[dict[str, troposphere.Template], tuple[str, ...]]:
    """Return the templates of *layers* in the order to deploy them, and the stacks to delete before.

    Those are of optional layers that the deployment file leaves out.

    Raises:
        Refused: CloudFormation or Beanstalk would refuse it half way
    """
    built = {deployment.stack_name(layer): (layer, LAYERS[layer](deployment)) for layer in layers}
    wanted = {name: (layer, template) for name, (layer, template) in built.items() if template.resources}
    left_out = tuple(name for name in built.keys() - wanted.keys() if stacks.describe(name) is not None)
    for name, (layer, template) in wanted.items():
        stacks.settled(name)  # what an interrupted run left under way decides what there is to do
        _refuse_what_stays(stacks, name, layer, template)
    there = {
        name: StackDependencies(frozenset(_exports(stacks, name)))
        for name in map(deployment.stack_name, LAYERS)
        if name not in left_out
    }
    after = {name: _sides(template) for name, (_, template) in wanted.items()}
    for name, sides in after.items():
        for export in there[name].exports - sides.exports:
            for user in set(_importers(stacks, export)) - set(left_out):
                known = there.get(user, StackDependencies())
                there[user] = StackDependencies(known.exports, known.imports | {export})
    return dict(wanted[name] for name in arrange(there, after)), left_out


def _exports(stacks: Stacks, name: str) -> Iterator[str]:
    for output in (stacks.describe(name) or {}).get("Outputs") or ():
        if "ExportName" in output:
            yield output["ExportName"]


def _importers(stacks: Stacks, export: str) -> Iterator[str]:
    try:
        for page in stacks.client.get_paginator("list_imports").paginate(ExportName=export):
            yield from page["Imports"]
    except ClientError as error:
        if "is not imported by any stack" not in str(error):
            raise


def _sides(template: troposphere.Template) -> StackDependencies:
    rendered = template.to_dict()
    exports = {output["Export"]["Name"] for output in rendered.get("Outputs", {}).values()}
    return StackDependencies(frozenset(exports), imports(rendered))


def imports(value: object) -> frozenset[str]:
    """Return all names that a rendered template imports."""
    if isinstance(value, Mapping):
        name = value.get("Fn::ImportValue")
        found = frozenset({name} if isinstance(name, str) else ())
        return found.union(*map(imports, value.values()))
    return frozenset[str]().union(*map(imports, value)) if isinstance(value, list) else frozenset()


def _refuse_what_stays(stacks: Stacks, name: str, layer: str, template: troposphere.Template) -> None:
    """Refuse to change what would need another resource of the same name, or one that all others stand on.

    Raises:
        Refused: the stack has it otherwise
    """
    fixed = IMMUTABLE.get(layer)
    described = stacks.describe(name) if fixed else None
    if fixed is None or described is None or described["StackStatus"] in DEAD | {"REVIEW_IN_PROGRESS"}:
        return
    templates = stacks.template(name), template.to_dict()
    was, now = (each["Resources"][fixed.resource]["Properties"] for each in templates)
    if fixed.value(was) != fixed.value(now):
        raise Refused(f"nothing was changed: {fixed.why}", f"{fixed.remedy} ({RUNBOOK})")
