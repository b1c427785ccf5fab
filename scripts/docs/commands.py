"""The reference of the command line: the help of every command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from beanvault.cli import cli
from scripts.docs.markdown import block, page

WIDTH = 100
RECORDINGS = Path(__file__).resolve().parents[2] / "docs" / "recordings"
HELP_OPTIONS = list(cli.context_settings["help_option_names"])
"""Passed to every context, because a command keeps the names of its first one."""


def commands(command: click.Command = cli, name: str = "beanvault") -> Iterator[tuple[str, click.Command]]:
    """Yield each command that isn't a group, with its full name, in the order of the help."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command, info_name=name)
    for subcommand_name in command.list_commands(context):
        subcommand = command.get_command(context, subcommand_name)
        assert subcommand is not None  # noqa: S101 - the group itself listed it
        yield from commands(subcommand, f"{name} {subcommand_name}")


def help_text(command: click.Command, name: str) -> str:
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
    parts = [block(help_text(cli, "beanvault"))]
    for name, command in commands():
        parts += [f"## {name}", block(help_text(command, name))]
        recorded = sorted(RECORDINGS.glob(f"{'-'.join(name.split()[1:])}*.txt"))
        if recorded:
            links = ", ".join(f"[{file.stem}](../recordings/{file.name})" for file in recorded)
            parts.append(f"Recorded on the local AWS: {links}")
    return page("Commands", "the commands' own help (`beanvault/commands/`)", *parts)
