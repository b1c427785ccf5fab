"""Options several verbs share, and how a result is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..context import CommandContext
from ..errors import ConfigurationError
from ..vault.server import VaultServer

Command = TypeVar("Command", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
yes = click.option("-y", "--yes", is_flag=True, help="Agree to everything but a loss of data.")
pass_context = click.make_pass_decorator(CommandContext)

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def layers_beginning(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    """Return the layers a shell may complete *incomplete* to."""
    from templates.layers import LAYERS

    return [layer for layer in LAYERS if layer.startswith(incomplete)]


def vault_options(command: Command) -> Command:
    """Add how Vault is reached; the environment's variables are those of Vault's own command line."""
    for option in (
        click.option("--vault-namespace", envvar="VAULT_NAMESPACE", help="Vault's namespace."),
        click.option("--vault-ca-file", type=FILE, envvar="VAULT_CACERT", help="PEM of Vault's authority."),
        click.option("--vault-address", envvar="VAULT_ADDR", help="Vault's https:// address."),
    ):
        command = option(command)
    return command


def server(address: str | None, ca_file: Path | None, namespace: str | None) -> VaultServer:
    """Return where Vault is.

    Raises:
        ConfigurationError: no address was given
    """
    if not address:
        raise ConfigurationError("Vault's address isn't known", "pass --vault-address, or set VAULT_ADDR")
    return VaultServer(address.rstrip("/"), ca_file, namespace)


def secret(name: str, file: Path | None, envvar: str, prompt: str) -> str:
    """Return a secret from a file, the environment or a hidden prompt: an argument would show in `ps`."""
    import os

    if file is not None:
        return text_of(file).strip()
    if os.environ.get(envvar):
        return os.environ[envvar]
    option = f"set {envvar}, or name a file with --vault-{name}-file"
    value = ask(prompt, option, hide_input=True)
    if not value:
        raise ConfigurationError(f"no {name} was given", option)
    return value


def text_of(file: Path) -> str:
    """Return the text of *file*.

    Raises:
        ConfigurationError: *file* isn't text in UTF-8
    """
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} isn't text in UTF-8", "name another file") from None


def ask(question: str, remedy: str, **settings: Any) -> str:
    """Return the answer to *question*, as `click.prompt` asks it.

    Raises:
        ConfigurationError: nobody is there to answer; *remedy* tells the option instead
    """
    try:
        answer: str = click.prompt(question, err=True, **settings)
    except click.Abort as abort:
        if isinstance(abort.__context__, EOFError):  # the end of the input; Ctrl-C is another
            raise ConfigurationError(f"nobody answers the question: {question}", remedy) from None
        raise
    return answer


def print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, default=str))
