"""Story of docs/, README.md and beanvault/commands/.

The commands in the documents and in the help are valid.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from beanvault.cli import cli
from scripts.docs.commands import HELP_OPTIONS, commands
from tests.project import ROOT
from tests.unit.docs.markdown_files import FILES, blocks

HELP = dict(commands())


def typed(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of `beanvault` in the shell lines of *text*."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        for part in re.split(r"\||&&|;|\$\(", line):
            if part.lstrip().startswith("beanvault "):
                yield [word.rstrip(")") for word in shlex.split(part, comments=True)[1:]]


def parse(arguments: list[str]) -> str:
    """Return the full name of the command that *arguments* call.

    Raises:
        click.UsageError: the arguments are invalid
    """
    command: click.Command = cli
    name = "beanvault"
    while True:
        context = click.Context(command, info_name=name, help_option_names=HELP_OPTIONS)
        _, rest, _ = command.make_parser(context).parse_args(list(arguments))
        if not isinstance(command, click.Group):
            return name
        subcommand, found, arguments = command.resolve_command(context, rest)
        assert subcommand is not None
        assert found is not None
        name, command = f"{name} {subcommand}", found


def in_document(file: Path) -> Iterator[list[str]]:
    for language in ("bash", "console"):
        for block in blocks(file.read_text(), language):
            yield from typed(re.sub(r"^\$ ", "", block, flags=re.MULTILINE))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_command_in_a_document_is_valid(file: Path) -> None:
    for arguments in in_document(file):
        parse(arguments)


@pytest.mark.parametrize("name", HELP)
def test_an_example_in_the_help_is_valid(name: str) -> None:
    epilog = HELP[name].epilog or ""
    calls = list(typed(re.sub(r"(?<=\S)\s{2,}\(.*\)$", "", epilog, flags=re.MULTILINE)))
    assert calls, "no example"
    assert name in {parse(call) for call in calls}


def test_a_command_that_does_not_exist_is_found() -> None:
    for wrong in ("deplyo", "deploy --nonsense", "rotate --role"):
        with pytest.raises(click.UsageError):
            parse(wrong.split())


def test_every_command_is_explained_outside_the_reference() -> None:
    """The generated reference lists them all; a written document has to say what each is for."""
    written = "".join(file.read_text() for file in FILES if "reference" not in file.parts)
    assert [name for name in HELP if name not in written] == []
    assert [call for file in FILES for call in in_document(file)]
