"""beanvault render"""

from __future__ import annotations

import json
from pathlib import Path

import click

from templates.layers import LAYERS
from templates.policies import deployer
from templates.rendering import render

from ..command_context import CommandContext
from ..deployment.deploy import select
from ..errors import ConfigurationError
from .options import complete_layer, pass_context


@click.command(
    epilog="\b\nExamples:\n  beanvault render network\n  beanvault render --output build/templates\n"
    "  beanvault render --deployer-policy"
)
@click.argument("layers", nargs=-1, metavar="[LAYER]...", shell_complete=complete_layer)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one file per layer to this folder instead of standard output.",
)
@click.option(
    "--deployer-policy",
    is_flag=True,
    help="Print instead the IAM policy of a role that runs `deploy` and `destroy`.",
)
@pass_context
def command(
    context: CommandContext, layers: tuple[str, ...], output: Path | None, deployer_policy: bool
) -> None:
    """Print the CloudFormation templates of each LAYER, or of all layers."""
    if deployer_policy:
        if layers or output:
            raise ConfigurationError(
                "--deployer-policy takes neither a layer nor --output",
                "beanvault render --deployer-policy > deployer.json",
            )
        click.echo(json.dumps(deployer.deployer_policy(context.deployment), indent=2))
        context.say(f"attach AWS's managed policy {deployer.BEANSTALK_POLICY} as well")
        return
    for layer in select(layers):
        text = render(LAYERS[layer](context.deployment))
        if output is None:
            click.echo(f"---\n# {context.deployment.stack_name(layer)}\n{text}")
        else:
            output.mkdir(parents=True, exist_ok=True)
            path = output / f"{context.deployment.stack_name(layer)}.template"
            path.write_text(text)
            context.say(f"{path}  {len(text.encode()):,} bytes")
