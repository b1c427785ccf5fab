"""beanvault destroy"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from ..cloudformation.stack import StackResource, StackResult
from ..command_context import CommandContext
from ..errors import Refused
from ..teardown import destroy, outside_stacks
from ..teardown.destroy import StackToDelete
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
    results: tuple[StackResult, ...] = ()
    if stacks or not all(resource.retained for resource in outside):
        _require_name(deployment.name, confirmed)
        results = destroy.destroy(deletion)
        outside = outside_stacks.find(context.aws, deployment)
    resources = [resource for stack in stacks for resource in stack.resources]
    kept = retained(context.aws, resources, outside)
    if as_json:
        print_json(
            {
                "deleted": [result.stack for result in results],
                "kept": [
                    {"type": each.type, "id": each.id, "delete_command": each.delete_command} for each in kept
                ],
            }
        )
    else:
        _print(context, results, kept)


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


def _print(context: CommandContext, results: Iterable[StackResult], kept: Sequence[RetainedResource]) -> None:
    for result in results:
        click.echo(f"{result.stack}  {result.outcome.value}  {result.seconds:.0f} s")
    if kept:
        context.say("These resources are kept and still incur cost. To delete them:")
        context.say(f"  export AWS_REGION={context.aws.region}")
        for each in kept:
            context.say(f"  {each.delete_command or f'{each.type} {each.id}'}")
