"""What the credential layer costs: `python -m testbed.benchmarks.credentials`

*Time*: one gunicorn process serves the app, the app without its credential layer (`plain_app.py`), and the
latter again, which shows how much two equal apps differ here. They get requests in turn, one at a time, so
this measures what the layer adds to a request, not what it costs a busy process. The figures are ratios
within one run, with the 95 % interval of a bootstrap.

*Calls*: the app runs with several times to live (TTL) behind a proxy that counts its calls of Secrets
Manager; the counts are compared with a formula.

Exit status: 0 the difference is shown to be within the limit, and the calls fit the formula; 1 otherwise,
also if the machine was too busy to show it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from testbed.demo.display import ShowProgress
from testbed.demo.load import PATH, quantile
from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws, clean_environment
from testbed.servers.mariadb import MariaDB
from testbed.servers.process import Process, free_port
from testbed.servers.proxy import Proxy

RATIO_LIMIT = 1.02
"""The credential layer can add 2 %."""
SCHEMA, USER, PASSWORD, SECRET = "app", "app_blue", "for-this-run-only", "bench/app/database"
OURS, SIDE_BY_SIDE = "eb_app.application:application", "testbed.benchmarks.side_by_side:application"
MOUNTS = ("/with", "/without", "/again")
ENTRY_COUNT = 20
WARM_UP_REQUESTS = 200
BLOCK_REQUESTS = 50
"""Consecutive requests that the bootstrap draws together: a busy moment of the machine affects several."""
BOOTSTRAP_DRAWS = 500
WORKERS = 2
PRICE_PER_CALL_USD = 0.05 / 10_000
"""https://aws.amazon.com/secrets-manager/pricing/"""
BEAT_SECONDS = 1.0
"""The longest interval between two calls of the cache (eb_app/credentials/secret.py)."""


@dataclass(frozen=True, slots=True)
class CredentialBenchmark:
    """A database, and the secret with its login."""

    directory: Path
    mariadb: MariaDB
    aws: LocalAws
    cleanup: ExitStack

    def environment(self, endpoint: str, ttl: int = 60) -> dict[str, str]:
        """Return the app's settings, with AWS at *endpoint*."""
        return {
            **clean_environment(),
            **self.aws.environment(),
            "AWS_ENDPOINT_URL": endpoint,
            "BEANVAULT_DATABASE_HOST": self.mariadb.host,
            "BEANVAULT_DATABASE_PORT": str(self.mariadb.port),
            "BEANVAULT_DATABASE_SECRET": SECRET,
            "BEANVAULT_DATABASE_SECRET_TTL": str(ttl),
            "BEANVAULT_DATABASE_CA_FILE": str(self.mariadb.ca_file),
        }

    def app(self, application: str, endpoint: str, ttl: int = 60, workers: int = WORKERS) -> int:
        """Serve *application* as an instance does, without nginx, and return its port."""
        port = free_port()
        environment = {**self.environment(endpoint, ttl), "WEB_CONCURRENCY": str(workers)}
        command = [sys.executable, "-m", "gunicorn", "--config", "python:eb_app.gunicorn_conf"]
        log = self.directory / f"gunicorn-{port}.log"
        process = Process.start(
            "gunicorn", [*command, "--bind", f"127.0.0.1:{port}", application], log, environment
        )
        self.cleanup.callback(process.stop)
        process.wait_until(lambda: listens(port))
        return port


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def timed(port: int, mount: str = "") -> float:
    """Send one request on a new connection, as nginx does, and return its seconds."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", mount + PATH)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    assert answer.status == 200, answer.status
    return time.perf_counter() - start


@contextmanager
def benchmark(show: ShowProgress) -> Iterator[CredentialBenchmark]:
    """Start the servers, migrate the schema and store the login in Secrets Manager."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name,
        ExitStack() as cleanup,
    ):
        show("starting MariaDB and the local AWS")
        directory = Path(name)
        mariadb = MariaDB.start(directory, Authority(directory / "authority"))
        cleanup.callback(mariadb.stop)
        aws = LocalAws.start(directory, mariadb)
        cleanup.callback(aws.stop)
        with mariadb.admin() as admin, admin.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {SCHEMA}")
            cursor.execute(f"CREATE USER {USER}@'%%' IDENTIFIED BY %s REQUIRE SSL", (PASSWORD,))
            cursor.execute(f"GRANT ALL ON {SCHEMA}.* TO {USER}@'%'")
        text = json.dumps({"username": USER, "password": PASSWORD})
        aws.client("secretsmanager").create_secret(Name=SECRET, SecretString=text)
        made = CredentialBenchmark(directory, mariadb, aws, cleanup)
        migration = [sys.executable, "-m", "eb_app.migrate"]
        subprocess.run(migration, env=made.environment(aws.endpoint), check=True, timeout=60)
        with mariadb.admin() as admin, admin.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {SCHEMA}.entries (request_key, text, created_at)"  # noqa: S608 - our own name
                " VALUES (UUID(), %s, NOW(6))",
                [(f"entry {number}",) for number in range(ENTRY_COUNT)],
            )
        yield made


# Time


@dataclass(frozen=True, slots=True)
class Ratio:
    """The ratio of two quantiles, and the interval that has 95 of 100 draws."""

    value: float
    low: float
    high: float

    def within(self, limit: float) -> str:
        """Return whether it is at most *limit*: only an interval that ends below shows that."""
        return "yes" if self.high <= limit else "NO" if self.low > limit else "not shown"

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def interleaved(port: int, rounds: int) -> list[list[float]]:
    """Send a request to every app in each round, in random order, and return their seconds."""
    seconds: list[list[float]] = [[] for _ in MOUNTS]
    order = list(range(len(MOUNTS)))
    for number in range(-WARM_UP_REQUESTS, rounds):
        random.shuffle(order)
        for index in order:
            taken = timed(port, MOUNTS[index])
            if number >= 0:
                seconds[index].append(taken)
    return seconds


def ratio(one: Sequence[float], other: Sequence[float], share: float) -> Ratio:
    """Return the ratio of two quantiles; blocks of rounds are drawn together."""
    starts = range(0, len(one), BLOCK_REQUESTS)
    ratios = []
    for _ in range(BOOTSTRAP_DRAWS):
        drawn = random.choices(starts, k=len(starts))
        first = [value for start in drawn for value in one[start : start + BLOCK_REQUESTS]]
        second = [value for start in drawn for value in other[start : start + BLOCK_REQUESTS]]
        ratios.append(quantile(first, share) / quantile(second, share))
    value = quantile(one, share) / quantile(other, share)
    return Ratio(value, quantile(ratios, 0.025), quantile(ratios, 0.975))


def time_taken(env: CredentialBenchmark, rounds: int, show: ShowProgress) -> tuple[Table, int]:
    port = env.app(SIDE_BY_SIDE, env.aws.endpoint, workers=1)
    show(f"{rounds} rounds of one request to each of three")
    ours, plain, again = interleaved(port, rounds)
    table = Table(title=f"the app with its credential layer and without, {rounds} requests each")
    for name in ("", "with, ms", "without, ms", "with / without", "without / without", "within 2 %"):
        table.add_column(name, justify="right" if name else "left")
    beyond = 0
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        found, nothing = ratio(ours, plain, share), ratio(again, plain, share)
        shown = found.within(RATIO_LIMIT)
        beyond += shown != "yes"
        times = (f"{1000 * quantile(values, share):.2f}" for values in (ours, plain))
        table.add_row(name, *times, str(found), str(nothing), shown)
    return table, beyond


# Calls


def calls_an_hour(ttl: int) -> float:
    """Return how many calls one process makes in an hour, on average.

    AWS's client calls again after a whole number of seconds between half the TTL and the TTL, all equally
    likely; the app's thread runs it at its next beat.
    """
    beat = min(BEAT_SECONDS, ttl / 2)
    waits = [max(1, math.ceil(after / beat)) * beat for after in range(round(ttl / 2), ttl + 1)]
    return 3600 / (sum(waits) / len(waits))


def counted(
    env: CredentialBenchmark, ttls: Sequence[int], seconds: float, show: ShowProgress
) -> Mapping[int, Counter[str]]:
    """Return the calls of one instance by operation for each of *ttls*, under requests."""
    proxies = {ttl: Proxy(env.aws.endpoint) for ttl in ttls}
    for proxy in proxies.values():
        env.cleanup.callback(proxy.close)
    ports = {ttl: env.app(OURS, proxy.address, ttl) for ttl, proxy in proxies.items()}
    for port in ports.values():
        for _ in range(WARM_UP_REQUESTS):
            timed(port)  # until each process has read the secret once
    for proxy in proxies.values():
        proxy.forget()
    show(f"counting for {seconds:g} s")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for port in ports.values():
            timed(port)
        time.sleep(0.2)
    return {ttl: Counter(proxy.operations()) for ttl, proxy in proxies.items()}


def calls(
    env: CredentialBenchmark, ttls: Sequence[int], seconds: float, show: ShowProgress
) -> tuple[Table, int]:
    table = Table(title=f"calls of one instance of {WORKERS} processes in {seconds:g} s")
    for name in ("time to live, s", "DescribeSecret", "others", "by the formula", "an hour", "US$ a month"):
        table.add_column(name, justify="right")
    beyond = 0
    for ttl, operations in counted(env, ttls, seconds, show).items():
        described, hourly = operations["DescribeSecret"], WORKERS * calls_an_hour(ttl)
        expected = hourly * seconds / 3600
        # Four standard deviations of a Poisson process, which varies more than this, and one call per worker.
        beyond += abs(described - expected) > 4 * math.sqrt(expected) + WORKERS
        others = operations.total() - described
        beyond += others > 0
        cost = f"{hourly * 730 * PRICE_PER_CALL_USD:.3f}"
        table.add_row(str(ttl), str(described), str(others), f"{expected:.1f}", f"{hourly:.0f}", cost)
    return table, beyond


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20_000, help="rounds of the time; 0 skips it (20000)")
    parser.add_argument("--seconds", type=float, default=300, help="seconds of counting; 0 skips it (300)")
    parser.add_argument("--ttl", type=int, action="append", help="TTLs in seconds to count with (2 10 60)")
    given = parser.parse_args()
    console, out = Console(stderr=True, highlight=False), Console(width=120)
    parts: list[Callable[[CredentialBenchmark, ShowProgress], tuple[Table, int]]] = []
    if given.rounds:
        parts.append(lambda env, show: time_taken(env, given.rounds, show))
    if given.seconds:
        parts.append(lambda env, show: calls(env, given.ttl or (2, 10, 60), given.seconds, show))
    beyond = 0
    for part in parts:
        with benchmark(console.print) as env:
            table, wrong = part(env, console.print)
        out.print(table)
        beyond += wrong
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
