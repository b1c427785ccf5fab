"""Options that several commands share, and how a result is printed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..command_context import CommandContext
from ..errors import ConfigurationError
from ..vault.server import VaultServer

Command = TypeVar("Command", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
yes = click.option("-y", "--yes", is_flag=True, help="Agree to everything but a loss of data.")
pass_context = click.make_pass_decorator(CommandContext)

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def complete_layer(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    """Return the layers that a shell can complete *incomplete* to."""
    from templates.layers import LAYERS

    return [layer for layer in LAYERS if layer.startswith(incomplete)]


def vault_options(command: Command) -> Command:
    """Add the options of the connection to Vault; their variables are those of Vault's own command line."""
    for option in (
        click.option("--vault-namespace", envvar="VAULT_NAMESPACE", help="Vault's namespace."),
        click.option(
            "--vault-ca-file",
            type=FILE,
            envvar="VAULT_CACERT",
            help="PEM of Vault's authority.",
        ),
        click.option("--vault-address", envvar="VAULT_ADDR", help="Vault's address, https://…"),
    ):
        command = option(command)
    return command


def server(address: str | None, ca_file: Path | None, namespace: str | None) -> VaultServer:
    """Return the Vault server.

    Raises:
        ConfigurationError: no address was given
    """
    if not address:
        raise ConfigurationError("Vault's address is not set", "pass --vault-address, or set VAULT_ADDR")
    return VaultServer(address.rstrip("/"), ca_file, namespace)


def secret(name: str, file: Path | None, envvar: str, prompt: str) -> str:
    """Return a secret from a file, the environment or a hidden prompt; `ps` would show an argument."""
    if file is not None:
        return text_of(file).strip()
    if os.environ.get(envvar):
        return os.environ[envvar]
    option = f"set {envvar}, or pass --vault-{name}-file"
    value = ask(prompt, option, hide_input=True)
    if not value:
        raise ConfigurationError(f"the {name} is empty", option)
    return value


def text_of(file: Path) -> str:
    """Return the text of *file*.

    Raises:
        ConfigurationError: *file* is not text in UTF-8
    """
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} isn't text in UTF-8", "name another file") from None


def ask(question: str, remedy: str, *, default: str | None = None, hide_input: bool = False) -> str:
    """Return the answer to *question*, as `click.prompt` asks it.

    Raises:
        ConfigurationError: there is no terminal to ask at; *remedy* names the option to pass instead
    """
    try:
        answer: str = click.prompt(question, err=True, default=default, hide_input=hide_input)
    except click.Abort as abort:
        if isinstance(abort.__context__, EOFError):  # the end of the input; Ctrl-C has another context
            raise ConfigurationError(f"there is no terminal to ask at: {question}", remedy) from None
        raise
    return answer


def print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, default=str))
