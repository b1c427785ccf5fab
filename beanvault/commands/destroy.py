"""beanvault destroy"""

from __future__ import annotations

import click

from .. import deploy
from ..context import Context
from ..errors import Refused
from .options import as_json, pass_context, print_json


@click.command(epilog="\b\nExample:\n  beanvault destroy --confirm beanvault-dev")
@click.option(
    "--confirm", "confirmed", metavar="NAME", help="The deployment's name, instead of being asked for it."
)
@as_json
@pass_context
def command(context: Context, confirmed: str | None, as_json: bool) -> None:
    """Delete the deployment's stacks in reverse order.

    What will be lost and what stays is listed first. The deployment's name has to be typed, or given with
    --confirm.
    """
    name = context.deployment.name
    terminal = context.terminal(yes=True, accepts_loss=True)
    work = context.work(terminal)
    doomed = deploy.doomed(work)
    if not doomed:
        context.say(f"{name} has no stacks in {context.aws.region}")
    for stack in doomed:
        context.say(f"{stack.stack}: {len(stack.resources)} resources")
        for resource in stack.lost:
            context.say(f"  lost: {resource.type} {resource.physical_id}")
        for resource in stack.stays:
            context.say(f"  stays: {resource.type} {resource.physical_id}")
    if doomed and confirmed is None:
        confirmed = click.prompt(f"Type {name} to delete these {len(doomed)} stacks", default="", err=True)
    if doomed and confirmed != name:
        raise Refused(f"nothing was deleted: {confirmed!r} isn't {name!r}", "type the deployment's name")
    results = deploy.destroy(work)
    kept = [resource for stack in doomed for resource in stack.stays]
    if as_json:
        print_json(
            {
                "deleted": [result.stack for result in results],
                "kept": [{"type": resource.type, "id": resource.physical_id} for resource in kept],
            }
        )
        return
    for result in results:
        click.echo(f"{result.stack}  {result.outcome.value}  {result.seconds:.0f} s")
    if kept:
        context.say("These stay and go on costing; delete them by hand when nobody needs them any more:")
        for resource in kept:
            context.say(f"  {resource.type} {resource.physical_id}")
