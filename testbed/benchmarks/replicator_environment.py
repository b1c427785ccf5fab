"""The servers of the replicator's benchmark, and measured runs of the replicator against them.

A real OpenBao behind a proxy that adds Vault's latency; Secrets Manager with its quotas and AWS's latency
(`secretsmanager.py`). Each run is a process of its own, as in Lambda; its time is that of the run itself,
without the start of the interpreter.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import hvac
import requests

from beanvault.vault.mounts import enable_kv2
from testbed.demo.display import ShowProgress
from testbed.servers.authority import Authority
from testbed.servers.openbao import OpenBao
from testbed.servers.process import Process
from testbed.servers.proxy import Pass, Proxy

AWS_LATENCY_SECONDS = 0.020
VAULT_LATENCY_SECONDS = 0.005
SECRETS_PER_FOLDER = 500
SEED_THREADS = 16
REGION = "eu-central-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
CONNECTION = "bench-connection"


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One run of the replicator."""

    seconds: float
    megabytes: float
    """The process's peak resident size."""
    counts: dict[str, int]
    aws_calls: dict[str, int]
    vault_calls: int
    problems: int


def _one_run(variables: Mapping[str, str], without_quotas: bool) -> tuple[float, float, dict[str, int], int]:
    """Run the replicator once in a new process, after the imports that a warm function has done.

    With *without_quotas* the replicator ignores the quotas, to create the secrets quickly.
    """
    os.environ.update(variables)
    from replicator.aws import Clients
    from replicator.config import Config
    from replicator.contract.events import ReplicationRequest
    from replicator.replicate import RunClock
    from replicator.run import run

    config = Config.from_environ(os.environ)
    start = time.perf_counter()
    clients = Clients(quotas={}) if without_quotas else Clients()
    report = run(config, clients, ReplicationRequest(), RunClock(time.time))
    seconds = time.perf_counter() - start
    for problem in report.problems()[:3]:
        print(problem, file=sys.stderr)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = {count.value: number for count, number in report.counts().items()}
    return seconds, peak, counts, len(report.problems())


@dataclass(slots=True)
class ReplicatorEnvironment:
    """The servers of the benchmark."""

    openbao: OpenBao
    root: hvac.Client = field(repr=False)
    aws: str
    vault: Proxy

    def aws_counts(self) -> Counter[str]:
        return Counter(requests.get(f"{self.aws}/counts", timeout=30).json())

    def session(self) -> boto3.session.Session:
        return boto3.session.Session(
            aws_access_key_id="benchmark", aws_secret_access_key="benchmark", region_name=REGION
        )

    def connect(self, vault_token: str) -> None:
        """Write the connection secret with the proxy's address."""
        value = json.dumps({"address": self.vault.address, "auth": {"method": "token", "token": vault_token}})
        secrets = self.session().client("secretsmanager", endpoint_url=self.aws)
        try:
            secrets.put_secret_value(
                SecretId=CONNECTION, SecretString=value, ClientRequestToken=os.urandom(16).hex()
            )
        except secrets.exceptions.ResourceNotFoundException:
            secrets.create_secret(Name=CONNECTION, SecretString=value)

    def token(self, mount: str, *, detailed: bool) -> str:
        """Create a token that can read *mount*; without *detailed*, only what HashiCorp Vault offers."""
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

    def seed(self, mount: str, numbers: range, show: ShowProgress) -> None:
        """Write secrets below *mount*, in folders."""
        show(f"writing {len(numbers):,} secrets to OpenBao")
        mounts = self.root.sys.list_mounted_secrets_engines()["data"]
        if f"{mount}/" not in mounts:
            enable_kv2(self.root, mount)

        def write(part: range) -> None:
            with requests.Session() as session:
                session.verify = str(self.openbao.ca_file)
                session.trust_env = False
                session.headers["X-Vault-Token"] = self.root.token
                for number in part:
                    path = f"folder{number // SECRETS_PER_FOLDER:04d}/secret{number:06d}"
                    body = {"data": {"username": f"user{number}", "password": os.urandom(12).hex()}}
                    session.post(
                        f"{self.openbao.address}/v1/{mount}/data/{path}", json=body, timeout=60
                    ).raise_for_status()

        parts = [numbers[at::SEED_THREADS] for at in range(SEED_THREADS)]
        with ThreadPoolExecutor(SEED_THREADS) as pool:
            list(pool.map(write, parts))

    def run(self, mount: str, *, without_quotas: bool = False) -> MeasuredRun:
        """Run the replicator in a new process and count its calls."""
        variables = {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "BEANVAULT_CONNECTION_SECRET": CONNECTION,
            "BEANVAULT_MOUNT": mount,
            "BEANVAULT_PREFIX": f"prefix-{mount}",
            "BEANVAULT_OWNER": "bench",
            "BEANVAULT_ALLOW_HTTP": "true",
        }
        requests.get(f"{self.aws}/quotas/{'off' if without_quotas else 'on'}", timeout=30).raise_for_status()
        before = self.aws_counts()
        self.vault.forget()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, megabytes, counts, problems = pool.apply(_one_run, (variables, without_quotas))
        after = self.aws_counts()
        calls = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        return MeasuredRun(seconds, megabytes, counts, calls, len(self.vault.calls()), problems)


@contextmanager
def environment() -> Iterator[ReplicatorEnvironment]:
    """Start the servers, and stop them at the end."""
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
        command = [
            sys.executable,
            "-m",
            "testbed.benchmarks.secretsmanager",
            "--latency",
            str(AWS_LATENCY_SECONDS),
        ]
        process = Process.start("Secrets Manager", command, log)
        cleanup.callback(process.stop)
        process.wait_until(lambda: log.exists() and "endpoint" in log.read_text())
        proxy = Proxy(openbao.address, openbao.ca_file)
        proxy.rule = lambda _: Pass(VAULT_LATENCY_SECONDS)
        cleanup.callback(proxy.close)
        endpoint = json.loads(log.read_text().splitlines()[0])["endpoint"]
        yield ReplicatorEnvironment(openbao, client, endpoint, proxy)
