"""All layers of a deployment, in order: rendered, given their parameters, deployed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace

import troposphere

from templates.environment_layer import CREATING, PLATFORM_ARN
from templates.layers import LAYERS
from templates.log_groups import taking_over
from templates.rendering import TEMPLATE_LIMIT, render
from templates.resource_tags import tag_map

from ..artifacts import authorities
from ..artifacts.store import Store
from ..cloudformation.stack import StackOutcome, StackResult, StackSpec, TemplateSource
from ..cloudformation.stacks import Stacks
from ..errors import BeanvaultError, ConfigurationError, Refused
from ..teardown.destroy import StackToDelete, delete_stack
from . import environment_state, failed_creation, shared_bucket
from .connectivity import check_way_to_vault
from .deployment_context import DeploymentContext
from .deployment_plan import deployment_steps, imports, without_unusable_proxy
from .doctor.account import check_bucket
from .doctor.result import Verdict
from .leftovers import names_in_use
from .listener_rules import require_rules
from .parameters import require_offered, values
from .volumes import report_unencrypted_volumes

PROTECTED = frozenset({"keys", "storage", "data"})
"""Layers that hold data which can't be recreated: in production CloudFormation refuses to delete them."""

ENVIRONMENT_LAYER = "environment"
BUCKET_LAYER = "storage"
"""The layer that creates the bucket for uploads."""


def select(layers: Sequence[str]) -> tuple[str, ...]:
    """Return *layers*, or all of them when it is empty, in the order of deployment.

    Raises:
        ConfigurationError: a layer doesn't exist
    """
    unknown = [layer for layer in layers if layer not in LAYERS]
    if unknown:
        raise ConfigurationError(
            f"there is no layer {', '.join(unknown)}", f"the layers are {', '.join(LAYERS)}"
        )
    return tuple(layer for layer in LAYERS if not layers or layer in layers)


def deploy(
    context: DeploymentContext,
    layers: Sequence[str] = (),
    *,
    plan_only: bool = False,
    revert_drift: bool = False,
) -> tuple[StackResult, ...]:
    """Bring the stacks of *layers* (of all layers, when it is empty) to their templates, in order.

    With *revert_drift*, changes made by hand are reverted to the templates; what Beanstalk itself wrote into
    the policy of its bucket and into the load balancer's tags stays. After an interruption, the same call
    resumes.

    Raises:
        StackError, Refused, TimedOut: at the first stack that can't be brought there; before the first stack
            is changed, where that can be foreseen
        ConfigurationError: the session's region isn't the deployment's, a layer doesn't exist, or the file of
            the database's authorities can't be used
        VersionsChanged, MissingRule: the environment isn't as its stack asked for
    """
    context.require_same_region()
    # These fail before the first stack is changed.
    authorities.content(context.deployment)
    check_way_to_vault(context.deployment, context.aws)
    shared_bucket.refuse_unusable(context.aws, context.deployment)
    stacks = Stacks(context.aws.client("cloudformation"), context.ui)
    selected = select(layers)
    if "environment" in selected:
        report_unencrypted_volumes(context.aws, context.ui)
    context = _without_unusable_proxy(context, stacks)
    templates, left_out = deployment_steps(context.deployment, stacks, selected)
    if plan_only:
        for name in left_out:
            context.ui.step(f"{name}: would be deleted, because the deployment file leaves it out")
        left_out = ()
    else:
        for layer in templates:
            name = context.deployment.stack_name(layer)
            failed_creation.clear(context, stacks, name)
            stacks.delete_unusable(name)  # what it keeps has its name before names are looked for
    require_offered(context, [name for template in templates.values() for name in template.parameters])
    taken_over = _existing_log_groups(context, stacks, templates)
    results = [_delete_left_out(context, stacks, name) for name in left_out]
    for layer, template in templates.items():
        if plan_only and imports(template.to_dict()) - context.aws.exports().keys():
            context.ui.step(f"{layer}: can be planned once the layers before it are deployed")
            continue
        if layer == ENVIRONMENT_LAYER and not plan_only:
            shared_bucket.leave_out_deleted(context.aws, context.ui.step)
        groups = taken_over[layer]
        stack = stack_spec(context, layer, taking_over(template, groups), plan_only=plan_only)
        stack = replace(stack, imports_existing=bool(groups))
        results.append(stacks.deploy(stack, plan_only=plan_only, revert_drift=revert_drift))
        if plan_only:
            continue
        if layer == BUCKET_LAYER and revert_drift:
            shared_bucket.restore(context.aws, context.deployment, context.ui.step)
        if _names_versions(stack) and results[-1].outcome is not StackOutcome.UNCHANGED:
            _take_versions_out(context, stacks, layer, template)
        elif groups:
            # Sets key and retention of the log groups that were taken over.
            stacks.deploy(stack_spec(context, layer, template, plan_only=False))
    if not plan_only and ENVIRONMENT_LAYER in templates:
        require_rules(context)
    return tuple(results)


def _names_versions(stack: StackSpec) -> bool:
    """Return whether the stack names the version of the app or of the platform."""
    return stack.parameters.get(CREATING) == "true" or bool(stack.parameters.get(PLATFORM_ARN))


def _take_versions_out(
    context: DeploymentContext, stacks: Stacks, layer: str, template: troposphere.Template
) -> None:
    """Take the versions of app and platform out of the stack, so that no update and no roll-back names them.

    What Beanstalk does with an update without them is documented nowhere, so it is asked afterwards.

    Raises:
        VersionsChanged: the environment runs others than before
    """
    before = environment_state.describe(context.aws, context.deployment)
    stacks.deploy(stack_spec(context, layer, template, plan_only=False))
    after = environment_state.describe(context.aws, context.deployment)
    environment_state.require_unchanged(before, after, context.deployment)
    context.ui.step(f"the stack no longer names versions, and {after} as before")


def _existing_log_groups(
    context: DeploymentContext, stacks: Stacks, templates: Mapping[str, troposphere.Template]
) -> dict[str, frozenset[str]]:
    """Return the log groups that exist and that each layer's stack would create, by their logical ids.

    Raises:
        Refused: something else has a name that a stack would give, or the loss of old events in a log
            group was not confirmed
    """
    now = dt.datetime.now(dt.UTC)
    found = {
        layer: names_in_use(
            context.aws, stacks, context.deployment.stack_name(layer), template.to_dict(), now
        )
        for layer, template in templates.items()
    }
    in_the_way = [(str(each), each.remedy) for names in found.values() for each in names if each.remedy]
    if BUCKET_LAYER in templates:
        checked = check_bucket(context.deployment, context.aws)
        in_the_way += [(each.detail, each.remedy) for each in checked if each.verdict is Verdict.BAD]
    if in_the_way:
        raise Refused(
            f"no layer was deployed: {'; '.join(what for what, _ in in_the_way)}",
            "; ".join(remedy for _, remedy in in_the_way),
        )
    shortened = [each.name for names in found.values() for each in names if each.loses_events]
    question = f"{', '.join(shortened)}: events older than [logs] retention_days will be lost. Continue?"
    if shortened and not context.ui.confirm(question, loses_data=True):
        raise Refused(
            f"no layer was deployed, because {', '.join(shortened)} would lose old events",
            "raise [logs] retention_days, or confirm it with --accept-data-loss (--yes alone doesn't)",
        )
    for layer, names in found.items():
        if names:
            stack = context.deployment.stack_name(layer)
            context.ui.step(f"{stack}: takes over {', '.join(each.name for each in names)}")
    return {layer: frozenset(each.logical_id for each in names) for layer, names in found.items()}


def _without_unusable_proxy(context: DeploymentContext, stacks: Stacks) -> DeploymentContext:
    """Return the deployment as it can be made now: without a proxy that has no credential to log in with.

    Raises:
        Refused: the proxy exists, and its credential was deleted
    """
    deployment = without_unusable_proxy(context.aws, context.deployment)
    if deployment == context.deployment:
        return context
    if "ProxyHost" in stacks.outputs(deployment.stack_name("data")):
        raise Refused(
            f"nothing was changed: the proxy logs in with {deployment.credential_secret}, which was deleted "
            "or is scheduled for deletion",
            'restore the secret, or set [database] mode to "secret"',
        )
    context.ui.step(
        f"the app connects to the database directly, because the secret {deployment.credential_secret} does "
        "not exist yet: deploy again after `beanvault rotate` to add the proxy"
    )
    return replace(context, deployment=deployment)


def stack_spec(
    context: DeploymentContext, layer: str, template: troposphere.Template, *, plan_only: bool
) -> StackSpec:
    """Return the desired state of a layer's stack; what its parameters point to is uploaded.

    Raises:
        BeanvaultError: the template is too long for a request, and there is no bucket for it yet
    """
    deployment = context.deployment
    name = deployment.stack_name(layer)
    if plan_only:
        context.ui.step(f"{name}: planning")
    else:
        context.ui.deploying(name, layer)
    return StackSpec(
        name,
        _template_source(context, layer, render(template)),
        values(context, template.parameters, plan_only=plan_only),
        tag_map(deployment, layer),
        protected=deployment.production and layer in PROTECTED,
    )


def _template_source(context: DeploymentContext, layer: str, body: str) -> TemplateSource:
    if len(body.encode()) <= TEMPLATE_LIMIT:
        return TemplateSource(body)
    order = tuple(LAYERS)
    if order.index(layer) <= order.index(BUCKET_LAYER):
        raise BeanvaultError(
            f"the template of {layer} is larger than {TEMPLATE_LIMIT} bytes, and there is no bucket yet",
            "configure fewer endpoints or ranges in the deployment file",
        )
    store = Store.of(context.aws, context.deployment.name)
    url = store.put(f"templates/{layer}", ".template", body.encode()).url(context.aws)
    return TemplateSource(body, url)


def _delete_left_out(context: DeploymentContext, stacks: Stacks, name: str) -> StackResult:
    """Delete the stack of an optional layer, which imports what the other layers no longer export.

    Raises:
        Refused: it was not confirmed
    """
    if not context.ui.confirm(f"The deployment file leaves {name} out. Delete it?", loses_data=True):
        raise Refused(
            f"{name} was not deleted, because that was not confirmed; nothing was changed",
            "confirm it (--accept-data-loss), or put the layer back into the deployment file",
        )
    return delete_stack(context, StackToDelete(name, stacks.resources(name)))
