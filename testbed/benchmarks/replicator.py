"""How fast the replicator is, against the limit of AWS's quotas: `python -m testbed.benchmarks.replicator`.

A real OpenBao behind a proxy that adds Vault's latency; Secrets Manager with its quotas and AWS's latency
(`secretsmanager.py`). Each run is a process of its own, as a function's environment is; its time is
that of the run itself, without the interpreter's start.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import hvac
import requests
from rich.console import Console
from rich.table import Table

from beanvault.vault.mounts import enable_kv2
from testbed.servers.authority import Authority
from testbed.servers.openbao import OpenBao
from testbed.servers.process import Process
from testbed.servers.proxy import Pass, Proxy

AWS_LATENCY = 0.020
VAULT_LATENCY = 0.005
FOLDER = 500
"""Secrets in one folder."""
SEEDERS = 16
PAGE = 100
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
CONNECTION = "bench-connection"


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of the replicator."""

    seconds: float
    megabytes: float
    """The process's largest resident size."""
    counts: dict[str, int]
    aws_calls: dict[str, int]
    vault_calls: int
    problems: int


def _one_run(environment: Mapping[str, str], hurry: bool) -> tuple[float, float, dict[str, int], int]:
    """In a process of its own: run once, after what a warm function has done already.

    With *hurry* it doesn't keep the quotas either: secrets are only being put in place.
    """
    os.environ.update(environment)
    from replicator.aws import Clients
    from replicator.config import Config
    from replicator.contract.events import ReplicationRequest
    from replicator.replicate import RunClock
    from replicator.run import run

    config = Config.from_environ(os.environ)
    start = time.perf_counter()
    clients = Clients(quotas={}) if hurry else Clients()
    report = run(config, clients, ReplicationRequest(), RunClock(time.time))
    seconds = time.perf_counter() - start
    for problem in report.problems()[:3]:
        print(problem, file=sys.stderr)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = {count.value: number for count, number in report.counts().items()}
    return seconds, peak, counts, len(report.problems())


@dataclass(slots=True)
class World:
    """The servers of one benchmark."""

    openbao: OpenBao
    root: hvac.Client = field(repr=False)
    aws: str
    vault: Proxy

    def aws_counts(self) -> Counter[str]:
        return Counter(requests.get(f"{self.aws}/counts", timeout=30).json())

    def client(self) -> boto3.session.Session:
        return boto3.session.Session(
            aws_access_key_id="benchmark", aws_secret_access_key="benchmark", region_name="eu-central-1"
        )

    def connect(self, vault_token: str) -> None:
        """Write the connection secret, which leads to the proxy."""
        value = json.dumps({"address": self.vault.address, "auth": {"method": "token", "token": vault_token}})
        secrets = self.client().client("secretsmanager", endpoint_url=self.aws)
        try:
            secrets.put_secret_value(
                SecretId=CONNECTION, SecretString=value, ClientRequestToken=os.urandom(16).hex()
            )
        except secrets.exceptions.ResourceNotFoundException:
            secrets.create_secret(Name=CONNECTION, SecretString=value)

    def token(self, mount: str, *, detailed: bool) -> str:
        """Make a token that may read *mount*; without *detailed*, as far as in HashiCorp Vault."""
        rules = [
            f'path "{mount}/data/*" {{ capabilities = ["read"] }}',
            f'path "{mount}/metadata/*" {{ capabilities = ["read", "list"] }}',
            f'path "{mount}/metadata/" {{ capabilities = ["list"] }}',
            f'path "{mount}/config" {{ capabilities = ["read"] }}',
            f'path "sys/internal/ui/mounts/{mount}" {{ capabilities = ["read"] }}',
        ]
        if detailed:
            rules += [
                f'path "{mount}/detailed-metadata/*" {{ capabilities = ["list"] }}',
                f'path "{mount}/detailed-metadata/" {{ capabilities = ["list"] }}',
            ]
        self.root.sys.create_or_update_policy(f"bench-{mount}", "\n".join(rules))
        token: str = self.root.auth.token.create(policies=[f"bench-{mount}"])["auth"]["client_token"]
        return token

    def seed(self, mount: str, numbers: range, say: Callable[[str], None]) -> None:
        """Write secrets below *mount*, in folders."""
        say(f"writing {len(numbers):,} secrets to OpenBao")
        mounts = self.root.sys.list_mounted_secrets_engines()["data"]
        if f"{mount}/" not in mounts:
            enable_kv2(self.root, mount)

        def write(part: range) -> None:
            with requests.Session() as session:
                session.verify = str(self.openbao.ca_file)
                session.trust_env = False
                session.headers["X-Vault-Token"] = self.root.token
                for number in part:
                    path = f"folder{number // FOLDER:04d}/secret{number:06d}"
                    body = {"data": {"username": f"user{number}", "password": os.urandom(12).hex()}}
                    session.post(
                        f"{self.openbao.address}/v1/{mount}/data/{path}", json=body, timeout=60
                    ).raise_for_status()

        parts = [numbers[at::SEEDERS] for at in range(SEEDERS)]
        with ThreadPoolExecutor(SEEDERS) as pool:
            list(pool.map(write, parts))

    def run(self, mount: str, *, hurry: bool = False) -> Measured:
        """Run the replicator in a new process and count what it asked for; with *hurry*, without quotas."""
        environment = {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "BEANVAULT_CONNECTION_SECRET": CONNECTION,
            "BEANVAULT_MOUNT": mount,
            "BEANVAULT_PREFIX": f"prefix-{mount}",
            "BEANVAULT_OWNER": "bench",
            "BEANVAULT_ALLOW_HTTP": "true",
        }
        requests.get(f"{self.aws}/quotas/{'off' if hurry else 'on'}", timeout=30).raise_for_status()
        before = self.aws_counts()
        self.vault.forget()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, megabytes, counts, problems = pool.apply(_one_run, (environment, hurry))
        after = self.aws_counts()
        calls = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        return Measured(seconds, megabytes, counts, calls, len(self.vault.calls()), problems)


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as cleanup:
        directory = Path(name)
        openbao = OpenBao.start(directory, Authority(directory / "authority"))
        cleanup.callback(openbao.stop)
        client = hvac.Client(url=openbao.address, verify=str(openbao.ca_file), timeout=60)
        keys = client.sys.initialize(secret_shares=1, secret_threshold=1)
        client.sys.submit_unseal_key(keys["keys_base64"][0])
        client.token = keys["root_token"]
        openbao.process.wait_until(lambda: isinstance(client.sys.read_health_status(method="GET"), dict))
        log = directory / "secretsmanager.log"
        command = [sys.executable, "-m", "testbed.benchmarks.secretsmanager", "--latency", str(AWS_LATENCY)]
        process = Process.start("Secrets Manager", command, log)
        cleanup.callback(process.stop)
        process.wait_until(lambda: log.exists() and "endpoint" in log.read_text())
        proxy = Proxy(openbao.address, openbao.ca_file)
        proxy.rule = lambda _: Pass(VAULT_LATENCY)
        cleanup.callback(proxy.close)
        endpoint = json.loads(log.read_text().splitlines()[0])["endpoint"]
        yield World(openbao, client, endpoint, proxy)


class Results:
    """The table, line by line, and whether each line keeps its limit."""

    def __init__(self) -> None:
        self.table = Table(title="replicator", title_justify="left")
        for name in ("what", "measured", "limit", "ratio", "holds"):
            self.table.add_column(name, justify="left" if name == "what" else "right")
        self.broken = 0

    def add(self, what: str, measured: float, limit: float, unit: str) -> None:
        holds = measured <= limit
        self.broken += not holds
        self.table.add_row(
            what,
            f"{measured:,.2f} {unit}",
            f"{limit:,.2f} {unit}",
            f"{measured / limit:.2f}",
            "yes" if holds else "NO",
        )


def bulk(at: World, count: int, results: Results, say: Callable[[str], None]) -> None:
    """First run, unchanged run, and one in which 1 % changed, of *count* secrets."""
    mount = f"bulk{count}"
    at.seed(mount, range(count), say)
    at.connect(at.token(mount, detailed=True))
    quota = (count - 50) / 50
    say(f"first run: at least {quota:.0f} s by the quota")
    first = at.run(mount)
    _created(first, count)
    results.add(f"first run of {count:,}", first.seconds, 1.05 * quota, "s")
    say(f"  {first.aws_calls}")
    unchanged(at, mount, count, 2.5, results, say)
    changed = count // 100
    at.seed(mount, range(changed), say)
    some = at.run(mount)
    if some.counts["Updated"] != changed or some.problems:
        raise SystemExit(f"{changed} were to be updated: {some.counts}")
    results.add(f"{changed:,} of {count:,} changed", some.seconds, 3.0, "s")


def unchanged(
    at: World, mount: str, count: int, seconds: float, results: Results, say: Callable[[str], None]
) -> None:
    say(f"unchanged run of {count:,}")
    idle = at.run(mount)
    if idle.counts["Unchanged"] != count or idle.problems:
        raise SystemExit(f"{count} were to be unchanged: {idle.counts}")
    folders = math.ceil(count / FOLDER) + 1
    say(f"  {idle.aws_calls}, {idle.vault_calls} Vault calls")
    results.add(f"unchanged run of {count:,}", idle.seconds, seconds, "s")
    results.add(
        f"unchanged run of {count:,}: AWS calls",
        sum(idle.aws_calls.values()),
        math.ceil(count / PAGE) + 5,
        "",
    )
    results.add(f"unchanged run of {count:,}: Vault calls", idle.vault_calls, folders + 5, "")
    results.add(f"unchanged run of {count:,}: memory", idle.megabytes, 512, "MB")


def large(at: World, count: int, results: Results, say: Callable[[str], None]) -> None:
    """Only the unchanged run of very many; the first would take half an hour by the quota."""
    mount = f"large{count}"
    at.seed(mount, range(count), say)
    at.connect(at.token(mount, detailed=True))
    say("putting them in place, quotas off")
    _created(at.run(mount, hurry=True), count)
    unchanged(at, mount, count, 60, results, say)


def single_reads(at: World, count: int, results: Results, say: Callable[[str], None]) -> None:
    """An unchanged run where each path's metadata is read by itself, as HashiCorp Vault has it."""
    mount = f"single{count}"
    at.seed(mount, range(count), say)
    at.connect(at.token(mount, detailed=False))
    _created(at.run(mount, hurry=True), count)
    say("unchanged run by single metadata reads")
    idle = at.run(mount)
    if idle.counts["Unchanged"] != count or idle.vault_calls < count:
        raise SystemExit(f"{count} were to be read one by one: {idle.counts}, {idle.vault_calls} Vault calls")
    results.add(f"unchanged run of {count:,}, single metadata reads", idle.seconds, 15, "s")


def _created(run: Measured, count: int) -> None:
    if run.counts["Created"] != count or run.problems:
        raise SystemExit(f"{count} were to be created: {run.counts}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secrets", type=int, default=5_000)
    parser.add_argument("--large", type=int, default=100_000, help="0 leaves it out")
    parser.add_argument("--single", type=int, default=10_000, help="0 leaves it out")
    asked = parser.parse_args()
    console = Console(stderr=True, highlight=False)
    results = Results()
    with world() as at:
        bulk(at, asked.secrets, results, console.print)
        if asked.single:
            single_reads(at, asked.single, results, console.print)
        if asked.large:
            large(at, asked.large, results, console.print)
    Console(width=110).print(results.table)
    return 1 if results.broken else 0


if __name__ == "__main__":
    sys.exit(main())
