"""beanvault deploy"""

from __future__ import annotations

import click

from ..cloudformation.stack import StackResult
from ..command_context import CommandContext
from ..deployment import deploy, eb_commands
from .options import as_json, complete_layer, pass_context, print_json, yes

EXAMPLES = """\b
Examples:
  beanvault deploy --plan-only
  beanvault deploy --yes
  beanvault deploy replicator
  beanvault deploy --revert-drift --plan-only"""


@click.command(epilog=EXAMPLES)
@click.argument("layers", nargs=-1, metavar="[LAYER]...", shell_complete=complete_layer)
@click.option("--plan-only", is_flag=True, help="Show the changes without making them; zips are uploaded.")
@click.option("--revert-drift", is_flag=True, help="Also revert changes made by hand.")
@click.option("--accept-data-loss", is_flag=True, help="Also agree to replacing or deleting what holds data.")
@yes
@as_json
@pass_context
def command(
    context: CommandContext,
    layers: tuple[str, ...],
    plan_only: bool,
    revert_drift: bool,
    accept_data_loss: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Create or update the stacks of each LAYER, or of all layers, in order.

    Each stack's changes are shown, and made once you confirm them. After an interruption or a failure, fix
    the cause and run the command again: it resumes.
    """
    terminal = context.terminal(yes=yes, accepts_loss=accept_data_loss)
    results = deploy.deploy(
        context.deployment_context(terminal), layers, plan_only=plan_only, revert_drift=revert_drift
    )
    if as_json:
        print_json([_as_json(result) for result in results])
        return
    for result in results:
        click.echo(
            f"{result.stack}  {result.outcome.value}  {len(result.changes)} changes  {result.seconds:.0f} s"
        )
    if not layers and not plan_only:
        context.say(
            "Next:\n"
            f"  {context.call} vault init   # for a Vault that another team runs: connect FILE\n"
            f"  {context.call} rotate   # creates and replicates the app's credential\n"
            f"  {context.call} bundle\n"
            f"  {eb_commands.init(context.deployment)}\n"
            f"  {eb_commands.deploy(context.deployment)}\n"
            f"  {context.call} verify"
        )


def _as_json(result: StackResult) -> dict[str, object]:
    return {
        "stack": result.stack,
        "outcome": result.outcome.value,
        "seconds": round(result.seconds, 1),
        "changes": [
            {
                "action": change.action.value,
                "resource": change.logical_id,
                "type": change.type,
                "replacement": change.replacement.value,
                "properties": change.properties,
                "endangers_data": change.endangers_data,
            }
            for change in result.changes
        ],
        "outputs": result.outputs,
    }
