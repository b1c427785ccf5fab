"""What a deployment has to do to get from the stacks there are to the deployment file's: which, and in which
order. What can't be done is refused here, before the first stack is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import troposphere
from botocore.exceptions import ClientError
from cfn_tools import load_yaml

from templates import LAYERS
from templates.deployment import Deployment

from .aws import Aws, code
from .errors import Refused
from .order import Sides, arrange
from .stacks import DEAD, Stacks
from .ui import Ui

RULES = "aws:elbv2:listener"
"""What the namespaces of the load balancer's listeners and rules begin with."""


def credential_arn(aws: Aws, deployment: Deployment) -> str | None:
    """Return the ARN of the replicated credential; nothing as long as nothing was replicated."""
    try:
        found = aws.client("secretsmanager").describe_secret(SecretId=deployment.credential_secret)
    except ClientError as error:
        if code(error) == "ResourceNotFoundException":
            return None
        raise
    return None if "DeletedDate" in found else str(found["ARN"])


def possible_now(aws: Aws, ui: Ui, deployment: Deployment) -> Deployment:
    """Return the deployment without a proxy as long as there is no credential that it could log in with.

    CloudFormation would wait in vain for the proxy's targets.
    """
    if deployment.database.mode != "proxy" or credential_arn(aws, deployment):
        return deployment
    ui.step(
        f"the application connects to the database itself, because there is no secret "
        f"{deployment.credential_secret} yet: deploy again after `beanvault rotate` for the proxy"
    )
    database = deployment.database.model_copy(update={"mode": "secret"})
    return deployment.model_copy(update={"database": database})


def steps(
    deployment: Deployment, stacks: Stacks, layers: Sequence[str]
) -> tuple[dict[str, troposphere.Template], tuple[str, ...]]:
    """Return the templates of *layers* in the order to deploy them, and the stacks to delete before.

    Those are of optional layers that the deployment file leaves out.

    :raises Refused: CloudFormation or Beanstalk would refuse it half way
    """
    built = {deployment.stack_name(layer): (layer, LAYERS[layer](deployment)) for layer in layers}
    wanted = {name: (layer, template) for name, (layer, template) in built.items() if template.resources}
    left_out = tuple(name for name in built.keys() - wanted.keys() if stacks.describe(name) is not None)
    for name, (layer, template) in wanted.items():
        if layer == "environment":
            _listener_rules_stay(stacks, name, template)
    there = {
        name: Sides(frozenset(_exports(stacks, name)))
        for name in map(deployment.stack_name, LAYERS)
        if name not in left_out
    }
    after = {name: _sides(template) for name, (_, template) in wanted.items()}
    for name, sides in after.items():
        for export in there[name].exports - sides.exports:
            for user in set(_importers(stacks, export)) - set(left_out):
                known = there.get(user, Sides())
                there[user] = Sides(known.exports, known.imports | {export})
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


def _sides(template: troposphere.Template) -> Sides:
    rendered = template.to_dict()
    exports = {output["Export"]["Name"] for output in rendered.get("Outputs", {}).values()}
    return Sides(frozenset(exports), imports(rendered))


def imports(value: object) -> frozenset[str]:
    """Return all names that a rendered template imports."""
    if isinstance(value, Mapping):
        name = value.get("Fn::ImportValue")
        found = frozenset({name} if isinstance(name, str) else ())
        return found.union(*map(imports, value.values()))
    return frozenset[str]().union(*map(imports, value)) if isinstance(value, list) else frozenset()


def _listener_rules_stay(stacks: Stacks, name: str, template: troposphere.Template) -> None:
    """Refuse what Beanstalk takes only when it creates an environment with a shared load balancer.

    https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/environments-cfg-alb-shared.html

    :raises Refused: the listener's rules would be others
    """
    described = stacks.describe(name)
    if described is None or described["StackStatus"] in DEAD | {"REVIEW_IN_PROGRESS"}:
        return
    body: Any = stacks.client.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    deployed = body if isinstance(body, Mapping) else load_yaml(body)
    if _rules(deployed) != _rules(template.to_dict()):
        raise Refused(
            "nothing was changed: Beanstalk can't bring another domain to an environment that is there",
            f"leave [domain] name as it is, or have the environment made anew, with an outage: "
            f"`aws cloudformation delete-stack --stack-name {name}`, then deploy (docs/operations.md"
            "#changing-a-deployment)",
        )


def _rules(template: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    settings = template["Resources"]["Environment"]["Properties"]["OptionSettings"]
    return {
        (setting["Namespace"], setting["OptionName"], setting["Value"])
        for setting in settings
        if setting["Namespace"].startswith(RULES)
    }
