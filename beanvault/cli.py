"""The command `beanvault`: global options, the verbs, and how every error ends.

The verbs live in `beanvault.commands`, one a file; each parses its options, makes what it needs and calls one
function of the library.
"""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from . import __version__, aws
from .errors import BeanvaultError, ExitCode
from .terminal import consoles

COMMANDS = (
    "init",
    "doctor",
    "render",
    "bundle",
    "package",
    "deploy",
    "vault",
    "connect",
    "replicate",
    "status",
    "rotate",
    "listen",
    "verify",
    "alerts",
    "destroy",
)
"""In the order a deployment meets them; `beanvault.commands.<verb>.command` is each one."""

DEFAULT_CONFIG = Path("beanvault.toml")

COMPLETION = """\b
Shell completion: put one of these into your shell's start file:
  eval "$(_BEANVAULT_COMPLETE=bash_source beanvault)"
  eval "$(_BEANVAULT_COMPLETE=zsh_source beanvault)"
  _BEANVAULT_COMPLETE=fish_source beanvault | source"""

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(
    f"  {code.value:>3}  {words}"
    for code, words in {
        ExitCode.OK: "done",
        ExitCode.FAILED: "tried and failed, or refused",
        ExitCode.USAGE: "the command line or the deployment file is wrong",
        ExitCode.DENIED: "credentials are missing, expired or not allowed",
        ExitCode.UNREACHABLE: "AWS, Vault or the database didn't answer",
        ExitCode.INTERRUPTED: "interrupted; the same command goes on from there",
    }.items()
)


class CommandGroup(click.Group):
    """Imports a verb when it is called: `beanvault listen` needs no template library."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"beanvault.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=CommandGroup,
    epilog=f"{EXIT_CODES}\n\n{COMPLETION}",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-c",
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    envvar="BEANVAULT_CONFIG",
    help="The deployment file.",
)
@click.option("--profile", envvar="AWS_PROFILE", help="The AWS profile.")
@click.option("--region", help="The AWS region; the deployment file's by default.")
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="Where AWS's API is, if not at AWS.")
@click.option("--debug", is_flag=True, help="Show stack traces.")
@click.version_option(__version__, prog_name="beanvault")
@click.pass_context
def cli(ctx: click.Context, /, endpoint_url: str | None, **options: Any) -> None:
    """A hardened Elastic Beanstalk deployment whose database credentials come from Vault.

    \b
    Begin with:
      beanvault init                   writes the deployment file
      beanvault doctor                 tells what is missing
      beanvault deploy                 creates the stacks, after showing them
      beanvault vault init             prepares Vault
      beanvault rotate                 makes the app's credential
      beanvault verify                 tells whether it is hardened
    """  # noqa: D301 - click wants the backspace itself, which keeps a paragraph's line breaks
    from .context import CommandContext

    if endpoint_url:
        os.environ["AWS_ENDPOINT_URL"] = endpoint_url  # so that the replicator's own clients go there as well
    ctx.obj = CommandContext(**options)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and end the process with one of `ExitCode`."""
    signal.signal(signal.SIGTERM, _interrupted)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command; return its exit code. Nothing but that and what it printed is left behind."""
    remarks = consoles()[1]
    debug = "--debug" in arguments
    # It may stand behind the verb as well: that is where one adds it after a failure.
    arguments = [*["--debug"][:debug], *(word for word in arguments if word != "--debug")]
    try:
        result = cli.main(arguments, prog_name="beanvault", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        remarks.print("interrupted: the same command goes on from here", style="yellow")
        return ExitCode.INTERRUPTED
    except (BeanvaultError, *aws.FAILURES) as error:
        if debug:
            remarks.print_exception(show_locals=False)
        known = error if isinstance(error, BeanvaultError) else aws.explained(error)
        return _told(remarks, known)
    except OSError as error:
        if debug:
            remarks.print_exception(show_locals=False)
        where = f"{error.filename}: " if error.filename is not None else ""
        told = BeanvaultError(
            f"{where}{error.strerror or type(error).__name__}",
            "check that it is there and that you may read and write it" if where else "",
        )
        return _told(remarks, told)
    except Exception as error:  # noqa: BLE001 - the one place where whatever comes up must end in words
        if debug:
            remarks.print_exception(show_locals=False)
        # Its text may quote anything; its type and place are enough to report it.
        remarks.print(
            f"error: {type(error).__name__}, which beanvault didn't expect; --debug shows where",
            style="red",
            markup=False,
        )
        return ExitCode.FAILED
    return int(result) if isinstance(result, int) else ExitCode.OK


def _told(remarks: Console, error: BeanvaultError) -> int:
    remarks.print(Text(f"error: {error}", style="red"))
    if error.remedy:
        remarks.print(Text(f"  → {error.remedy}"))
    return error.exit_code


def _interrupted(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal handler's signature
    raise KeyboardInterrupt
