"""beanvault destroy"""

from __future__ import annotations

import click

from ..cloudformation.stack import StackResource, StackResult
from ..context import CommandContext
from ..deployment import deploy
from ..errors import Refused
from ..teardown import outside_stacks
from ..teardown.retained import DATABASE, VOLUME, retained
from .options import as_json, ask, pass_context, print_json


@click.command(epilog="\b\nExample:\n  beanvault destroy --confirm beanvault-dev")
@click.option(
    "--confirm", "confirmed", metavar="NAME", help="The deployment's name, instead of being asked for it."
)
@as_json
@pass_context
def command(context: CommandContext, confirmed: str | None, as_json: bool) -> None:
    """Delete the deployment: its stacks in reverse order, and what it has outside them.

    What will be lost and what stays is listed first. The deployment's name has to be typed, or given with
    --confirm.
    """
    deployment = context.deployment
    work = context.work(context.terminal(yes=True, accepts_loss=True))
    doomed = deploy.stacks_to_delete(work)
    outside = outside_stacks.find(context.aws, deployment)
    _announce(context, doomed, outside)
    results: tuple[StackResult, ...] = ()
    if doomed or not all(trace.stays for trace in outside):
        if confirmed is None:
            confirmed = ask(
                f"Type {deployment.name} to delete all this", f"pass --confirm {deployment.name}", default=""
            )
        if confirmed != deployment.name:
            raise Refused(
                f"nothing was deleted: {confirmed!r} isn't {deployment.name!r}", "type the deployment's name"
            )
        results = deploy.destroy(work)
        outside = outside_stacks.find(context.aws, deployment)
    resources = [resource for stack in doomed for resource in stack.resources]
    kept = retained(context.aws, resources, outside)
    if as_json:
        print_json(
            {
                "deleted": [result.stack for result in results],
                "kept": [{"type": each.type, "id": each.id, "removal": each.removal} for each in kept],
            }
        )
        return
    for result in results:
        click.echo(f"{result.stack}  {result.outcome.value}  {result.seconds:.0f} s")
    if kept:
        context.say("These stay and go on costing. When nobody needs them any more:")
        context.say(f"  export AWS_REGION={context.aws.region}")
        for each in kept:
            context.say(f"  {each.removal or f'{each.type} {each.id}'}")


def _announce(
    context: CommandContext,
    doomed: tuple[deploy.StackToDelete, ...],
    outside: tuple[outside_stacks.OutsideResource, ...],
) -> None:
    if not doomed:
        context.say(f"{context.deployment.name} has no stacks in {context.aws.region}")
    for stack in doomed:
        context.say(f"{stack.stack}: {len(stack.resources)} resources")
        for resource in stack.lost:
            context.say(f"  lost: {resource.type} {resource.physical_id}")
        for resource in stack.stays:
            context.say(f"  stays: {_staying(resource)}")
    if outside:
        context.say("outside the stacks:")
    for trace in outside:
        context.say(f"  {'stays' if trace.stays else 'deleted'}: {trace}")


def _staying(resource: StackResource) -> str:
    what = f"{resource.type} {resource.physical_id}"
    return f"a last snapshot of {what}" if resource.type in (DATABASE, VOLUME) else what
