"""The command `beanvault`: global options, its subcommands, and how errors are printed.

The subcommands are in `beanvault.commands`, one per file. Each parses its options, creates the clients and
calls one function of the library.
"""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.text import Text

from . import DEFAULT_CONFIG, __version__, aws
from .artifacts.project import ROOT
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
"""In the order in which a deployment uses them; each is `beanvault.commands.<name>.command`."""

COMPLETION = """\b
Shell completion: add one of these lines to your shell's startup file:
  eval "$(_BEANVAULT_COMPLETE=bash_source beanvault)"
  eval "$(_BEANVAULT_COMPLETE=zsh_source beanvault)"
  _BEANVAULT_COMPLETE=fish_source beanvault | source"""

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value:>3}  {code.meaning}" for code in ExitCode)


class CommandGroup(click.Group):
    """Imports a subcommand when it is called: `beanvault listen` needs no template library."""

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
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    default=ROOT,
    show_default="the clone that this command runs from",
    envvar="BEANVAULT_PROJECT",
    help="The clone of the project whose functions and app are packaged.",
)
@click.option("--profile", envvar="AWS_PROFILE", help="The AWS profile.")
@click.option("--region", help="The AWS region; the deployment file's by default.")
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="The AWS API's address, if not AWS's own.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show stack traces.")  # read by `run`
@click.version_option(__version__, prog_name="beanvault")
@click.pass_context
def cli(
    ctx: click.Context,
    /,
    config: Path,
    project: Path,
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
) -> None:
    """A hardened Elastic Beanstalk deployment whose database credentials come from Vault.

    \b
    Begin with:
      beanvault init                   write the deployment file
      beanvault doctor                 check what a deployment needs
      beanvault deploy                 show the stacks, then create them
      beanvault vault init             prepare Vault
      beanvault rotate                 create the app's credential
      beanvault verify                 check that the deployment is hardened
    """  # noqa: D301 - click needs the backspace itself, which keeps a paragraph's line breaks
    from .command_context import CommandContext

    if endpoint_url:
        os.environ["AWS_ENDPOINT_URL"] = endpoint_url  # also for the clients of the replicator's code
    ctx.obj = CommandContext(config, project, profile, region)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and end the process with one of `ExitCode`."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    remarks = consoles()[1]
    debug = "--debug" in arguments
    # It is accepted after the subcommand too, where people add it after a failure.
    arguments = [*["--debug"][:debug], *(word for word in arguments if word != "--debug")]
    try:
        result = cli.main(arguments, prog_name="beanvault", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        remarks.print("interrupted: run the same command again to resume", style="yellow")
        return ExitCode.INTERRUPTED
    except (BeanvaultError, *aws.FAILURES) as error:
        if debug:
            remarks.print_exception(show_locals=False)
        return _print_error(remarks, error if isinstance(error, BeanvaultError) else aws.explained(error))
    except OSError as error:
        if debug:
            remarks.print_exception(show_locals=False)
        where = f"{error.filename}: " if error.filename is not None else ""
        known = BeanvaultError(
            f"{where}{error.strerror or type(error).__name__}",
            "check that it exists and that you can read and write it" if where else "",
        )
        return _print_error(remarks, known)
    except Exception as error:  # noqa: BLE001 - the one place that turns every exception into an exit code
        if debug:
            remarks.print_exception(show_locals=False)
        # Its text could quote a secret; type and place are enough for a bug report.
        remarks.print(
            f"error: unexpected {type(error).__name__}, a bug of beanvault; --debug shows where",
            style="red",
            markup=False,
        )
        return ExitCode.FAILED
    return int(result) if isinstance(result, int) else ExitCode.OK


def _print_error(remarks: Console, error: BeanvaultError) -> int:
    remarks.print(Text(f"error: {error}", style="red"))
    if error.remedy:
        remarks.print(Text(f"  → {error.remedy}"))
    return error.exit_code


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal handler's signature
    raise KeyboardInterrupt
