"""Deleting a deployment: its stacks in reverse order, and what a trial has outside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from templates.layers import LAYERS

from ..artifacts.store import beanstalk_bucket
from ..cloudformation.changes import HOLDS_DATA
from ..cloudformation.failures import imports_remedy
from ..cloudformation.stack import StackError, StackResource, StackResult
from ..cloudformation.stacks import Stacks
from ..deployment.deployment_context import DeploymentContext
from ..errors import Refused
from . import outside_stacks
from .deletion_protection import remove_protection
from .network_interfaces import delete_interfaces
from .outside_stacks import OutsideResource
from .resource_types import BUCKET, HOSTED_ZONE, SECURITY_GROUP

DELETE_ATTEMPTS = 4
"""For a stack with buckets: access logs arrive even after the requests that they record have ended."""


@dataclass(frozen=True, slots=True)
class StackToDelete:
    """A stack that `destroy` would delete."""

    name: str
    resources: tuple[StackResource, ...]

    @property
    def retained(self) -> tuple[StackResource, ...]:
        return tuple(resource for resource in self.resources if resource.retained)

    @property
    def lost(self) -> tuple[StackResource, ...]:
        """The resources that hold data and are deleted."""
        return tuple(r for r in self.resources if not r.retained and r.type in HOLDS_DATA)


def stacks_to_delete(context: DeploymentContext) -> tuple[StackToDelete, ...]:
    """Return what `destroy` would delete, in that order.

    Raises:
        Refused: the session's region isn't the deployment's
    """
    context.require_same_region()
    stacks = Stacks(context.aws.client("cloudformation"), context.ui)
    names = [context.deployment.stack_name(layer) for layer in reversed(tuple(LAYERS))]
    return tuple(
        StackToDelete(name, stacks.resources(name)) for name in names if stacks.describe(name) is not None
    )


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What `destroy` did."""

    stacks: tuple[StackResult, ...]
    left: tuple[OutsideResource, ...]
    """What AWS was not ready to delete; the next run deletes it."""


def destroy(context: DeploymentContext) -> Destroyed:
    """Delete all stacks in reverse order, and what a trial has outside them; retained resources are kept.

    Buckets are emptied first, because CloudFormation deletes only empty ones.

    Raises:
        Refused: others use a bucket that would be deleted, or import from a stack that would be, or the
            deletion of something protected was not confirmed
        StackError: something couldn't be deleted
    """
    context.require_same_region()
    to_delete = stacks_to_delete(context)
    refuse_shared_bucket(context, to_delete)
    refuse_imports(context, to_delete)
    results = []
    for stack in to_delete:
        context.ui.step(f"{stack.name}: deleting")
        results.append(delete_stack(context, stack))
    left = []
    for resource in outside_stacks.find(context.aws, context.deployment):
        if not resource.retained:
            context.ui.step(f"{resource}: deleting")
            if not outside_stacks.delete(context.aws, resource):
                left.append(resource)
    return Destroyed(tuple(results), tuple(left))


def delete_stack(context: DeploymentContext, stack: StackToDelete) -> StackResult:
    """Delete one stack, with the contents of its buckets and the records of its hosted zones.

    Raises:
        Refused: the deletion of something protected was not confirmed
        StackError: something couldn't be deleted
    """
    stacks = Stacks(context.aws.client("cloudformation"), context.ui)
    remove_protection(context.aws, context.ui, stack.resources)
    for resource in stack.resources:
        if resource.type == HOSTED_ZONE and resource.physical_id:
            outside_stacks.delete_records(context.aws, resource.physical_id)
    groups = [r.physical_id for r in stack.resources if r.type == SECURITY_GROUP and not r.retained]
    delete_interfaces(context.aws, context.ui, context.deployment.name, groups)
    buckets = [r.physical_id for r in stack.resources if r.type == BUCKET and not r.retained]
    for attempt in range(1, DELETE_ATTEMPTS + 1):
        for bucket in buckets:
            outside_stacks.empty(context.aws, bucket)
        try:
            return stacks.delete(stack.name)
        except StackError as error:
            if attempt == DELETE_ATTEMPTS or not any(cause.type == BUCKET for cause in error.causes):
                raise
            context.ui.step(f"{stack.name}: a bucket was written to; emptying and deleting it again")
    raise AssertionError("unreachable: the last attempt returns or raises")


def refuse_imports(context: DeploymentContext, to_delete: Sequence[StackToDelete]) -> None:
    """Refuse to delete stacks from which others import, before anything is deleted.

    CloudFormation would refuse only the exporting stack, when those that are deleted before it are gone.

    Raises:
        Refused: stacks that stay import exports of these
    """
    stacks = Stacks(context.aws.client("cloudformation"), context.ui)
    names = {stack.name for stack in to_delete}
    others = {stack.name: sorted(stacks.all_importers(stack.name) - names) for stack in to_delete}
    if any(others.values()):
        used = "; ".join(f"{', '.join(by)} imports from {name}" for name, by in others.items() if by)
        raise Refused(
            f"nothing was deleted, because other stacks use this deployment: {used}",
            imports_remedy(name for by in others.values() for name in by),
        )


def refuse_shared_bucket(context: DeploymentContext, to_delete: Sequence[StackToDelete]) -> None:
    """Refuse to delete Beanstalk's bucket while others use it, before anything is deleted.

    Raises:
        Refused: other deployments or environments have objects in it
    """
    # By type as well: the bucket's policy has the bucket's name as its physical id.
    bucket = (BUCKET, beanstalk_bucket(context.aws))
    if not any((r.type, r.physical_id) == bucket and not r.retained for s in to_delete for r in s.resources):
        return
    if others := outside_stacks.other_owners(context.aws, context.deployment):
        raise Refused(
            f"{bucket[1]} would be deleted with {context.deployment.name}, but others use it: "
            f"{', '.join(others[:5])}",
            "delete those deployments and environments, and their objects, first",
        )
