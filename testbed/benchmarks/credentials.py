"""What the credential layer costs: `python -m testbed.benchmarks.credentials`

*Time*: one gunicorn process holds the app, the app without its credential layer (`plain_app.py`) and
that one once more, which shows how much two equal things differ here. They are asked in turns, one request at
a time, so what is measured is what the layer adds to a request, and not what it would cost a busy process.
The figures are ratios within one run, with the 95 % interval of a bootstrap.

*Calls*: the app runs with several times to live behind a proxy that counts what it asks of Secrets Manager,
and what was counted is held against the formula.

Exit status: 0 no difference is beyond the limit, for sure, and the calls fit the formula; 1 otherwise, also
where the machine was too busy to show it.
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

from testbed.load import PATH, quantile
from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws, clean_environment
from testbed.servers.mariadb import MariaDB
from testbed.servers.process import Process, free_port
from testbed.servers.proxy import Proxy

LIMIT = 1.02
"""The credential layer may cost a fiftieth."""
SCHEMA, USER, PASSWORD, SECRET = "app", "app_blue", "for-this-run-only", "bench/app/database"
OURS, SIDE_BY_SIDE = "eb_app.application:application", "testbed.benchmarks.side_by_side:application"
MOUNTS = ("/with", "/without", "/again")
ENTRIES = 20
WARM_UP = 200
BLOCK = 50
"""Requests in a row that are drawn together by the bootstrap: a busy moment of the machine lasts for some."""
DRAWS = 500
WORKERS = 2
PRICE = 0.05 / 10_000
"""US dollars a call, https://aws.amazon.com/secrets-manager/pricing/"""
BEAT = 1.0
"""Seconds between two calls of the cache, at most (eb_app/credentials/secret.py)."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A database, and the secret that opens it."""

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
        """Serve *application* as an instance does, but for nginx, and return its port."""
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
    """Make one request on a connection of its own, as nginx does, and return its seconds."""
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
def bench(say: Callable[[str], None]) -> Iterator[Bench]:
    """Start the servers, migrate the schema, put the login into Secrets Manager."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name,
        ExitStack() as cleanup,
    ):
        say("starting MariaDB and the local AWS")
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
        made = Bench(directory, mariadb, aws, cleanup)
        migration = [sys.executable, "-m", "eb_app.migrate"]
        subprocess.run(migration, env=made.environment(aws.endpoint), check=True, timeout=60)
        with mariadb.admin() as admin, admin.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {SCHEMA}.entries (request_key, text, created_at)"  # noqa: S608 - our own name
                " VALUES (UUID(), %s, NOW(6))",
                [(f"entry {number}",) for number in range(ENTRIES)],
            )
        yield made


# Time


@dataclass(frozen=True, slots=True)
class Ratio:
    """How much slower one is than the other at one quantile, and the interval that holds 95 of 100 draws."""

    value: float
    low: float
    high: float

    def within(self, limit: float) -> str:
        """Tell whether it is at most *limit*: only an interval that ends there shows it."""
        return "yes" if self.high <= limit else "NO" if self.low > limit else "not shown"

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def interleaved(port: int, rounds: int) -> list[list[float]]:
    """Ask every app once a round, in a new order each time, and return the seconds of each."""
    seconds: list[list[float]] = [[] for _ in MOUNTS]
    order = list(range(len(MOUNTS)))
    for number in range(-WARM_UP, rounds):
        random.shuffle(order)
        for index in order:
            taken = timed(port, MOUNTS[index])
            if number >= 0:
                seconds[index].append(taken)
    return seconds


def ratio(one: Sequence[float], other: Sequence[float], share: float) -> Ratio:
    """Return the ratio of two quantiles; blocks of the same rounds are drawn together."""
    starts = range(0, len(one), BLOCK)
    ratios = []
    for _ in range(DRAWS):
        drawn = random.choices(starts, k=len(starts))
        first = [value for start in drawn for value in one[start : start + BLOCK]]
        second = [value for start in drawn for value in other[start : start + BLOCK]]
        ratios.append(quantile(first, share) / quantile(second, share))
    value = quantile(one, share) / quantile(other, share)
    return Ratio(value, quantile(ratios, 0.025), quantile(ratios, 0.975))


def time_taken(at: Bench, rounds: int, say: Callable[[str], None]) -> tuple[Table, int]:
    port = at.app(SIDE_BY_SIDE, at.aws.endpoint, workers=1)
    say(f"{rounds} rounds of one request to each of three")
    ours, plain, again = interleaved(port, rounds)
    table = Table(title=f"the app with its credential layer and without, {rounds} requests each")
    for name in ("", "with, ms", "without, ms", "with / without", "without / without", "within 2 %"):
        table.add_column(name, justify="right" if name else "left")
    beyond = 0
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        found, nothing = ratio(ours, plain, share), ratio(again, plain, share)
        shown = found.within(LIMIT)
        beyond += shown != "yes"
        times = (f"{1000 * quantile(values, share):.2f}" for values in (ours, plain))
        table.add_row(name, *times, str(found), str(nothing), shown)
    return table, beyond


# Calls


def calls_an_hour(ttl: int) -> float:
    """Return how often one process looks at the secret in an hour, on the average.

    AWS's client looks again after a whole number of seconds between half the time to live and all of it, each
    as likely as the others; it is called at the next beat of the app's thread.
    """
    beat = min(BEAT, ttl / 2)
    waits = [max(1, math.ceil(after / beat)) * beat for after in range(round(ttl / 2), ttl + 1)]
    return 3600 / (sum(waits) / len(waits))


def counted(
    at: Bench, ttls: Sequence[int], seconds: float, say: Callable[[str], None]
) -> Mapping[int, Counter[str]]:
    """Return the calls by operation of one instance for each of *ttls*, while requests come."""
    proxies = {ttl: Proxy(at.aws.endpoint) for ttl in ttls}
    for proxy in proxies.values():
        at.cleanup.callback(proxy.close)
    ports = {ttl: at.app(OURS, proxy.address, ttl) for ttl, proxy in proxies.items()}
    for port in ports.values():
        for _ in range(WARM_UP):
            timed(port)  # so that each process has read the secret once
    for proxy in proxies.values():
        proxy.forget()
    say(f"counting for {seconds:g} s")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for port in ports.values():
            timed(port)
        time.sleep(0.2)
    return {ttl: Counter(proxy.operations()) for ttl, proxy in proxies.items()}


def calls(at: Bench, ttls: Sequence[int], seconds: float, say: Callable[[str], None]) -> tuple[Table, int]:
    table = Table(title=f"calls of one instance of {WORKERS} processes in {seconds:g} s")
    for name in ("time to live, s", "DescribeSecret", "others", "by the formula", "an hour", "US$ a month"):
        table.add_column(name, justify="right")
    beyond = 0
    for ttl, operations in counted(at, ttls, seconds, say).items():
        looks, hourly = operations["DescribeSecret"], WORKERS * calls_an_hour(ttl)
        expected = hourly * seconds / 3600
        # Four standard deviations of a counting process, which this is more regular than, and the ends.
        beyond += abs(looks - expected) > 4 * math.sqrt(expected) + WORKERS
        others = operations.total() - looks
        beyond += others > 0
        cost = f"{hourly * 730 * PRICE:.3f}"
        table.add_row(str(ttl), str(looks), str(others), f"{expected:.1f}", f"{hourly:.0f}", cost)
    return table, beyond


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20_000, help="0 leaves the time out (20000)")
    parser.add_argument("--seconds", type=float, default=300, help="of counting; 0 leaves it out (300)")
    parser.add_argument("--ttl", type=int, action="append", help="times to live to count with (2 10 60)")
    asked = parser.parse_args()
    console, out = Console(stderr=True, highlight=False), Console(width=120)
    parts: list[Callable[[Bench, Callable[[str], None]], tuple[Table, int]]] = []
    if asked.rounds:
        parts.append(lambda at, say: time_taken(at, asked.rounds, say))
    if asked.seconds:
        parts.append(lambda at, say: calls(at, asked.ttl or (2, 10, 60), asked.seconds, say))
    beyond = 0
    for part in parts:
        with bench(console.print) as at:
            table, wrong = part(at, console.print)
        out.print(table)
        beyond += wrong
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
