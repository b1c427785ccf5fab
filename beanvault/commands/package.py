"""beanvault package"""

from __future__ import annotations

from pathlib import Path

import click

from ..artifacts import package
from ..context import CommandContext
from .options import as_json, pass_context, print_json


@click.command(epilog="\b\nExample:\n  beanvault package replicator")
@click.argument("function", type=click.Choice(list(package.RECIPES)), default="replicator")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for the zip; build/ of the project by default.",
)
@as_json
@pass_context
def command(context: CommandContext, function: str, output: Path | None, as_json: bool) -> None:
    """Make a function's zip from our code and the locked dependencies."""
    made = package.build(context.root, function, output or context.root / "build")
    if as_json:
        print_json({"name": made.name, "path": made.path, "sha256": made.sha256, "size": made.size})
    else:
        click.echo(f"{made.path}  {made.size:,} bytes  sha256 {made.sha256}")
