"""Inline functions behind custom resources: code from `templates/functions/`, with a log group and a role."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from awacs.aws import Statement
from troposphere import Template, awslambda, cloudformation, logs

from templates import keys
from templates.aws_versions import FUNCTION_RUNTIME, FUNCTION_RUNTIME_REASON
from templates.deployment import Deployment
from templates.policies import add_role, arns
from templates.policies.common import write_logs
from templates.policies.resource import assumed_by
from templates.shared import suppress, suppress_in_packs, tags

_CALLED_BY_CLOUDFORMATION = (
    "Only CloudFormation calls it, once per change and waiting for its answer: nothing to limit, no "
    "letter to lose, and it calls AWS's public APIs only."
)


def add_inline_function(
    template: Template,
    deployment: Deployment,
    layer: str,
    *,
    title: str,
    code: str,
    description: str,
    may: Sequence[Statement],
    properties: dict[str, Any],
) -> cloudformation.CustomResource:
    """Add a custom resource, called *title*, that the function in `templates/functions/<code>.py` answers."""
    name = f"{deployment.name}-{code.replace('_', '-')}"
    group = template.add_resource(
        logs.LogGroup(
            f"{title}Logs",
            LogGroupName=f"/aws/lambda/{name}",
            KmsKeyId=keys.DATA_KEY_ARN.imported(deployment),
            RetentionInDays=deployment.logs.retention_days,
            Tags=tags(deployment, layer),
            **deployment.retention,
        )
    )
    role = add_role(
        template,
        f"{title}Role",
        trust=assumed_by("lambda.amazonaws.com"),
        may=[*may, write_logs(arns.log_group(f"/aws/lambda/{name}"))],
        description=description,
        tags=tags(deployment, layer),
        wildcards="Log streams get their names later, and what describes a network knows no resources.",
    )
    function = template.add_resource(
        awslambda.Function(
            f"{title}Function",
            FunctionName=name,
            Description=description,
            Code=awslambda.Code(ZipFile=(files("templates") / "functions" / f"{code}.py").read_text()),
            Handler="index.handler",
            Runtime=FUNCTION_RUNTIME.use,
            Role=role.get_att("Arn"),
            Timeout=60,
            MemorySize=256,
            LoggingConfig=awslambda.LoggingConfig(LogGroup=group.ref()),
            Tags=tags(deployment, layer),
        )
    )
    for rule in ("CKV_AWS_115", "CKV_AWS_116", "CKV_AWS_117"):
        suppress(function, rule, _CALLED_BY_CLOUDFORMATION)
    suppress_in_packs(function, "LambdaConcurrency", _CALLED_BY_CLOUDFORMATION, "HIPAA NIST")
    suppress_in_packs(function, "LambdaDLQ", _CALLED_BY_CLOUDFORMATION, "HIPAA NIST")
    suppress_in_packs(function, "LambdaInsideVPC", _CALLED_BY_CLOUDFORMATION)
    suppress(function, "AwsSolutions-L1", FUNCTION_RUNTIME_REASON)
    kind = type(title, (cloudformation.CustomResource,), {"resource_type": f"Custom::{title}"})
    return template.add_resource(
        kind(
            title,
            ServiceToken=function.get_att("Arn"),
            ServiceTimeout="120",
            **properties,
        )
    )
