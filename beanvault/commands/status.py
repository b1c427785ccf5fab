"""beanvault status"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict

import click
from rich.table import Table

from ..command_context import CommandContext
from ..errors import ExitCode
from ..replication import status
from ..replication.function import ReplicatorFunction
from .options import as_json, pass_context, print_json


@click.command(epilog="\b\nExamples:\n  beanvault status\n  beanvault status --aws-only --json")
@click.option("--aws-only", is_flag=True, help="Don't compare with Vault; show what is in Secrets Manager.")
@as_json
@pass_context
def command(context: CommandContext, aws_only: bool, as_json: bool) -> int:
    """Show each replicated secret: its version in Vault and in AWS, its age, its state.

    The function compares them in a dry run, because it can reach Vault.
    """
    function = ReplicatorFunction(context.aws, context.deployment.function_name, context.terminal())
    config = function.config()
    summary = None if aws_only else function.dry_run()
    lines = status.secret_statuses(context.aws, config.prefix, config.owner, summary)
    healthy = summary is None or summary.healthy
    if as_json:
        print_json({"healthy": healthy, "secrets": [asdict(line) for line in lines]})
        return ExitCode.OK if healthy else ExitCode.FAILED
    table = Table("secret", "source", "Vault", "AWS", "age", "state", box=None, pad_edge=False)
    for line in lines:
        table.add_row(
            line.name, line.source, line.source_version, line.target_version, age(line.changed), line.state
        )
    context.out.print(table)
    return ExitCode.OK if healthy else ExitCode.FAILED


def age(since: dt.datetime | None) -> str:
    """Return how long ago *since* was, in its largest unit: `3 d`."""
    if since is None:
        return ""
    seconds = (dt.datetime.now(dt.UTC) - since).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
