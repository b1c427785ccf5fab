"""Whether a rotation fails requests: `python -m testbed.benchmarks.rotation`.

The demo's deployment under a steady load, with a rotation in the middle and replication delayed on purpose.
Most scenarios must fail no request. The controls remove the protection and must fail some, which proves that
failures are noticed.

Exit status: 0 all scenarios have the expected result, 1 one has not.
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

from testbed.demo.display import ShowProgress
from testbed.demo.load import LoadSummary, OpenLoopLoad

from .deployment import BenchmarkDeployment

USE_LIMIT_SECONDS = 5.0
"""From the write in Vault to the first use, beyond the scenario's delay."""
MINIMUM_SHARE = 0.99
"""The share of due requests that must have been sent."""
DELAYS_SECONDS = (0, 2, 10)


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    delay: int
    """Seconds by which the function's login to Vault is delayed."""
    rotate: Callable[[BenchmarkDeployment], dt.datetime]
    static: bool = False
    """The credential is a static role of Vault; otherwise two users alternate."""
    prepare: Callable[[BenchmarkDeployment], None] | None = None
    """Prepares the deployment for the scenario."""
    kill: bool = False
    """Every connection of the app is killed five times a second until the new credential is used."""
    control: bool = False
    """It must fail requests."""


SCENARIOS: tuple[Scenario, ...] = (
    *(
        Scenario("alternating users", delay, BenchmarkDeployment.rotate_other_user)
        for delay in DELAYS_SECONDS
    ),
    *(
        Scenario(
            "alternating users, connections killed", delay, BenchmarkDeployment.rotate_other_user, kill=True
        )
        for delay in DELAYS_SECONDS
    ),
    # Without a delay the new credential arrives within a fraction of a second, and requests wait for it.
    *(
        Scenario(
            "control: both users at once, connections killed",
            delay,
            BenchmarkDeployment.rotate_both_users,
            prepare=BenchmarkDeployment.make_both_users_static,
            kill=True,
            control=True,
        )
        for delay in DELAYS_SECONDS[1:]
    ),
    *(
        Scenario("static role, demand", delay, BenchmarkDeployment.rotate_static_role, static=True)
        for delay in DELAYS_SECONDS
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
        for delay in DELAYS_SECONDS
    ),
)


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """The result of one scenario."""

    scenario: Scenario
    due: int
    """Requests that were due."""
    load: LoadSummary
    rate: float
    """Responses per second."""
    seconds_to_use: float | None
    """From the write in Vault to the first query with the new credential."""
    killed: int

    def problems(self) -> list[str]:
        """Return how the result differs from the expected one."""
        if self.scenario.control:
            return [] if self.load.failed else ["the control failed no request"]
        limit = USE_LIMIT_SECONDS + self.scenario.delay
        found = {
            f"{self.load.failed} requests failed: {self.load.problems}": self.load.failed > 0,
            "the new credential was not used before the load ended": self.seconds_to_use is None,
            f"the new credential was used after more than {limit:g} s": (self.seconds_to_use or 0) > limit,
            "too few requests were sent": self.load.requests < MINIMUM_SHARE * self.due,
            "no connection was killed": self.scenario.kill and not self.killed,
        }
        return [problem for problem, holds in found.items() if holds]

    def __str__(self) -> str:
        load = self.load
        times = " ".join(f"{1000 * value:.0f}" for value in (load.p50, load.p99, load.slowest, load.late))
        used = "never" if self.seconds_to_use is None else f"after {self.seconds_to_use:.2f} s"
        return (
            f"{load.requests} requests at {self.rate:.0f}/s, {load.failed} failed {load.problems or ''}; "
            f"p50, p99, slowest, client late: {times} ms; killed {self.killed}; used {used}; "
            f"{'; '.join(self.problems()) or 'as expected'}"
        )


def measure(
    deployment: BenchmarkDeployment, scenario: Scenario, rate: float, seconds: float
) -> ScenarioResult:
    """Run one scenario, after the deployment has settled."""
    if scenario.prepare:
        scenario.prepare(deployment)
    deployment.settle()
    before = deployment.status()["database"]
    stopped = threading.Event()
    try:
        with (
            OpenLoopLoad.start(deployment.flow.site, rate, seconds) as load,
            ThreadPoolExecutor(2) as pool,
            ExitStack() as window,
        ):
            window.callback(stopped.set)
            outcomes = pool.submit(load.outcomes)
            outcomes.add_done_callback(lambda _: stopped.set())
            stopped.wait(max(0.0, load.begin + seconds / 2 - time.monotonic()))
            deployment.delay(scenario.delay)
            killed = window.enter_context(deployment.killing(before["user"] if scenario.kill else None))
            used = pool.submit(deployment.first_use, before["version_id"], stopped)
            written = scenario.rotate(deployment)
            first_use = used.result()
            window.close()
            answered = outcomes.result()
    finally:
        deployment.delay(0)
    return ScenarioResult(
        scenario,
        round(rate * seconds),
        LoadSummary.of(answered),
        len(answered) / max(outcome.due + outcome.seconds for outcome in answered),
        (first_use - written).total_seconds() if first_use else None,
        sum(killed),
    )


def run(
    scenarios: Iterable[Scenario], rate: float, seconds: float, show: ShowProgress
) -> Iterator[ScenarioResult]:
    """Run *scenarios* one after the other; consecutive ones of the same kind share a deployment."""
    for static, group in groupby(scenarios, lambda scenario: scenario.static):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name,
            ExitStack() as cleanup,
        ):
            deployment = BenchmarkDeployment.start(Path(name), cleanup, show, static=static)
            for scenario in group:
                show(f"{scenario.name}, delay {scenario.delay} s")
                result = measure(deployment, scenario, rate, seconds)
                show(f"  {result}")
                yield result


def table(results: Sequence[ScenarioResult], rate: float, seconds: float) -> Table:
    made = Table(title=f"{rate:g} requests/s for {seconds:g} s", title_justify="left")
    for name in ("scenario", "delay, s", "requests", "failed"):
        made.add_column(name, justify="left" if name == "scenario" else "right")
    for name in ("requests/s", "p50, ms", "p99, ms", "slowest, ms", "client late, ms", "killed", "use, s"):
        made.add_column(name, justify="right")
    made.add_column("as expected")
    for result in results:
        load = result.load
        made.add_row(
            result.scenario.name,
            str(result.scenario.delay),
            f"{load.requests:,}",
            f"{load.failed:,}",
            f"{result.rate:.0f}",
            *(f"{1000 * value:,.0f}" for value in (load.p50, load.p99, load.slowest, load.late)),
            str(result.killed) if result.scenario.kill else "",
            "never" if result.seconds_to_use is None else f"{result.seconds_to_use:.2f}",
            "NO" if result.problems() else "yes",
        )
    return made


def report(found: Iterable[ScenarioResult], rate: float, seconds: float, out: Console) -> int:
    """Print the results, even if a scenario raises, and return how many are not as expected."""
    results: list[ScenarioResult] = []
    try:
        results.extend(found)
    finally:
        out.print(table(results, rate, seconds))
        for result in results:
            for problem in result.problems():
                out.print(f"{result.scenario.name}, delay {result.scenario.delay} s: {problem}", markup=False)
    return sum(bool(result.problems()) for result in results)


def main() -> int:
    names = list(dict.fromkeys(scenario.name for scenario in SCENARIOS))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="seconds of load in each scenario (60)")
    parser.add_argument("--rate", type=float, default=300, help="requests per second (300)")
    parser.add_argument(
        "--delay",
        type=int,
        choices=DELAYS_SECONDS,
        action="append",
        help="run only scenarios with this delay, in seconds",
    )
    parser.add_argument(
        "--scenario",
        choices=names,
        action="append",
        metavar="NAME",
        help="run only this scenario:\n" + "\n".join(names),
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    selected = [
        scenario
        for scenario in SCENARIOS
        if scenario.name in (given.scenario or names) and scenario.delay in (given.delay or DELAYS_SECONDS)
    ]
    console = Console(stderr=True, highlight=False)
    found = run(
        selected,
        given.rate,
        given.seconds,
        lambda text: console.print(f"{time.strftime('%T')} {text}", markup=False),
    )
    return 1 if report(found, given.rate, given.seconds, Console(width=170)) else 0


if __name__ == "__main__":
    sys.exit(main())
