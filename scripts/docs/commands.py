"""The command line: every command's own help."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from beanvault.cli import cli
from scripts.docs.markdown import block, page

WIDTH = 100
RECORDINGS = Path(__file__).resolve().parents[2] / "docs" / "recordings"
HELP_OPTIONS = list(cli.context_settings["help_option_names"])
"""Given with every context: a command remembers the first it meets, and all below `beanvault` have these."""


def commands(command: click.Command = cli, name: str = "beanvault") -> Iterator[tuple[str, click.Command]]:
    """Yield each command that does something, by its full name, in the order of the help."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command, info_name=name)
    for verb in command.list_commands(context):
        below = command.get_command(context, verb)
        assert below is not None  # noqa: S101 - the group itself listed it
        yield from commands(below, f"{name} {verb}")


def helped(command: click.Command, name: str) -> str:
    """Return a command's help as a terminal of `WIDTH` columns shows it."""
    context = click.Context(
        command,
        info_name=name,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=HELP_OPTIONS,
    )
    return command.get_help(context)


def build() -> str:
    parts = [block(helped(cli, "beanvault"))]
    for name, command in commands():
        parts += [f"## {name}", block(helped(command, name))]
        recorded = sorted(RECORDINGS.glob(f"{'-'.join(name.split()[1:])}*.txt"))
        if recorded:
            links = ", ".join(f"[{file.stem}](../recordings/{file.name})" for file in recorded)
            parts.append(f"Recorded on the local AWS: {links}")
    return page("Commands", "the commands' own help (`beanvault/commands/`)", *parts)
