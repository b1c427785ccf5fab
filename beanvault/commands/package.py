"""beanvault package"""

from __future__ import annotations

from pathlib import Path

import click

from ..artifacts import authorities, package
from ..command_context import CommandContext
from .options import as_json, pass_context, print_json


@click.command(epilog="\b\nExample:\n  beanvault package replicator")
@click.argument("function", type=click.Choice(list(package.RECIPES)), default="replicator")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for the zip; the project's build/ by default.",
)
@as_json
@pass_context
def command(context: CommandContext, function: str, output: Path | None, as_json: bool) -> None:
    """Build a function's zip from its code and the locked dependencies."""
    connects = package.RECIPES[function].authorities is not None and context.config.exists()
    trusted = authorities.content(context.deployment) if connects else None
    built = package.build(context.project, function, output or context.project / "build", trusted)
    if as_json:
        print_json({"name": built.name, "path": built.path, "sha256": built.sha256, "size": built.size})
    else:
        click.echo(f"{built.path}  {built.size:,} bytes  sha256 {built.sha256}")
