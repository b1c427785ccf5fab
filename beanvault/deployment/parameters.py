"""The parameters of the templates: values that are known only while deploying."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from templates.database_proxy import CREDENTIAL_ARN
from templates.environment_layer import CREATING, PLATFORM_ARN
from templates.environment_roles import BUCKET_KEY_ARN
from templates.network_layer import MOST_ZONES, zone_parameter

from ..artifacts import authorities, package, placeholder
from ..artifacts.store import Store, beanstalk_bucket
from ..cloudformation.stacks import Stacks
from ..errors import BeanvaultError, Refused
from . import certificates, shared_bucket
from .availability_zones import network_zones
from .deployment_context import DeploymentContext
from .deployment_plan import credential_arn
from .platform_version import platform_arn

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


def require_offered(context: DeploymentContext, names: Iterable[str]) -> None:
    """Ask for those of the parameters *names* that AWS may not offer, before the first stack is changed.

    Raises:
        Refused: AWS doesn't offer one; the error says what, and what to set instead
    """
    for name in names:
        if name in ASKED_FOR:
            PARAMETERS[name](context)


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


def _platform_arn(context: DeploymentContext) -> str:
    return platform_arn(context.aws, context.deployment, creating=_creating(context) == "true")


def _zone(index: int) -> Value:
    def choose(context: DeploymentContext) -> str:
        stacks = Stacks(context.aws.client("cloudformation"), context.ui)
        return network_zones(context.aws, stacks, context.deployment)[index]

    return choose


def _bucket_key_arn(context: DeploymentContext) -> str:
    return shared_bucket.key_arn(context.aws) or context.aws.arn("kms", "key/none")


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
        BUCKET_KEY_ARN: _bucket_key_arn,
        CREATING: _creating,
        PLATFORM_ARN: _platform_arn,
        CREDENTIAL_ARN: _credential_arn,
        **{zone_parameter(index): _zone(index) for index in range(MOST_ZONES)},
    }
)

ASKED_FOR = frozenset({PLATFORM_ARN, zone_parameter(0)})
"""Parameters whose values AWS may not offer; the first zone's stands for all zones."""

PLANNED: Mapping[str, Value] = MappingProxyType({**PARAMETERS, "CertificateArn": _planned_certificate})
"""For a plan, which changes nothing but uploads zips: their names depend on their content."""
