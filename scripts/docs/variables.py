"""Environment variables: their names and defaults from the code that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from beanvault.cli import cli
from eb_app.settings import AppSettings
from replicator.config import OPTIONAL, REQUIRED
from scripts.docs.commands import commands
from scripts.docs.markdown import TEXT, WORDS, code, page, table


class Recording(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def read_by_app() -> set[str]:
    """Return every variable that the app's settings look at, whatever the mode."""
    asked: set[str] = set()
    for mode in ("secret", "iam"):
        environ = Recording(
            {
                "BEANVAULT_DATABASE_MODE": mode,
                "BEANVAULT_DATABASE_HOST": "h",
                "BEANVAULT_DATABASE_SECRET": "s",
                "BEANVAULT_DATABASE_USER": "u",
            }
        )
        AppSettings.from_environ(environ)
        asked |= environ.asked
    return asked


def read_by_command() -> set[str]:
    """Return the variables that options of the command line are taken from."""

    def of(command: click.Command) -> Iterator[str]:
        for parameter in command.params:
            if isinstance(parameter.envvar, str):
                yield parameter.envvar

    return {name for command in (cli, *(found for _, found in commands())) for name in of(command)}


def build() -> str:
    says = WORDS["function"]
    function = [
        (code(name), says[name][0], "required" if name in REQUIRED else says[name][1])
        for name in (*REQUIRED, *OPTIONAL)
    ]
    settings = AppSettings.from_environ({"BEANVAULT_DATABASE_HOST": "h", "BEANVAULT_DATABASE_SECRET": "s"})
    app = [(code(name), means, _default(settings, word)) for name, (means, word) in WORDS["app"].items()]
    return page(
        "Environment variables",
        "the code that reads them",
        TEXT["variables"],
        "## The function, and `python -m replicator`",
        table(("variable", "means", "default"), function),
        "## The app",
        table(("variable", "means", "default"), app),
        TEXT["workers"],
        "## The command `beanvault`",
        table(("variable", "means"), [(code(name), means) for name, means in WORDS["command"].items()]),
        TEXT["token"],
    )


def _default(settings: AppSettings, word: str) -> str:
    """Return a default in words, or for `.name` that attribute of the settings as they are by default."""
    if not word.startswith("."):
        return word
    value = getattr(settings, word[1:])
    return code(f"{value:g}" if isinstance(value, float) else str(value))
