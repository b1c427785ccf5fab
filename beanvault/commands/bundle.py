"""beanvault bundle"""

from __future__ import annotations

from pathlib import Path

import click

from ..artifacts import authorities, bundle
from ..command_context import CommandContext
from .options import as_json, pass_context, print_json


@click.command(epilog="\b\nExample:\n  beanvault bundle && eb deploy NAME-app --timeout 40")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The zip's file; the project's build/bundle.zip by default.",
)
@as_json
@pass_context
def command(context: CommandContext, output: Path | None, as_json: bool) -> None:
    """Build the app's source bundle. The same files give the same bytes.

    Authorities that the deployment file names ([database] ca_file) take the place of RDS's.
    """
    trusted = None
    if context.config.exists():
        trusted = authorities.content(context.deployment)
    else:
        context.say(
            f"No deployment file ({context.config}): the bundle trusts the project's own RDS authorities."
        )
    built = bundle.build(context.project, output or context.project / "build" / "bundle.zip", trusted)
    if trusted is not None:
        context.say(f"The app trusts the authorities in {context.deployment.database.ca_file}.")
    if as_json:
        print_json({"path": built.path, "sha256": built.sha256, "size": built.size})
    else:
        click.echo(f"{built.path}  {built.size:,} bytes  sha256 {built.sha256}")
