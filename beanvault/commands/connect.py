"""beanvault connect"""

from __future__ import annotations

import sys
from typing import TextIO

import click

from ..command_context import CommandContext
from ..errors import ConfigurationError
from ..replication import connection_secret
from ..replication.function import ReplicatorFunction
from .options import pass_context

EXAMPLES = """\b
Example:
  beanvault connect connection.json"""


@click.command(epilog=EXAMPLES)
@click.argument("file", type=click.File("r"), default="-")
@click.option("--no-test", is_flag=True, help="Write it without a test login by the function.")
@pass_context
def command(context: CommandContext, file: TextIO, no_test: bool) -> None:
    """Write the connection secret from FILE (JSON; - is standard input), and test it with the function.

    If the function can't log in with it, the previous connection is restored. The connection is never an
    argument, because other users of the machine can see the arguments of a command.
    """
    if file.name == "<stdin>" and sys.stdin.isatty():
        context.say("Paste the connection's JSON, then press Ctrl-D:")
    try:
        text = file.read()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file.name} isn't text in UTF-8", "name another file") from None
    if not text.strip():
        raise ConfigurationError(
            "the connection is empty",
            f"pass a file with the output of `{context.call} vault init --print-connection`",
        )
    name = context.deployment.connection_secret
    if no_test:
        connection_secret.store(context.aws, name, text)
        context.say(f"{name} is written, and not tested")
        return
    function = ReplicatorFunction(context.aws, context.deployment.function_name, context.terminal())
    connection_secret.replace(context.aws, name, text, function)
    context.say(f"{name} is written; {function.name} logged in to Vault with it")
