"""beanvault bundle"""

from __future__ import annotations

from pathlib import Path

import click

from ..artifacts import bundle
from ..context import CommandContext
from .options import as_json, pass_context, print_json


@click.command(epilog="\b\nExample:\n  beanvault bundle && eb deploy")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The zip's file; build/bundle.zip of the project by default.",
)
@as_json
@pass_context
def command(context: CommandContext, output: Path | None, as_json: bool) -> None:
    """Make the app's source bundle: the same bytes from the same files."""
    made = bundle.build(context.root, output or context.root / "build" / "bundle.zip")
    if as_json:
        print_json({"path": made.path, "sha256": made.sha256, "size": made.size})
    else:
        click.echo(f"{made.path}  {made.size:,} bytes  sha256 {made.sha256}")
