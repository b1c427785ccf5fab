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

from ..command_context import CommandContext
from ..errors import BeanvaultError, ConfigurationError, ExitCode
from ..verify import export, page
from ..verify.account.state import AccountState
from ..verify.checks import CONTROLS
from ..verify.model import Finding, Status
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
@click.option("--all", "show_all", is_flag=True, help="Also show findings that pass or don't apply.")
@click.option("--allow-unknown", is_flag=True, help="Exit with 0 although a control couldn't be checked.")
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
    """Check whether the account meets each CONTROL (all, by default).

    Exits with 1 if one fails or couldn't be checked. What the deployment file explicitly asks for, such as a
    trial's single zone, doesn't fail.
    """
    unknown = sorted(set(controls) - {control.id for control in CONTROLS})
    if unknown:
        raise ConfigurationError(
            f"there is no control {', '.join(unknown)}", f"list them: `{context.call} verify --all`"
        )
    for file in filter(None, (html_file, asff_file, ocsf_file)):
        _check_writable(file)
    account = context.aws.account()
    state = AccountState(context.deployment, context.aws)
    if not state.stacks.resources:
        raise BeanvaultError(
            f"{context.deployment.name} has no stacks in {context.aws.region}",
            f"deploy it: `{context.call} deploy`",
        )
    findings = []
    for finding in run_controls(state, controls):
        findings.append(finding)
        if not as_json and (show_all or finding.status in (Status.FAIL, Status.UNKNOWN)):
            _print(context, finding)
    name, region, now = context.deployment.name, context.aws.region, dt.datetime.now(dt.UTC)
    if html_file:
        html_file.write_text(page.render(findings, name, region, account, now))
    origin = (name, context.aws.partition, region, account, now)
    if asff_file:
        write_batches(asff_file, export.batches(export.asff(findings, *origin)))
    if ocsf_file:
        ocsf_file.write_text(json.dumps(export.ocsf(findings, *origin), indent=2))
    if as_json:
        print_json(export.plain(findings))
    else:
        counts = export.counts(findings)
        click.echo(", ".join(f"{number} {status.value}" for status, number in counts.items()))
    bad = {Status.FAIL} if allow_unknown else {Status.FAIL, Status.UNKNOWN}
    return ExitCode.FAILED if any(finding.status in bad for finding in findings) else ExitCode.OK


def _check_writable(file: Path) -> None:
    """Check before the run that its result can be written.

    Raises:
        ConfigurationError: the folder doesn't exist or isn't writable
    """
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise ConfigurationError(
            f"{file} is not writable", "name a file in an existing folder that you can write to"
        )


def write_batches(file: Path, batches: Sequence[object]) -> None:
    """Write each batch to its own file (`asff-2.json`), and delete those of an earlier, longer run."""
    parts = (file if n == 1 else file.with_stem(f"{file.stem}-{n}") for n in itertools.count(1))
    for batch in batches:
        next(parts).write_text(json.dumps(batch, indent=2))
    while (old := next(parts)).exists():
        old.unlink()


def _print(context: CommandContext, finding: Finding) -> None:
    line = Text(f"{finding.status.value:<16}", style=STYLES[finding.status])
    text = ": ".join(part for part in (finding.title, finding.resource, finding.evidence) if part)
    context.out.print(line.append(f"{finding.id:<18} {text}", style=""))
    if finding.status is Status.FAIL:
        context.out.print(f"{'':<16}→ {finding.remedy}")
