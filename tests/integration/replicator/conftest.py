"""A mount, a prefix and a connection secret of each test's own, and the run as an operator starts it."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import hvac
import pytest

from beanvault.vault.mounts import enable_kv2
from replicator.aws import Clients
from replicator.config import Config
from replicator.contract.events import ReplicationRequest
from replicator.contract.mounts import Mount
from replicator.handler import HandlerFunction
from replicator.replicate import RunClock
from replicator.report import RunReport
from replicator.run import run
from replicator.vault import Timeouts
from testbed.servers.localaws import LocalAws
from testbed.servers.proxy import Proxy
from tests.conftest import Unsealed

from .support_bad_days import Day
from .support_faults import retry_at_once
from .support_fork_server import ForkServer
from .support_killed import Make, World
from .support_notify import Mailbox, overhear, subscribe, variables


@dataclasses.dataclass
class Bench:
    """One deployment: a KV v2 mount of a real OpenBao, and a prefix of the local Secrets Manager."""

    vault: hvac.Client
    address: str
    ca_bundle: str
    session: boto3.session.Session
    aws: Any
    mount: str
    config: Config

    def write(self, path: str, mount: str | None = None, **data: object) -> int:
        """Write a version of KV v2 and return its number."""
        answer = self.vault.secrets.kv.v2.create_or_update_secret(path, data, mount_point=mount or self.mount)
        return int(answer["data"]["version"])

    def choose(self, path: str, mount: str | None = None, **choices: str) -> None:
        """Set the custom metadata of a path; underscores stand for hyphens."""
        named = {key.replace("_", "-"): value for key, value in choices.items()}
        self.vault.secrets.kv.v2.update_metadata(path, mount_point=mount or self.mount, custom_metadata=named)

    def connect(self, auth: dict[str, object], **more: object) -> None:
        """Write the connection secret."""
        content = {"address": self.address, "ca_bundle": self.ca_bundle, "auth": auth, **more}
        text = json.dumps({key: value for key, value in content.items() if value is not None})
        try:
            self.aws.create_secret(Name=self.config.connection_secret, SecretString=text)
        except self.aws.exceptions.ResourceExistsException:
            self.aws.put_secret_value(SecretId=self.config.connection_secret, SecretString=text)

    def set(self, **settings: object) -> None:
        self.config = dataclasses.replace(self.config, **settings)  # type: ignore[arg-type]  # by name

    def run(self, *sources: str, dry_run: bool = False, clients: Clients | None = None) -> RunReport:
        request = ReplicationRequest(sources or None, dry_run=dry_run)
        return run(self.config, clients or Clients(self.session), request, RunClock(time.time))

    def name(self, path: str) -> str:
        return f"{self.config.prefix}/{path}"

    def value(self, path: str) -> str:
        """Return the value that an app would read."""
        answer = self.aws.get_secret_value(SecretId=self.name(path), VersionStage="AWSCURRENT")
        return str(answer["SecretString"])

    def describe(self, path: str) -> dict[str, Any]:
        described: dict[str, Any] = self.aws.describe_secret(SecretId=self.name(path))
        return described

    def secrets(self) -> list[dict[str, Any]]:
        """Return what lies below the prefix."""
        filters = [{"Key": "name", "Values": [f"{self.config.prefix}/"]}]
        listed: list[dict[str, Any]] = self.aws.list_secrets(Filters=filters, IncludePlannedDeletion=True)[
            "SecretList"
        ]
        return listed

    def tags(self, path: str) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self.describe(path).get("Tags", [])}


@pytest.fixture
def bench(openbao: Unsealed, local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A fresh mount and prefix, connected with the root token."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws.endpoint)
    name = f"t{uuid.uuid4().hex[:8]}"
    vault = openbao.root_client()
    enable_kv2(vault, name)
    session = local_aws.session()
    config = Config(
        connection_secret=f"{name}-connection", mounts=(Mount("kv", name),), prefix=name, owner=name
    )
    bench = Bench(
        vault,
        openbao.address,
        openbao.ca_file.read_text(),
        session,
        session.client("secretsmanager"),
        name,
        config,
    )
    bench.connect({"method": "token", "token": openbao.root_token})
    return bench


@pytest.fixture
def alerts(bench: Bench, local_aws: LocalAws) -> Mailbox:
    """What is published to the deployment's topic."""
    topic = bench.session.client("sns").create_topic(Name=f"{bench.mount}-alerts")["TopicArn"]
    bench.set(topic_arn=topic)
    return subscribe(local_aws.client, topic, f"{bench.mount}-alerts")


@pytest.fixture
def bus(bench: Bench, local_aws: LocalAws) -> Mailbox:
    """What is put on the deployment's bus."""
    name = f"{bench.mount}-beanvault"
    bench.session.client("events").create_event_bus(Name=name)
    bench.set(bus_name=name)
    return overhear(local_aws.client, name, f"{bench.mount}-events")


@pytest.fixture
def environ(bench: Bench, local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The function's variables, set in this process as well."""
    found = variables(bench.config) | local_aws.environment()
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def day(
    bench: Bench,
    alerts: Mailbox,
    openbao: Unsealed,
    local_aws: LocalAws,
    authority: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Day]:
    """The deployment's function behind two proxies; retries come at once, but as often as ever."""
    vault = Proxy(openbao.address, openbao.ca_file, authority.issue("vault-proxy"))
    aws = Proxy(local_aws.endpoint)
    for name, value in {**local_aws.environment(), "AWS_ENDPOINT_URL": aws.address}.items():
        monkeypatch.setenv(name, value)
    clients = Clients(bench.session)
    for client in (clients.secretsmanager, clients.sns, clients.events, clients.sts):
        retry_at_once(client)
    function = HandlerFunction(clients, Timeouts(first_pause_seconds=0.001))
    bench.connect({"method": "token", "token": openbao.root_token}, address=vault.address)
    try:
        yield Day(function, bench, vault, aws, alerts, monkeypatch, caplog, capsys)
    finally:
        vault.close()
        aws.close()


@pytest.fixture
def deleting(day: Day) -> Day:
    """A deployment that deletes secrets whose path was deleted, however many."""
    day.bench.set(deletion_days=7, max_delete_share=1.0)
    day.begin()
    return day


@pytest.fixture(scope="module")
def make_world(
    openbao: Unsealed, local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Make]:
    """Makes worlds whose runs can be killed, all behind the same two proxies."""
    topic = local_aws.client("sns").create_topic(Name=f"k{uuid.uuid4().hex[:8]}")["TopicArn"]
    kms = local_aws.client("kms")
    keys = tuple(kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    vault_proxy, aws_proxy = Proxy(openbao.address, openbao.ca_file), Proxy(local_aws.endpoint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger("replicator.run"), "disabled", True)  # it names each change
        for name, value in local_aws.environment().items():
            patch.setenv(name, value)
        fork_server = ForkServer(tmp_path_factory.mktemp("killed") / "runs.log")
        vault, aws = openbao.root_client(), local_aws.client("secretsmanager")
        clients = Clients()

        def make(kind: type[World]) -> World:
            world = kind(vault, aws, vault_proxy, aws_proxy, fork_server, clients, topic, keys)
            world.prepare()
            return world

        yield make
        fork_server.close()
    vault_proxy.close()
    aws_proxy.close()
