"""beanvault destroy"""

from __future__ import annotations

from collections.abc import Sequence

import click

from templates.layers import LAYERS

from ..cloudformation.stack import StackResource
from ..command_context import CommandContext
from ..errors import Refused
from ..prices import NOTED
from ..teardown import destroy, outside_stacks
from ..teardown.deleted_stacks import left_by_deleted
from ..teardown.destroy import Destroyed, StackToDelete
from ..teardown.outside_stacks import OutsideResource
from ..teardown.resource_types import WITH_SNAPSHOTS
from ..teardown.retained import RetainedResource, retained
from .options import as_json, ask, pass_context, print_json


@click.command(epilog="\b\nExample:\n  beanvault destroy --confirm beanvault-dev")
@click.option(
    "--confirm", "confirmed", metavar="NAME", help="The deployment's name, instead of being asked for it."
)
@as_json
@pass_context
def command(context: CommandContext, confirmed: str | None, as_json: bool) -> None:
    """Delete the deployment: its stacks in reverse order, and its resources outside them.

    First lists what is deleted and what is kept. You confirm by typing the deployment's name, or with
    --confirm.
    """
    deployment = context.deployment
    # Typing the name confirms everything.
    deletion = context.deployment_context(context.terminal(yes=True, accepts_loss=True))
    stacks = destroy.stacks_to_delete(deletion)
    outside = outside_stacks.find(context.aws, deployment)
    _announce(context, stacks, outside)
    destroyed = Destroyed((), ())
    if stacks or not all(resource.retained for resource in outside):
        _require_name(deployment.name, confirmed)
        destroyed = destroy.destroy(deletion)
        outside = outside_stacks.find(context.aws, deployment)
    # Also of stacks that earlier runs deleted.
    names = [deployment.stack_name(layer) for layer in LAYERS]
    resources = [
        *(resource for stack in stacks for resource in stack.resources),
        *left_by_deleted(context.aws, names),
    ]
    kept = retained(context.aws, resources, outside)
    if as_json:
        print_json(
            {
                "deleted": [result.stack for result in destroyed.stacks],
                "left": [str(each) for each in destroyed.left],
                "kept": [
                    {
                        "type": each.type,
                        "id": each.id,
                        "dollars_a_month": each.dollars,
                        "bound": each.bound,
                        "delete_command": each.delete_command,
                    }
                    for each in kept
                ],
            }
        )
    else:
        _print(context, destroyed, kept)


def _announce(
    context: CommandContext, stacks: Sequence[StackToDelete], outside: Sequence[OutsideResource]
) -> None:
    if not stacks:
        context.say(f"{context.deployment.name} has no stacks in {context.aws.region}")
    for stack in stacks:
        context.say(f"{stack.name}: {len(stack.resources)} resources")
        for resource in stack.lost:
            context.say(f"  data lost: {resource.type} {resource.physical_id}")
        for resource in stack.retained:
            context.say(f"  kept: {_kept(resource)}")
    if outside:
        context.say("outside the stacks:")
    for outside_resource in outside:
        context.say(f"  {'kept' if outside_resource.retained else 'deleted'}: {outside_resource}")


def _kept(resource: StackResource) -> str:
    name = f"{resource.type} {resource.physical_id}"
    return f"a final snapshot of {name}" if resource.type in WITH_SNAPSHOTS else name


def _require_name(name: str, confirmed: str | None) -> None:
    """Refuse to continue unless the operator gave or types the deployment's name.

    Raises:
        Refused: it is another name
    """
    if confirmed is None:
        confirmed = ask(f"Type {name} to delete all this", f"pass --confirm {name}", default="")
    if confirmed != name:
        raise Refused(f"nothing was deleted: {confirmed!r} isn't {name!r}", f"pass --confirm {name}")


def _print(context: CommandContext, destroyed: Destroyed, kept: Sequence[RetainedResource]) -> None:
    for result in destroyed.stacks:
        click.echo(f"{result.stack}  {result.outcome.value}  {result.seconds:.0f} s")
    if destroyed.left:
        context.say(
            "AWS still uses these and was not ready to delete them. In a few minutes, run the command again:"
        )
        for left in destroyed.left:
            context.say(f"  {left}")
    if kept:
        total = sum(each.dollars or 0 for each in kept)
        context.say(
            f"These resources are kept and cost about ${total:,.2f} a month (list prices of us-east-1, noted "
            f"on {NOTED}). To delete them:"
        )
        context.say(f"  export AWS_REGION={context.aws.region}")
        for each in kept:
            context.say(f"  # {each.type} {each.id}: {each.price}")
            if each.delete_command:
                context.say(f"  {each.delete_command}")
