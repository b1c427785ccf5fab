"""beanvault replicate"""

from __future__ import annotations

import time

import click

from replicator.aws import Clients
from replicator.contract.events import ReplicationRequest, RequestReason
from replicator.contract.summary import RunSummary, counts_line
from replicator.replicate import RunClock
from replicator.run import run

from ..command_context import CommandContext
from ..errors import ExitCode
from ..replication.function import ReplicatorFunction
from .options import as_json, pass_context, print_json

EXAMPLES = """\b
Examples:
  beanvault replicate
  beanvault replicate beanvault/app/database
  beanvault replicate --dry-run"""


@click.command(epilog=EXAMPLES)
@click.argument("sources", nargs=-1, metavar="[MOUNT/PATH]...")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--local", is_flag=True, help="Run here instead of in the function, with your own credentials.")
@as_json
@pass_context
def command(
    context: CommandContext, sources: tuple[str, ...], dry_run: bool, local: bool, as_json: bool
) -> int:
    """Replicate from Vault to Secrets Manager now: everything, or some paths."""
    function = ReplicatorFunction(context.aws, context.deployment.function_name, context.terminal())
    if not dry_run and not local:
        counts = function.replicate(sources)
        if as_json:
            print_json(counts)
        else:
            click.echo(counts_line(counts))
        return ExitCode.OK
    summary = _run_here(context, function, sources, dry_run=dry_run) if local else function.dry_run(sources)
    if as_json:
        print_json(summary.as_json())
    else:
        click.echo("\n".join(summary.lines()))
    return ExitCode.OK if summary.healthy else ExitCode.FAILED


def _run_here(
    context: CommandContext, function: ReplicatorFunction, sources: tuple[str, ...], *, dry_run: bool
) -> RunSummary:
    request = ReplicationRequest(sources or None, RequestReason.OPERATOR, dry_run)
    return run(function.config(), Clients(context.aws.session), request, RunClock(time.time)).summary()
