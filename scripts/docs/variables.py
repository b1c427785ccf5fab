"""The reference of environment variables: names and defaults from the code that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from beanvault.cli import cli
from eb_app.settings import AppSettings
from replicator.config import OPTIONAL, REQUIRED
from scripts.docs.commands import commands
from scripts.docs.markdown import DESCRIPTIONS, TEXT, code, page, table


class RecordingEnviron(dict[str, str]):
    """An environment that records the names of the variables that are read."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)


def read_by_app() -> set[str]:
    """Return every variable that the app's settings read in any mode."""
    names: set[str] = set()
    for mode in ("secret", "iam"):
        environ = RecordingEnviron(
            {
                "BEANVAULT_DATABASE_MODE": mode,
                "BEANVAULT_DATABASE_HOST": "h",
                "BEANVAULT_DATABASE_SECRET": "s",
                "BEANVAULT_DATABASE_USER": "u",
            }
        )
        AppSettings.from_environ(environ)
        names |= environ.read
    return names


def read_by_command() -> set[str]:
    """Return the variables that set options of the command line."""

    def of(command: click.Command) -> Iterator[str]:
        for parameter in command.params:
            if isinstance(parameter.envvar, str):
                yield parameter.envvar

    return {name for command in (cli, *(found for _, found in commands())) for name in of(command)}


def build() -> str:
    described = DESCRIPTIONS["function"]
    function = [
        (code(name), described[name][0], "required" if name in REQUIRED else described[name][1])
        for name in (*REQUIRED, *OPTIONAL)
    ]
    settings = AppSettings.from_environ({"BEANVAULT_DATABASE_HOST": "h", "BEANVAULT_DATABASE_SECRET": "s"})
    app = [
        (code(name), meaning, _default(settings, default))
        for name, (meaning, default) in DESCRIPTIONS["app"].items()
    ]
    return page(
        "Environment variables",
        "the code that reads them",
        TEXT["variables"],
        "## The function, and `python -m replicator`",
        table(("variable", "meaning", "default"), function),
        "## The app",
        table(("variable", "meaning", "default"), app),
        TEXT["workers"],
        "## The command `beanvault`",
        table(
            ("variable", "meaning"), [(code(name), means) for name, means in DESCRIPTIONS["command"].items()]
        ),
        TEXT["token"],
    )


def _default(settings: AppSettings, default: str) -> str:
    """Return a described default, or for `.name` the default value of that attribute of the settings."""
    if not default.startswith("."):
        return default
    value = getattr(settings, default[1:])
    return code(f"{value:g}" if isinstance(value, float) else str(value))
