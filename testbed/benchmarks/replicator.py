"""How fast the replicator is, compared with the limit of AWS's quotas.

`python -m testbed.benchmarks.replicator`; `replicator_environment.py` has the servers and the measured runs.

Exit status: 0 all limits are kept, 1 one is exceeded.
"""

from __future__ import annotations

import argparse
import math
import sys

from rich.console import Console
from rich.table import Table

from testbed.demo.display import ShowProgress

from .replicator_environment import SECRETS_PER_FOLDER, MeasuredRun, ReplicatorEnvironment, environment

PAGE_SIZE = 100
"""Secrets on a page of ListSecrets."""


class Results:
    """The table of measurements, and how many exceed their limit."""

    def __init__(self) -> None:
        self.table = Table(title="replicator", title_justify="left")
        for name in ("what", "measured", "limit", "ratio", "kept"):
            self.table.add_column(name, justify="left" if name == "what" else "right")
        self.exceeded = 0

    def add(self, what: str, measured: float, limit: float, unit: str) -> None:
        kept = measured <= limit
        self.exceeded += not kept
        self.table.add_row(
            what,
            f"{measured:,.2f} {unit}",
            f"{limit:,.2f} {unit}",
            f"{measured / limit:.2f}",
            "yes" if kept else "NO",
        )


def bulk(env: ReplicatorEnvironment, count: int, results: Results, show: ShowProgress) -> None:
    """Measure a first run, an unchanged run and one with 1 % changes, of *count* secrets."""
    mount = f"bulk{count}"
    env.seed(mount, range(count), show)
    env.connect(env.token(mount, detailed=True))
    quota = (count - 50) / 50
    show(f"first run: at least {quota:.0f} s by the quota")
    first = env.run(mount)
    _require_created(first, count)
    results.add(f"first run of {count:,}", first.seconds, 1.05 * quota, "s")
    show(f"  {first.aws_calls}")
    unchanged(env, mount, count, 2.5, results, show)
    changed = count // 100
    env.seed(mount, range(changed), show)
    some = env.run(mount)
    if some.counts["Updated"] != changed or some.problems:
        raise SystemExit(f"expected {changed} updates: {some.counts}")
    results.add(f"{changed:,} of {count:,} changed", some.seconds, 3.0, "s")


def unchanged(
    env: ReplicatorEnvironment, mount: str, count: int, seconds: float, results: Results, show: ShowProgress
) -> None:
    show(f"unchanged run of {count:,}")
    idle = env.run(mount)
    if idle.counts["Unchanged"] != count or idle.problems:
        raise SystemExit(f"expected {count} unchanged secrets: {idle.counts}")
    folders = math.ceil(count / SECRETS_PER_FOLDER) + 1
    show(f"  {idle.aws_calls}, {idle.vault_calls} Vault calls")
    results.add(f"unchanged run of {count:,}", idle.seconds, seconds, "s")
    results.add(
        f"unchanged run of {count:,}: AWS calls",
        sum(idle.aws_calls.values()),
        math.ceil(count / PAGE_SIZE) + 5,
        "",
    )
    results.add(f"unchanged run of {count:,}: Vault calls", idle.vault_calls, folders + 5, "")
    results.add(f"unchanged run of {count:,}: memory", idle.megabytes, 512, "MB")


def large(env: ReplicatorEnvironment, count: int, results: Results, show: ShowProgress) -> None:
    """Measure only the unchanged run: by the quota, a first run of 100,000 takes half an hour."""
    mount = f"large{count}"
    env.seed(mount, range(count), show)
    env.connect(env.token(mount, detailed=True))
    show("creating them without quotas")
    _require_created(env.run(mount, without_quotas=True), count)
    unchanged(env, mount, count, 60, results, show)


def single_reads(env: ReplicatorEnvironment, count: int, results: Results, show: ShowProgress) -> None:
    """Measure an unchanged run in which each path's metadata is read singly, as on HashiCorp Vault."""
    mount = f"single{count}"
    env.seed(mount, range(count), show)
    env.connect(env.token(mount, detailed=False))
    _require_created(env.run(mount, without_quotas=True), count)
    show("unchanged run by single metadata reads")
    idle = env.run(mount)
    if idle.counts["Unchanged"] != count or idle.vault_calls < count:
        raise SystemExit(f"expected {count} single reads: {idle.counts}, {idle.vault_calls} Vault calls")
    results.add(f"unchanged run of {count:,}, single metadata reads", idle.seconds, 15, "s")


def _require_created(run: MeasuredRun, count: int) -> None:
    if run.counts["Created"] != count or run.problems:
        raise SystemExit(f"expected {count} creations: {run.counts}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--secrets", type=int, default=5_000, help="secrets of the first run (5000)")
    parser.add_argument(
        "--large", type=int, default=100_000, help="secrets of the unchanged run of many; 0 skips it (100000)"
    )
    parser.add_argument(
        "--single", type=int, default=10_000, help="secrets that are read singly; 0 skips it (10000)"
    )
    given = parser.parse_args()
    console = Console(stderr=True, highlight=False)
    results = Results()
    with environment() as env:
        bulk(env, given.secrets, results, console.print)
        if given.single:
            single_reads(env, given.single, results, console.print)
        if given.large:
            large(env, given.large, results, console.print)
    Console(width=110).print(results.table)
    return 1 if results.exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
