"""beanvault replicate"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from replicator.aws import Clients
from replicator.replicate import ReplicationRequest, RunClock
from replicator.report import lines
from replicator.run import run

from ..context import CommandContext
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
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--local", is_flag=True, help="Run here instead of in the function, with your own credentials.")
@as_json
@pass_context
def command(
    context: CommandContext, sources: tuple[str, ...], dry_run: bool, local: bool, as_json: bool
) -> int:
    """Move Secrets Manager towards Vault now, wholly or for some paths."""
    function = ReplicatorFunction(context.aws, context.deployment.function_name, context.terminal())
    if not dry_run and not local:
        counts = function.replicate(sources)
        if as_json:
            print_json(counts)
        else:
            click.echo(_counts(counts))
        return ExitCode.OK
    report = _run_here(context, function, sources, dry_run=dry_run) if local else function.dry_run(sources)
    if as_json:
        print_json(report)
    else:
        click.echo("\n".join(lines(report)))
    return ExitCode.OK if report["healthy"] else ExitCode.FAILED


def _run_here(
    context: CommandContext, function: ReplicatorFunction, sources: tuple[str, ...], *, dry_run: bool
) -> Mapping[str, Any]:
    request = ReplicationRequest(sources or None, reason="operator", dry_run=dry_run)
    return run(function.config(), Clients(context.aws.session), request, RunClock(time.time)).as_json()


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name.lower()}" for name, number in counts.items())
