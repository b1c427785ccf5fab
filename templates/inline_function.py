"""Inline functions behind custom resources: code from `templates/functions/`, with a log group and a role."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from awacs.aws import Statement
from troposphere import Template, awslambda, cloudformation

from templates.aws_versions import FUNCTION_RUNTIME, FUNCTION_RUNTIME_REASON
from templates.deployment import Deployment
from templates.log_groups import add_log_group
from templates.policies import arns
from templates.policies.roles import add_role
from templates.policies.shared_statements import write_logs
from templates.policies.trust_policies import assumed_by
from templates.resource_tags import tags
from templates.suppressions import suppress, suppress_in_packs

_INVOKED_BY_CLOUDFORMATION = (
    "Only CloudFormation invokes it, once per change, and waits for the response: there is no concurrency to "
    "limit and no event to lose."
)


def suppress_in_custom_resource(function: awslambda.Function) -> None:
    """Suppress what checkers require of functions that are invoked by events."""
    for rule in ("CKV_AWS_115", "CKV_AWS_116"):
        suppress(function, rule, _INVOKED_BY_CLOUDFORMATION)
    for rule in ("LambdaConcurrency", "LambdaDLQ"):
        suppress_in_packs(function, rule, _INVOKED_BY_CLOUDFORMATION, "HIPAA NIST")
    suppress(function, "AwsSolutions-L1", FUNCTION_RUNTIME_REASON)


def add_custom_resource(
    template: Template,
    title: str,
    function: awslambda.Function,
    *,
    wait_seconds: int,
    properties: dict[str, Any],
) -> cloudformation.CustomResource:
    """Add the custom resource `Custom::<title>`, which *function* handles within *wait_seconds*.

    CloudFormation invokes it asynchronously, so Lambda would run it twice more after a failure, and hours
    later where it is throttled: after CloudFormation has its answer, and may have rolled back the change.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-custom-resources-lambda.html
    """
    once = template.add_resource(
        awslambda.EventInvokeConfig(
            f"{title}InvokeConfig",
            FunctionName=function.ref(),
            Qualifier="$LATEST",
            MaximumEventAgeInSeconds=wait_seconds,
            MaximumRetryAttempts=0,
        )
    )
    kind = type(title, (cloudformation.CustomResource,), {"resource_type": f"Custom::{title}"})
    return template.add_resource(
        kind(
            title,
            ServiceToken=function.get_att("Arn"),
            ServiceTimeout=str(wait_seconds),
            DependsOn=[once.title],
            **properties,
        )
    )


def add_inline_function(
    template: Template,
    deployment: Deployment,
    layer: str,
    *,
    title: str,
    code: str,
    description: str,
    allow: Sequence[Statement],
    properties: dict[str, Any],
) -> cloudformation.CustomResource:
    """Add a custom resource, called *title*, that the function in `templates/functions/<code>.py` handles.

    *description* says what the function does, as a sentence without its subject.
    """
    name = f"{deployment.name}-{code.replace('_', '-')}"
    group = add_log_group(template, deployment, layer, f"{title}LogGroup", f"/aws/lambda/{name}")
    role = add_role(
        template,
        f"{title}Role",
        trust=assumed_by("lambda.amazonaws.com"),
        allow=[*allow, write_logs(arns.log_streams(f"/aws/lambda/{name}"))],
        description=description,
        tags=tags(deployment, layer),
        wildcards="Log streams get their names later, and actions that describe a network support no "
        "resources.",
    )
    function = template.add_resource(
        awslambda.Function(
            f"{title}Function",
            FunctionName=name,
            Description=f"{description[0].upper()}{description[1:]}",
            Code=awslambda.Code(ZipFile=(files("templates") / "functions" / f"{code}.py").read_text()),
            Handler="index.handler",
            Runtime=FUNCTION_RUNTIME.in_use,
            Role=role.get_att("Arn"),
            Timeout=60,
            MemorySize=256,
            LoggingConfig=awslambda.LoggingConfig(LogGroup=group.ref()),
            Tags=tags(deployment, layer),
        )
    )
    suppress_in_custom_resource(function)
    public = "It calls AWS's public APIs only, so it needs no VPC."
    suppress(function, "CKV_AWS_117", public)
    suppress_in_packs(function, "LambdaInsideVPC", public)
    return add_custom_resource(template, title, function, wait_seconds=120, properties=properties)
