"""beanvault doctor"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.text import Text

from ..command_context import CommandContext
from ..deployment.doctor.result import Verdict
from ..deployment.doctor.run import run_checks
from ..errors import ExitCode
from .options import as_json, pass_context, print_json, server, vault_options

STYLES = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.WARNING: "yellow", Verdict.UNKNOWN: "yellow"}


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
    """Check what a deployment needs: tools, credentials, permissions, quotas, certificate, Vault."""
    vault = server(vault_address, vault_ca_file, vault_namespace) if vault_address else None
    results = []
    for result in run_checks(context.deployment, context.aws, vault):
        results.append(result)
        if not as_json:
            line = Text(f"{result.verdict.value:<8}", style=STYLES[result.verdict])
            context.out.print(line.append(f"{result.check}: {result.detail}", style=""))
            if result.remedy and result.verdict is not Verdict.GOOD:
                context.out.print(f"        → {result.remedy}")
    if as_json:
        print_json([{**asdict(result), "verdict": result.verdict.value} for result in results])
    return ExitCode.FAILED if any(result.verdict is Verdict.BAD for result in results) else ExitCode.OK
