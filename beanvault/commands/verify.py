"""beanvault verify"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path

import click
from rich.text import Text

from ..context import CommandContext
from ..errors import BeanvaultError, ConfigurationError, ExitCode
from ..verify import export, page
from ..verify.live import AccountState
from ..verify.model import Finding, Status
from ..verify.run import CONTROLS
from ..verify.run import verify as run_controls
from .options import as_json, pass_context, print_json

EXAMPLES = """\b
Examples:
  beanvault verify
  beanvault verify --html report.html
  beanvault verify --asff asff.json
  for file in asff*.json; do aws securityhub batch-import-findings --findings "file://$file"; done
  beanvault verify RDS.3 S3.8 --json"""

STYLES = {
    Status.PASS: "green",
    Status.FAIL: "red",
    Status.UNKNOWN: "yellow",
    Status.NOT_APPLICABLE: "dim",
}
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog=EXAMPLES)
@click.argument("controls", nargs=-1, metavar="[CONTROL]...")
@click.option("--html", "html_file", type=FILE, help="Write a page for a reviewer.")
@click.option(
    "--asff", "asff_file", type=FILE, help="Write Security Hub's format, a hundred findings a file."
)
@click.option("--ocsf", "ocsf_file", type=FILE, help="Write OCSF's Compliance Findings.")
@click.option("--all", "show_all", is_flag=True, help="Show also what passes and what doesn't apply.")
@click.option("--allow-unknown", is_flag=True, help="Don't fail for what couldn't be asked.")
@as_json
@pass_context
def command(
    context: CommandContext,
    controls: tuple[str, ...],
    html_file: Path | None,
    asff_file: Path | None,
    ocsf_file: Path | None,
    show_all: bool,
    allow_unknown: bool,
    as_json: bool,
) -> int:
    """Ask the account itself whether each CONTROL (all, by default) is kept.

    Ends with 1 when one fails or couldn't be asked. What the deployment file openly asks for, as a trial's
    single zone, doesn't fail.
    """
    unknown = sorted(set(controls) - {control.id for control in CONTROLS})
    if unknown:
        raise ConfigurationError(
            f"there is no control {', '.join(unknown)}", "beanvault verify --all lists them all"
        )
    for file in filter(None, (html_file, asff_file, ocsf_file)):
        _check_writable(file)
    account = context.aws.account()
    live = AccountState(context.deployment, context.aws)
    if not live.made:
        raise BeanvaultError(
            f"{context.deployment.name} has no stacks in {context.aws.region}",
            "deploy it: `beanvault deploy`",
        )
    findings = []
    for finding in run_controls(live, controls):
        findings.append(finding)
        if not as_json and (show_all or finding.status in (Status.FAIL, Status.UNKNOWN)):
            _print(context, finding)
    name, region, now = context.deployment.name, context.aws.region, dt.datetime.now(dt.UTC)
    if html_file:
        html_file.write_text(page.render(findings, name, region, account, now))
    where = (name, context.aws.partition, region, account, now)
    if asff_file:
        write_batches(asff_file, export.batches(export.asff(findings, *where)))
    if ocsf_file:
        ocsf_file.write_text(json.dumps(export.ocsf(findings, *where), indent=2))
    if as_json:
        print_json(export.plain(findings))
    else:
        sums = export.counts(findings)
        click.echo(", ".join(f"{number} {status.value}" for status, number in sums.items()))
    bad = {Status.FAIL} if allow_unknown else {Status.FAIL, Status.UNKNOWN}
    return ExitCode.FAILED if any(finding.status in bad for finding in findings) else ExitCode.OK


def _check_writable(file: Path) -> None:
    """Look before the run whether its result could be written.

    Raises:
        ConfigurationError: there is no such folder, or it is somebody else's
    """
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise ConfigurationError(f"{file} can't be written", "name a file in a folder that you may write to")


def write_batches(file: Path, batches: Sequence[object]) -> None:
    """Write each batch to a file of its own (`asff-2.json`), and leave none of an earlier, longer run."""
    parts = (file if n == 1 else file.with_stem(f"{file.stem}-{n}") for n in itertools.count(1))
    for batch in batches:
        next(parts).write_text(json.dumps(batch, indent=2))
    while (old := next(parts)).exists():
        old.unlink()


def _print(context: CommandContext, finding: Finding) -> None:
    line = Text(f"{finding.status.value:<16}", style=STYLES[finding.status])
    told = ": ".join(part for part in (finding.title, finding.resource, finding.evidence) if part)
    context.out.print(line.append(f"{finding.id:<18} {told}", style=""))
    if finding.status is Status.FAIL:
        context.out.print(f"{'':<16}→ {finding.remedy}")
