"""The parameters of the templates: values that are known only while deploying."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from templates.database_proxy import CREDENTIAL_ARN
from templates.environment_layer import CREATING

from ..artifacts import authorities, package, placeholder
from ..artifacts.store import Store, beanstalk_bucket
from ..cloudformation.stacks import Stacks
from ..errors import BeanvaultError, Refused
from . import certificates
from .deployment_context import DeploymentContext
from .deployment_plan import credential_arn

Value = Callable[[DeploymentContext], str]


def values(context: DeploymentContext, names: Iterable[str], *, plan_only: bool) -> dict[str, str]:
    """Return the values of the parameters *names*. Zips that they point to are uploaded, also for a plan.

    Raises:
        BeanvaultError: a template has a parameter that is not known here
    """
    names = tuple(names)
    if unknown := [name for name in names if name not in PARAMETERS]:
        raise BeanvaultError(f"the templates have parameters without a value: {', '.join(unknown)}")
    functions = PLANNED if plan_only else PARAMETERS
    return {name: functions[name](context) for name in names}


def _function_key(function: str) -> Value:
    def upload(context: DeploymentContext) -> str:
        trusted = authorities.content(context.deployment)
        built = package.build(context.project, function, context.build_folder, trusted)
        context.ui.step(f"{function}: {built.size:,} bytes, sha256 {built.sha256}")
        store = Store.of(context.aws, context.deployment.name)
        return store.put(function, ".zip", built.path.read_bytes()).key

    return upload


def _bucket(context: DeploymentContext) -> str:
    return beanstalk_bucket(context.aws)


def _certificate(context: DeploymentContext) -> str:
    host = context.deployment.domain.name or f"{context.deployment.name}.beanvault.internal"
    return certificates.self_signed(context.aws, context.deployment.name, host, dt.datetime.now(dt.UTC))


def _planned_certificate(context: DeploymentContext) -> str:
    """Return the certificate without creating or renewing it, because the listener already serves it."""
    aws = context.aws
    existing = certificates.find(aws, context.deployment.name)
    return existing or aws.arn("acm", "certificate/planned")


def _placeholder_key(context: DeploymentContext) -> str:
    # Where the EB CLI puts versions: instances can read below the application's name only.
    store = Store(context.aws, beanstalk_bucket(context.aws), context.deployment.application_name)
    built = placeholder.build(context.project, context.build_folder / "placeholder.zip")
    return store.put("placeholder", ".zip", built.read_bytes()).key


def _creating(context: DeploymentContext) -> str:
    stacks = Stacks(context.aws.client("cloudformation"), context.ui)
    return "true" if stacks.is_new(context.deployment.stack_name("environment")) else "false"


def _credential_arn(context: DeploymentContext) -> str:
    arn = credential_arn(context.aws, context.deployment)
    if arn is None:
        raise Refused(f"the secret {context.deployment.credential_secret} no longer exists", "deploy again")
    return arn


PARAMETERS: Mapping[str, Value] = MappingProxyType(
    {
        "FunctionCodeBucket": _bucket,
        "FunctionCodeKey": _function_key("replicator"),
        "BootstrapCodeBucket": _bucket,
        "BootstrapCodeKey": _function_key("bootstrap"),
        "CertificateArn": _certificate,
        "PlaceholderBundleBucket": _bucket,
        "PlaceholderBundleKey": _placeholder_key,
        CREATING: _creating,
        CREDENTIAL_ARN: _credential_arn,
    }
)

PLANNED: Mapping[str, Value] = MappingProxyType({**PARAMETERS, "CertificateArn": _planned_certificate})
"""For a plan, which changes nothing but uploads zips: their names depend on their content."""
