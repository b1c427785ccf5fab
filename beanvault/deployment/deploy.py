"""All layers of a deployment, in order: rendered, fed with what is known only now, deployed; and undone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import troposphere

from templates.database_proxy import CREDENTIAL_ARN
from templates.deployment import Deployment
from templates.environment_layer import CREATING
from templates.layers import LAYERS
from templates.rendering import TEMPLATE_LIMIT, render

from ..artifacts import package, placeholder
from ..artifacts.store import Store
from ..aws import Aws
from ..cloudformation.changes import HOLDS_DATA
from ..cloudformation.stack import (
    StackError,
    StackOutcome,
    StackResource,
    StackResult,
    StackSpec,
    TemplateSource,
)
from ..cloudformation.stacks import DEAD, Stacks
from ..errors import BeanvaultError, ConfigurationError, Refused
from ..teardown import deletion_protection, outside_stacks
from ..ui import Ui
from . import certificates
from .deployment_plan import credential_arn, deployment_steps, imports, possible_now

PROTECTED = frozenset({"keys", "storage", "data"})
"""Layers whose stacks CloudFormation itself refuses to delete in production: they hold what can't be made
again.
"""

BUCKET_LAYER = "storage"
"""The layer after which there is a bucket to upload to."""

EMPTYINGS = 4
"""Tries of deleting a stack with buckets: access logs are still delivered after what they tell of is gone."""


@dataclass(frozen=True, slots=True)
class DeploymentContext:
    """A deployment, and what it takes to deploy it."""

    deployment: Deployment
    aws: Aws
    ui: Ui
    root: Path
    """The project: from where the functions' zips are made."""

    @property
    def build(self) -> Path:
        return self.root / "build"


def _object_key(name: str) -> Callable[[DeploymentContext], str]:
    def upload(work: DeploymentContext) -> str:
        made = package.build(work.root, name, work.build)
        work.ui.step(f"{name}: {made.size:,} bytes, sha256 {made.sha256}")
        return Store.of(work.aws, work.deployment.name).put(name, ".zip", made.path.read_bytes()).key

    return upload


def _bucket(work: DeploymentContext) -> str:
    return Store.of(work.aws, work.deployment.name).bucket


def _certificate(work: DeploymentContext) -> str:
    host = getattr(work.deployment.domain, "name", None) or f"{work.deployment.name}.beanvault.internal"
    return certificates.self_signed(work.aws, work.deployment.name, host, dt.datetime.now(dt.UTC))


def _planned_certificate(work: DeploymentContext) -> str:
    """The listener's certificate is live: a plan neither makes nor renews one."""
    held = certificates.find(work.aws, work.deployment.name)
    return held or f"arn:{work.aws.partition}:acm:{work.aws.region}:{work.aws.account()}:certificate/planned"


def _placeholder_key(work: DeploymentContext) -> str:
    # Where the EB CLI puts versions, too: instances may read below the application's name.
    store = Store(work.aws, _bucket(work), work.deployment.application_name)
    made = placeholder.build(work.root, work.build / "placeholder.zip")
    return store.put("placeholder", ".zip", made.read_bytes()).key


def _creating(work: DeploymentContext) -> str:
    stacks = Stacks(work.aws.client("cloudformation"), work.ui)
    described = stacks.describe(work.deployment.stack_name("environment"))
    begins = described is None or described["StackStatus"] in DEAD | {"REVIEW_IN_PROGRESS"}
    return "true" if begins else "false"


def _credential(work: DeploymentContext) -> str:
    arn = credential_arn(work.aws, work.deployment)
    if arn is None:
        raise Refused(f"there is no secret {work.deployment.credential_secret} any more", "deploy again")
    return arn


PARAMETERS: Mapping[str, Callable[[DeploymentContext], str]] = MappingProxyType(
    {
        "FunctionCodeBucket": _bucket,
        "FunctionCodeKey": _object_key("replicator"),
        "BootstrapCodeBucket": _bucket,
        "BootstrapCodeKey": _object_key("bootstrap"),
        "CertificateArn": _certificate,
        "PlaceholderBundleBucket": _bucket,
        "PlaceholderBundleKey": _placeholder_key,
        CREATING: _creating,
        CREDENTIAL_ARN: _credential,
    }
)
"""What templates leave open because it is known only while deploying; each is worked out when a layer
asks.
"""

PLANNED: Mapping[str, Callable[[DeploymentContext], str]] = MappingProxyType(
    {**PARAMETERS, "CertificateArn": _planned_certificate}
)
"""What takes their place in a plan. It uploads zips, too, under names that tell their content."""


def select(layers: Sequence[str]) -> tuple[str, ...]:
    """Return *layers*, or all when none is named, in the order of deployment.

    Raises:
        ConfigurationError: there is no such layer
    """
    unknown = [layer for layer in layers if layer not in LAYERS]
    if unknown:
        raise ConfigurationError(
            f"there is no layer {', '.join(unknown)}", f"the layers are {', '.join(LAYERS)}"
        )
    return tuple(layer for layer in LAYERS if not layers or layer in layers)


def deploy(
    work: DeploymentContext,
    layers: Sequence[str] = (),
    *,
    plan_only: bool = False,
    revert_drift: bool = False,
) -> tuple[StackResult, ...]:
    """Bring the stacks of *layers* (all, when none is named) to their templates, in order.

    With *revert_drift* also what was changed by hand goes back to them.

    Repeating it after an interruption goes on where that stopped.

    Raises:
        StackError, Refused, TimedOut: at the first stack that can't be brought there; before the first one
            where that can be foreseen
        ConfigurationError: the session's region isn't the deployment's, or there is no such layer
    """
    _same_region(work)
    stacks = Stacks(work.aws.client("cloudformation"), work.ui)
    possible = possible_now(work.aws, work.deployment)
    if possible != work.deployment:
        if "ProxyHost" in stacks.outputs(work.deployment.stack_name("data")):
            raise Refused(
                f"nothing was changed: the proxy logs in with {possible.credential_secret}, which is gone or "
                "scheduled for deletion",
                'restore it, or set [database] mode to "secret"',
            )
        work.ui.step(
            f"the application connects to the database itself, because there is no secret "
            f"{possible.credential_secret} yet: deploy again after `beanvault rotate` for the proxy"
        )
    work = replace(work, deployment=possible)
    templates, left_out = deployment_steps(work.deployment, stacks, select(layers))
    if plan_only:
        for name in left_out:
            work.ui.step(f"{name}: would be deleted, because the deployment file leaves it out")
        left_out = ()
    results = [_delete_left_out(work, stacks, name) for name in left_out]
    for layer, template in templates.items():
        if plan_only and imports(template.to_dict()) - work.aws.exports().keys():
            work.ui.step(f"{layer}: can be planned once the layers before it are there")
            continue
        stack = _stack(work, layer, template, plan_only=plan_only)
        results.append(stacks.deploy(stack, plan_only=plan_only, revert_drift=revert_drift))
        if results[-1].outcome is StackOutcome.CREATED and CREATING in template.parameters:
            # From now on the stack names no version: not even a failed update goes back to the first one.
            stacks.deploy(_stack(work, layer, template, plan_only=False))
    return tuple(results)


def _stack(
    work: DeploymentContext, layer: str, template: troposphere.Template, *, plan_only: bool
) -> StackSpec:
    open_parameters = [name for name in template.parameters if name not in PARAMETERS]
    if open_parameters:
        raise BeanvaultError(f"nobody fills the parameters {', '.join(open_parameters)} of the layer {layer}")
    deployment = work.deployment
    work.ui.step(f"{deployment.stack_name(layer)}: {'planning' if plan_only else 'deploying'}")
    body = render(template)
    url = None
    if len(body.encode()) > TEMPLATE_LIMIT:
        if list(LAYERS).index(layer) <= list(LAYERS).index(BUCKET_LAYER):
            raise BeanvaultError(
                f"the template of {layer} is larger than {TEMPLATE_LIMIT} bytes, and there is no bucket yet",
                "name fewer endpoints or ranges in the deployment file",
            )
        store = Store.of(work.aws, deployment.name)
        url = store.put(f"templates/{layer}", ".template", body.encode()).url(work.aws)
    return StackSpec(
        deployment.stack_name(layer),
        TemplateSource(body, url),
        {name: (PLANNED if plan_only else PARAMETERS)[name](work) for name in template.parameters},
        {**deployment.tags, "beanvault:deployment": deployment.name, "beanvault:layer": layer},
        protected=deployment.production and layer in PROTECTED,
    )


def _delete_left_out(work: DeploymentContext, stacks: Stacks, name: str) -> StackResult:
    """Delete the stack of an optional layer: it would go on using what the layers before it no longer make.

    Raises:
        Refused: nobody agreed
    """
    if not work.ui.confirm(f"The deployment file leaves {name} out. Delete it?", loses=True):
        raise Refused(
            f"{name} was left as it is, and nothing was changed: nobody agreed to its deletion",
            "agree when asked (--accept-data-loss), or undo that in the deployment file",
        )
    return _delete(work, stacks, StackToDelete(name, stacks.resources(name)))


@dataclass(frozen=True, slots=True)
class StackToDelete:
    """A stack that `destroy` would delete."""

    stack: str
    resources: tuple[StackResource, ...]

    @property
    def stays(self) -> tuple[StackResource, ...]:
        return tuple(resource for resource in self.resources if resource.stays)

    @property
    def lost(self) -> tuple[StackResource, ...]:
        """What holds data and goes."""
        return tuple(r for r in self.resources if not r.stays and r.type in HOLDS_DATA)


def stacks_to_delete(work: DeploymentContext) -> tuple[StackToDelete, ...]:
    """Return what `destroy` would delete, in that order.

    Raises:
        Refused: the session's region isn't the deployment's
    """
    _same_region(work)
    stacks = Stacks(work.aws.client("cloudformation"), work.ui)
    names = [work.deployment.stack_name(layer) for layer in reversed(tuple(LAYERS))]
    return tuple(
        StackToDelete(name, stacks.resources(name)) for name in names if stacks.describe(name) is not None
    )


def destroy(work: DeploymentContext) -> tuple[StackResult, ...]:
    """Delete all stacks in reverse order, and what a trial leaves outside; what templates retain stays.

    Buckets that go are emptied before: CloudFormation deletes empty ones only.

    Raises:
        Refused: others use a bucket that would go, or something protected wasn't agreed to
        StackError: something couldn't be deleted
    """
    _same_region(work)
    stacks = Stacks(work.aws.client("cloudformation"), work.ui)
    going = stacks_to_delete(work)
    _shared_with_nobody(work, going)
    results = []
    for stack in going:
        work.ui.step(f"{stack.stack}: deleting")
        results.append(_delete(work, stacks, stack))
    for trace in outside_stacks.find(work.aws, work.deployment):
        if not trace.stays:
            work.ui.step(f"{trace}: deleting")
            outside_stacks.remove(work.aws, trace)
    return tuple(results)


def _shared_with_nobody(work: DeploymentContext, going: Sequence[StackToDelete]) -> None:
    """Refuse to take Beanstalk's bucket away from others in the account, before anything is deleted."""
    # By type, too: the bucket's policy has the bucket's name as its own.
    bucket = ("AWS::S3::Bucket", outside_stacks.beanstalk_bucket(work.aws))
    if not any((r.type, r.physical_id) == bucket and not r.stays for s in going for r in s.resources):
        return
    if others := outside_stacks.other_owners(work.aws, work.deployment):
        raise Refused(
            f"{bucket[1]} would go with {work.deployment.name}, and others use it: {', '.join(others[:5])}",
            "delete those deployments and environments, and their objects, first",
        )


def _delete(work: DeploymentContext, stacks: Stacks, stack: StackToDelete) -> StackResult:
    deletion_protection.lift(work.aws, work.ui, stack.resources)
    buckets = [r.physical_id for r in stack.resources if r.type == "AWS::S3::Bucket" and not r.stays]
    for resource in stack.resources:
        if resource.type == "AWS::Route53::HostedZone" and resource.physical_id:
            outside_stacks.forget_records(work.aws, resource.physical_id)
    for attempt in range(1, EMPTYINGS + 1):
        for bucket in buckets:
            outside_stacks.empty(work.aws, bucket)
        try:
            return stacks.delete(stack.stack)
        except StackError as error:
            if attempt == EMPTYINGS or not any(cause.type == "AWS::S3::Bucket" for cause in error.causes):
                raise
            work.ui.step(
                f"{stack.stack}: something was still written to a bucket, which is emptied and deleted again"
            )
    raise AssertionError("unreachable: the last attempt returns or raises")


def _same_region(work: DeploymentContext) -> None:
    if work.aws.region != work.deployment.region:
        raise Refused(
            f"{work.deployment.name} is in {work.deployment.region}, the session in {work.aws.region}",
            f"pass --region {work.deployment.region}, or another deployment file",
        )
