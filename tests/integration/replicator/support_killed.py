"""Worlds in which a run has something to do, as a process that can be killed at any of its calls."""

from __future__ import annotations

import json
import signal
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import hvac

from beanvault.vault.mounts import enable_kv2
from replicator.aws import Clients
from replicator.config import Config
from replicator.contract.events import ReplicationRequest, RequestReason
from replicator.replicate import RunClock
from replicator.report import RunReport
from replicator.run import run
from testbed.servers.proxy import FORWARD, Behaviour, Drop, ProxiedCall, Proxy

from .support_bad_days import WRITES
from .support_faults import about
from .support_fork_server import Forked, ForkServer
from .support_oracle import Place, Rules, identity, rendered
from .support_target import StoredSecret, read_secrets

THEIRS = "canary-theirs"


@dataclass
class World(ABC):
    """A deployment; the kinds of it say what there is to be done."""

    NAMES: ClassVar[frozenset[str]]
    """All the secrets that are there, or come to be."""
    NEW: ClassVar[frozenset[str]]
    """Those that are not there at first."""
    PENDING: ClassVar[frozenset[str]]
    """Those whose deletion can be scheduled, before the run or by it."""

    vault: hvac.Client
    aws: Any
    vault_proxy: Proxy
    aws_proxy: Proxy
    fork_server: ForkServer
    clients: Clients
    topic_arn: str
    kms_keys: tuple[str, str]
    name: str = field(default_factory=lambda: f"k{uuid.uuid4().hex[:10]}")
    known: dict[str, str] = field(default_factory=dict)
    """By version id: the value that belongs to it."""

    def variables(self) -> dict[str, str]:
        return {
            "BEANVAULT_CONNECTION_SECRET": f"{self.name}-connection",
            "BEANVAULT_MOUNT": self.name,
            "BEANVAULT_PREFIX": self.name,
            "BEANVAULT_OWNER": self.name,
            "BEANVAULT_DELETION": "schedule:7",
            "BEANVAULT_MAX_DELETE_SHARE": "1",
            "BEANVAULT_ALLOW_HTTP": "true",
        }

    @abstractmethod
    def prepare(self) -> None:
        """Bring both sides into the state that the run finds."""

    def app_role(self) -> dict[str, str]:
        """Make the mount and a login that may read it; return its `auth`."""
        enable_kv2(self.vault, self.name)
        self.vault.sys.enable_auth_method("approle", path=self.name)
        everything = 'path "*" { capabilities = ["create", "read", "update", "list"] }'
        self.vault.sys.create_or_update_policy(self.name, everything)
        role = {"role_name": "replicator", "mount_point": self.name}
        self.vault.auth.approle.create_or_update_approle(token_policies=[self.name], **role)
        return {
            "method": "approle",
            "mount": self.name,
            "role_id": self.vault.auth.approle.read_role_id(**role)["data"]["role_id"],
            "secret_id": self.vault.auth.approle.generate_secret_id(**role)["data"]["secret_id"],
        }

    def connect(self, auth: dict[str, str]) -> None:
        connection = json.dumps({"address": self.vault_proxy.address, "auth": auth})
        name = f"{self.name}-connection"
        try:
            self.aws.create_secret(Name=name, SecretString=connection)
        except self.aws.exceptions.ResourceExistsException:
            self.aws.put_secret_value(SecretId=name, SecretString=connection)

    def write(self, path: str, number: str) -> None:
        data = {"password": f"canary-{path}-{number}"}
        answer = self.vault.secrets.kv.v2.create_or_update_secret(path, data, mount_point=self.name)["data"]
        rules = Rules(self.name, self.name, schedule=True, adopt=frozenset())
        text = rendered(data, "json")
        assert text is not None
        self.known[identity(rules, Place(path), answer["version"], answer["created_time"], "json")] = text

    def choose(self, path: str, choices: dict[str, str]) -> None:
        self.vault.secrets.kv.v2.update_metadata(path, mount_point=self.name, custom_metadata=choices)

    def run(self) -> RunReport:
        config = Config.from_environ(self.variables())
        return run(
            config, self.clients, ReplicationRequest(reason=RequestReason.OPERATOR), RunClock(time.time)
        )

    def start(self) -> Forked:
        """Start the command line as a process whose calls go through the proxies."""
        return self.fork_server.start({**self.variables(), "AWS_ENDPOINT_URL": self.aws_proxy.address})

    def at_each_call(self, behave: Callable[[str], Behaviour]) -> None:
        """Let *behave* decide about each call, given as operation and object, with its number if repeated."""
        numbers: Counter[str] = Counter()
        lock = threading.Lock()

        def rule(call: ProxiedCall) -> Behaviour:
            label = about(call, self.name)
            with lock:
                numbers[label] += 1
                number = numbers[label]
            return behave(label if number == 1 else f"{label} #{number}")

        self.aws_proxy.rule = self.vault_proxy.rule = rule

    def read_secrets(self) -> dict[str, StoredSecret]:
        return read_secrets(self.aws, self.name, ("AWSCURRENT", "AWSPREVIOUS"))

    def read_metadata(self) -> dict[str, StoredSecret]:
        """Return what `read_secrets` does, without values, in one call."""
        return read_secrets(self.aws, self.name, ())

    def health(self) -> str:
        """Return the state of health that was reported last."""
        tags = self.aws.describe_secret(SecretId=f"{self.name}-connection").get("Tags", [])
        return str({tag["Key"]: tag["Value"] for tag in tags}.get("beanvault:health", ""))

    def check_what_an_app_sees(self) -> None:
        """What is current has the identity that belongs to its value; only new names can be free."""
        for name in self.NAMES:
            try:
                seen = self.aws.get_secret_value(SecretId=f"{self.name}/{name}", VersionStage="AWSCURRENT")
            except self.aws.exceptions.ResourceNotFoundException:
                assert name in self.NEW, name
            except self.aws.exceptions.InvalidRequestException:
                assert name in self.PENDING, f"{name} is pending deletion"
            else:
                assert self.known[seen["VersionId"]] == seen["SecretString"], name

    def shape(self) -> Shape:
        """Return what two worlds in the same state have in common: all but names, ARNs, ids and times."""
        found: Shape = {}
        for name, stored in self.read_secrets().items():
            described = self.aws.describe_secret(SecretId=stored.arn)
            found[name] = (
                stored.pending,
                stored.values,
                {key: value.replace(self.name, "NAME") for key, value in stored.tags.items()},
                sorted(self.known[id_] + str(stages) for id_, stages in stored.stages.items() if stages),
                sorted((each["Region"], each["Status"]) for each in described.get("ReplicationStatus", ())),
                described.get("KmsKeyId", ""),
            )
        return found


Shape = dict[str, tuple[Any, ...]]
Make = Callable[[type[World]], World]
"""Makes a world of a kind and prepares it."""


CHANGING = (*WRITES, "Publish", "POST")


def deaths(calls: Iterable[str]) -> list[tuple[str, bool]]:
    """Return where to kill: at each call, and whether after the server has answered it.

    Of a call that only reads, nothing is left behind: whether it was answered makes no difference.
    """
    calls = tuple(calls)
    return [(call, False) for call in calls] + [(call, True) for call in calls if call.startswith(CHANGING)]


@dataclass(frozen=True)
class Whole:
    """The state that a run leaves when it is not killed, and its calls."""

    shape: Shape
    calls: list[str]


def unkilled(world: World, *, status: int) -> Whole:
    """Let the run of *world* end, with this *status*."""
    calls: list[str] = []

    def note(label: str) -> Behaviour:
        calls.append(label)
        return FORWARD

    world.at_each_call(note)
    process = world.start()
    while process.status is None:
        world.check_what_an_app_sees()
    assert process.wait() == status
    return Whole(world.shape(), calls)


def killed(world: World, at: str, *, after: bool) -> None:
    """Let the run of *world* be killed at one of its calls, and check what an app sees then."""
    process: list[Forked] = []
    started = threading.Event()

    def kill() -> None:
        assert started.wait(30)
        process[0].kill()

    world.at_each_call(lambda label: Drop(after=after, first=kill) if label == at else FORWARD)
    process.append(world.start())
    started.set()
    assert process[0].wait() == -signal.SIGKILL
    world.check_what_an_app_sees()
    world.at_each_call(lambda _: FORWARD)


def completed(world: World, whole: Whole) -> RunReport:
    """Return the report of the next run, after which all is as after a whole one, and stays so."""
    completing = world.run()
    assert world.shape() == whole.shape
    after_all = world.read_metadata()
    assert world.run().outcomes == []
    assert world.read_metadata() == after_all
    return completing
