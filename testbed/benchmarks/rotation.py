"""Does a rotation cost a request? `python -m testbed.benchmarks.rotation`

A local deployment as the demo's, visitors at a steady rate, a rotation in the middle, replication made late
on purpose. Most scenarios must fail no request; the controls take away what protects, and must fail some,
which proves that failures would be seen. Exit status: 0 all as it must be, 1 not.
"""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table

from testbed.load import LoadSummary, OpenLoopLoad

from .deployment import BenchmarkDeployment

USE_LIMIT = 5.0
"""Seconds from the write in Vault to the first use, beyond the delay that was made on purpose."""
REACHED = 0.99
"""Share of the asked requests that must have been made."""
DELAYS = (0, 2, 10)


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    delay: int
    """Seconds that the function waits for Vault."""
    rotate: Callable[[BenchmarkDeployment], dt.datetime]
    static: bool = False
    """The deployment's credential is a static role of Vault's, else two users take turns."""
    prepare: Callable[[BenchmarkDeployment], None] | None = None
    """What the deployment lacks for it."""
    kill: bool = False
    """Every connection of the app is killed five times a second until the new credential is in use."""
    control: bool = False
    """It must fail requests."""


SCENARIOS: tuple[Scenario, ...] = (
    *(Scenario("alternating users", delay, BenchmarkDeployment.rotate_other_user) for delay in DELAYS),
    *(
        Scenario(
            "alternating users, connections killed", delay, BenchmarkDeployment.rotate_other_user, kill=True
        )
        for delay in DELAYS
    ),
    # Without a delay the new credential is there after a fraction of a second, and requests may wait for it.
    *(
        Scenario(
            "control: both users at once, connections killed",
            delay,
            BenchmarkDeployment.rotate_both_users,
            prepare=BenchmarkDeployment.make_both_users_static,
            kill=True,
            control=True,
        )
        for delay in DELAYS[1:]
    ),
    *(
        Scenario("static role, demand", delay, BenchmarkDeployment.rotate_static_role, static=True)
        for delay in DELAYS
    ),
    *(
        Scenario(
            "control: static role, no refresh",
            delay,
            BenchmarkDeployment.rotate_static_role,
            static=True,
            prepare=BenchmarkDeployment.deploy_plain,
            control=True,
        )
        for delay in DELAYS
    ),
)


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """One scenario as it went."""

    scenario: Scenario
    asked: int
    """Requests that were due."""
    tally: LoadSummary
    rate: float
    """Requests a second that were answered."""
    used: float | None
    """Seconds from the write in Vault to the first query with the new credential."""
    killed: int

    def wrong(self) -> list[str]:
        """Return what isn't as it must be."""
        if self.scenario.control:
            return [] if self.tally.failed else ["the control failed no request"]
        limit = USE_LIMIT + self.scenario.delay
        found = {
            f"{self.tally.failed} requests failed: {self.tally.problems}": self.tally.failed > 0,
            "the new credential wasn't used before the load ended": self.used is None,
            f"the new credential was used after more than {limit:g} s": (self.used or 0) > limit,
            "too few requests were made": self.tally.requests < REACHED * self.asked,
            "no connection was killed": self.scenario.kill and not self.killed,
        }
        return [problem for problem, holds in found.items() if holds]

    def __str__(self) -> str:
        tally = self.tally
        times = " ".join(f"{1000 * value:.0f}" for value in (tally.p50, tally.p99, tally.slowest, tally.late))
        used = "never" if self.used is None else f"after {self.used:.2f} s"
        return (
            f"{tally.requests} requests at {self.rate:.0f}/s, {tally.failed} failed {tally.problems or ''}; "
            f"p50, p99, slowest, client late: {times} ms; killed {self.killed}; used {used}; "
            f"{'; '.join(self.wrong()) or 'as it must be'}"
        )


def measure(place: BenchmarkDeployment, scenario: Scenario, rate: float, seconds: float) -> ScenarioResult:
    """Run one scenario; the deployment is brought to rest before."""
    if scenario.prepare:
        scenario.prepare(place)
    place.settle()
    before = place.status()["database"]
    stopped = threading.Event()
    try:
        with (
            OpenLoopLoad.start(place.flow.site, rate, seconds) as load,
            ThreadPoolExecutor(2) as pool,
            ExitStack() as window,
        ):
            window.callback(stopped.set)
            outcomes = pool.submit(load.outcomes)
            outcomes.add_done_callback(lambda _: stopped.set())
            stopped.wait(max(0.0, load.begin + seconds / 2 - time.monotonic()))
            place.delay(scenario.delay)
            killed = window.enter_context(place.killing(before["user"] if scenario.kill else None))
            used = pool.submit(place.first_use, before["version_id"], stopped)
            written = scenario.rotate(place)
            first_use = used.result()
            window.close()
            answered = outcomes.result()
    finally:
        place.delay(0)
    return ScenarioResult(
        scenario,
        round(rate * seconds),
        LoadSummary.of(answered),
        len(answered) / max(outcome.due + outcome.seconds for outcome in answered),
        (first_use - written).total_seconds() if first_use else None,
        sum(killed),
    )


def run(
    scenarios: Iterable[Scenario], rate: float, seconds: float, say: Callable[[str], None]
) -> Iterator[ScenarioResult]:
    """Run *scenarios*; those of one kind of deployment share it, one after the other."""
    for static, group in groupby(scenarios, lambda scenario: scenario.static):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name,
            ExitStack() as cleanup,
        ):
            place = BenchmarkDeployment.start(Path(name), cleanup, say, static=static)
            for scenario in group:
                say(f"{scenario.name}, delay {scenario.delay} s")
                result = measure(place, scenario, rate, seconds)
                say(f"  {result}")
                yield result


def table(results: Sequence[ScenarioResult], rate: float, seconds: float) -> Table:
    made = Table(title=f"{rate:g} requests/s for {seconds:g} s", title_justify="left")
    for name in ("scenario", "delay, s", "requests", "failed"):
        made.add_column(name, justify="left" if name == "scenario" else "right")
    for name in ("requests/s", "p50, ms", "p99, ms", "slowest, ms", "client late, ms", "killed", "use, s"):
        made.add_column(name, justify="right")
    made.add_column("as it must be")
    for result in results:
        tally = result.tally
        made.add_row(
            result.scenario.name,
            str(result.scenario.delay),
            f"{tally.requests:,}",
            f"{tally.failed:,}",
            f"{result.rate:.0f}",
            *(f"{1000 * value:,.0f}" for value in (tally.p50, tally.p99, tally.slowest, tally.late)),
            str(result.killed) if result.scenario.kill else "",
            "never" if result.used is None else f"{result.used:.2f}",
            "NO" if result.wrong() else "yes",
        )
    return made


def report(found: Iterable[ScenarioResult], rate: float, seconds: float, out: Console) -> int:
    """Print what was *found*, also when finding more fails, and return how many aren't as they must be."""
    results: list[ScenarioResult] = []
    try:
        results.extend(found)
    finally:
        out.print(table(results, rate, seconds))
        for result in results:
            for problem in result.wrong():
                out.print(f"{result.scenario.name}, delay {result.scenario.delay} s: {problem}", markup=False)
    return sum(bool(result.wrong()) for result in results)


def main() -> int:
    names = list(dict.fromkeys(scenario.name for scenario in SCENARIOS))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of load in each scenario (60)")
    parser.add_argument("--rate", type=float, default=300, help="requests a second (300)")
    parser.add_argument("--delay", type=int, choices=DELAYS, action="append", help="only with this delay")
    parser.add_argument(
        "--scenario",
        choices=names,
        action="append",
        metavar="NAME",
        help="only this one:\n" + "\n".join(names),
    )
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    chosen = [
        scenario
        for scenario in SCENARIOS
        if scenario.name in (asked.scenario or names) and scenario.delay in (asked.delay or DELAYS)
    ]
    console = Console(stderr=True, highlight=False)
    found = run(
        chosen,
        asked.rate,
        asked.seconds,
        lambda text: console.print(f"{time.strftime('%T')} {text}", markup=False),
    )
    return 1 if report(found, asked.rate, asked.seconds, Console(width=170)) else 0


if __name__ == "__main__":
    sys.exit(main())
