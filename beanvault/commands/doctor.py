"""beanvault doctor"""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from ..context import CommandContext
from ..deployment import doctor
from ..deployment.doctor import Verdict
from ..errors import ExitCode
from .options import as_json, pass_context, print_json, server, vault_options

STYLES = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.UNKNOWN: "yellow"}


@click.command(epilog="\b\nExample:\n  beanvault doctor --vault-address https://vault.example.com:8200")
@vault_options
@as_json
@pass_context
def command(
    context: CommandContext,
    vault_address: str | None,
    vault_ca_file: Path | None,
    vault_namespace: str | None,
    as_json: bool,
) -> int:
    """Look for what a deployment needs: tools, credentials, permissions, quotas, certificate, Vault."""
    reached = server(vault_address, vault_ca_file, vault_namespace) if vault_address else None
    found = []
    for finding in doctor.examine(context.deployment, context.aws, reached):
        found.append(finding)
        if not as_json:
            line = Text(f"{finding.verdict.value:<8}", style=STYLES[finding.verdict])
            context.out.print(line.append(f"{finding.what}: {finding.told}", style=""))
            if finding.remedy and finding.verdict is not Verdict.GOOD:
                context.out.print(f"        → {finding.remedy}")
    if as_json:
        print_json(
            [{"what": f.what, "verdict": f.verdict.value, "told": f.told, "remedy": f.remedy} for f in found]
        )
    return ExitCode.FAILED if any(finding.verdict is Verdict.BAD for finding in found) else ExitCode.OK
