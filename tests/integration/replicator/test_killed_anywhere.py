"""A process killed at any of its calls: nothing wrong is to be seen, and the next run ends what it began."""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import hvac
import pytest

from beanvault.vault.mounts import enable_kv2
from demo.servers.proxy import FORWARD, Behaviour, Call, Drop, Proxy
from replicator.aws import Clients
from replicator.config import Config
from replicator.replicate import Clock, Request
from replicator.report import Report
from replicator.run import run

from .support_faults import about
from .support_fork_server import Forked, ForkServer
from .support_oracle import Rules, identity, rendered
from .support_target import Held, look

CALLS = (
    "GetSecretValue NAME-connection",
    "POST /v1/auth/MOUNT/login",
    "GET /v1/sys/internal/ui/mounts/MOUNT",
    "LIST /v1/MOUNT/detailed-metadata",
    "ListSecrets",
    *("DescribeSecret created", "GET /v1/MOUNT/data/created", "CreateSecret created"),
    *(
        "DescribeSecret updated",
        "GET /v1/MOUNT/data/updated",
        "PutSecretValue updated",
        "TagResource updated",
    ),
    *("DescribeSecret rolled", "UpdateSecretVersionStage rolled"),
    *("DescribeSecret drifted", "GET /v1/MOUNT/data/drifted", "PutSecretValue drifted"),
    "UpdateSecretVersionStage drifted",
    *("DescribeSecret returned", "GET /v1/MOUNT/data/returned", "RestoreSecret returned"),
    *("PutSecretValue returned", "TagResource returned"),
    *("DescribeSecret tagged", "TagResource tagged", "UntagResource tagged"),
    *("DescribeSecret adopted", "GET /v1/MOUNT/data/adopted", "TagResource adopted"),
    *("PutSecretValue adopted", "TagResource adopted #2"),
    *("DescribeSecret moved-away", "GET /v1/MOUNT/data/moved", "CreateSecret moved-away"),
    *("DescribeSecret moved", "GET /v1/MOUNT/metadata/moved", "DeleteSecret moved"),
    *("DescribeSecret gone", "GET /v1/MOUNT/metadata/gone", "DeleteSecret gone"),
    "POST /v1/auth/token/revoke-self",
    "PutEvents",
    *("DescribeSecret NAME-connection", "Publish", "TagResource NAME-connection"),
)
"""Every call of the whole run. Its order is not this one, as many are made side by side; that none is missing
is the first thing that is tested."""
READS = ("GET ", "LIST ", "GetSecretValue", "ListSecrets", "DescribeSecret")
KILLS = [(call, False) for call in CALLS] + [(call, True) for call in CALLS if not call.startswith(READS)]
"""After a read, all is as before it."""
NAMES = (
    *("updated", "rolled", "drifted", "returned", "tagged", "moved", "gone"),
    *("created", "moved-away", "adopted", "taken"),
)
THEIRS = "canary-theirs"


@dataclass
class World:
    """A deployment in which one run has one of everything to do."""

    vault: hvac.Client
    aws: Any
    vault_proxy: Proxy
    aws_proxy: Proxy
    fork_server: ForkServer
    clients: Clients
    topic_arn: str
    name: str = field(default_factory=lambda: f"k{uuid.uuid4().hex[:10]}")
    known: dict[str, str] = field(default_factory=dict)
    """By version id: the value that belongs to it."""

    def __post_init__(self) -> None:
        self.environment = {
            "BEANVAULT_CONNECTION_SECRET": f"{self.name}-connection",
            "BEANVAULT_MOUNT": self.name,
            "BEANVAULT_PREFIX": self.name,
            "BEANVAULT_OWNER": self.name,
            "BEANVAULT_DELETION": "schedule:7",
            "BEANVAULT_MAX_DELETE_SHARE": "1",
            "BEANVAULT_ADOPT": f"{self.name}/adopted",
            "BEANVAULT_TOPIC_ARN": self.topic_arn,
            "BEANVAULT_BUS_NAME": "default",
            "BEANVAULT_ALLOW_HTTP": "true",
        }
        self.config = Config.from_environ(self.environment)

    def prepare(self) -> None:
        """Bring both sides into the state that the run finds."""
        self._connect()
        for path in ("updated", "rolled", "drifted", "returned", "tagged", "moved", "gone"):
            self._write(path, "1")
        self._choose("tagged", {"aws-tag-team": "blue"})
        report = self.run()
        assert report.healthy, list(report.problems())
        for path in ("updated", "returned", "created", "taken", "adopted"):
            self._write(path, "2")
        self._choose("tagged", {"aws-tag-tier": "gold"})
        self._choose("moved", {"aws-name": "moved-away"})
        self.vault.secrets.kv.v2.delete_metadata_and_all_versions("gone", mount_point=self.name)
        for path, edits in (("rolled", 1), ("drifted", 2)):
            for _ in range(edits):
                answer = self.aws.put_secret_value(SecretId=f"{self.name}/{path}", SecretString="edited")
                self.known[answer["VersionId"]] = "edited"
        self.aws.delete_secret(SecretId=f"{self.name}/returned", RecoveryWindowInDays=30)
        for path in ("taken", "adopted"):
            answer = self.aws.create_secret(Name=f"{self.name}/{path}", SecretString=THEIRS)
            self.known[answer["VersionId"]] = THEIRS

    def _connect(self) -> None:
        enable_kv2(self.vault, self.name)
        self.vault.sys.enable_auth_method("approle", path=self.name)
        everything = 'path "*" { capabilities = ["create", "read", "update", "list"] }'
        self.vault.sys.create_or_update_policy(self.name, everything)
        role = {"role_name": "replicator", "mount_point": self.name}
        self.vault.auth.approle.create_or_update_approle(token_policies=[self.name], **role)
        auth = {
            "method": "approle",
            "mount": self.name,
            "role_id": self.vault.auth.approle.read_role_id(**role)["data"]["role_id"],
            "secret_id": self.vault.auth.approle.generate_secret_id(**role)["data"]["secret_id"],
        }
        connection = {"address": self.vault_proxy.address, "auth": auth}
        self.aws.create_secret(Name=self.config.connection_secret, SecretString=json.dumps(connection))

    def _write(self, path: str, number: str) -> None:
        data = {"password": f"canary-{path}-{number}"}
        answer = self.vault.secrets.kv.v2.create_or_update_secret(path, data, mount_point=self.name)["data"]
        rules = Rules(self.name, self.name, schedule=True, adopt=frozenset())
        text = rendered(data, "json")
        assert text is not None
        self.known[identity(rules, path, answer["version"], answer["created_time"], "json")] = text

    def _choose(self, path: str, choices: dict[str, str]) -> None:
        self.vault.secrets.kv.v2.update_metadata(path, mount_point=self.name, custom_metadata=choices)

    def run(self) -> Report:
        return run(self.config, self.clients, Request(reason="operator"), Clock(time.time))

    def start(self) -> Forked:
        """Start the command line as a process whose calls go through the proxies."""
        return self.fork_server.start({**self.environment, "AWS_ENDPOINT_URL": self.aws_proxy.address})

    def at_each_call(self, behave: Callable[[str], Behaviour]) -> None:
        """Let *behave* decide about each call, told as what it does to what, with its number if repeated."""
        numbers: Counter[str] = Counter()
        lock = threading.Lock()

        def rule(call: Call) -> Behaviour:
            label = about(call, self.name)
            with lock:
                numbers[label] += 1
                number = numbers[label]
            return behave(label if number == 1 else f"{label} #{number}")

        self.aws_proxy.rule = self.vault_proxy.rule = rule

    def look(self) -> dict[str, Held]:
        return look(self.aws, self.name, ("AWSCURRENT", "AWSPREVIOUS"))

    def glance(self) -> dict[str, Held]:
        """Return what `look` shows, without values, in one call."""
        return look(self.aws, self.name, ())

    def health(self) -> str:
        """Return the state of health that was told last."""
        tags = self.aws.describe_secret(SecretId=self.config.connection_secret).get("Tags", [])
        return {tag["Key"]: tag["Value"] for tag in tags}.get("beanvault:health", "")

    def check_what_an_app_sees(self) -> None:
        """What is current has the identity that belongs to its value; only `created` names may be free."""
        for name in NAMES:
            try:
                seen = self.aws.get_secret_value(SecretId=f"{self.name}/{name}", VersionStage="AWSCURRENT")
            except self.aws.exceptions.ResourceNotFoundException:
                assert name in ("created", "moved-away"), name
            except self.aws.exceptions.InvalidRequestException:
                assert name in ("returned", "moved", "gone"), f"{name} is pending deletion"
            else:
                assert self.known[seen["VersionId"]] == seen["SecretString"], name


def shape(secrets: dict[str, Held], world: World) -> dict[str, object]:
    """Return what two worlds in the same state have in common: all but names, ARNs, ids and times."""
    return {
        name: (
            held.pending,
            held.values,
            {key: value.replace(world.name, "NAME") for key, value in held.tags.items()},
            sorted(world.known[id_] + str(stages) for id_, stages in held.stages.items() if stages),
        )
        for name, held in secrets.items()
    }


@pytest.fixture(scope="module")
def new_world(
    openbao: Any, local_aws: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], World]]:
    topic = local_aws.client("sns").create_topic(Name=f"k{uuid.uuid4().hex[:8]}")["TopicArn"]
    vault_proxy, aws_proxy = Proxy(openbao.address, openbao.ca_file), Proxy(local_aws.endpoint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger("replicator.run"), "disabled", True)  # it names each change
        for name, value in local_aws.environment().items():
            patch.setenv(name, value)
        fork_server = ForkServer(tmp_path_factory.mktemp("killed") / "runs.log")
        vault, aws = openbao.root_client(), local_aws.client("secretsmanager")
        yield partial(World, vault, aws, vault_proxy, aws_proxy, fork_server, Clients(), topic)
        fork_server.close()
    vault_proxy.close()
    aws_proxy.close()


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    world = new_world()
    world.prepare()
    return world


@dataclass(frozen=True)
class Whole:
    """What a run that nobody kills makes of a world, and its calls."""

    shape: dict[str, object]
    calls: list[str]


@pytest.fixture(scope="module")
def whole(new_world: Callable[[], World]) -> Whole:
    world = new_world()
    calls: list[str] = []

    def note(label: str) -> Behaviour:
        calls.append(label)
        return FORWARD

    world.prepare()
    world.at_each_call(note)
    process = world.start()
    while process.status is None:
        world.check_what_an_app_sees()
    assert process.wait() == 1  # for the conflict
    return Whole(shape(world.look(), world), calls)


def test_these_are_all_the_calls_of_the_run(whole: Whole) -> None:
    assert sorted(whole.calls) == sorted(CALLS)


def test_the_whole_run_does_one_of_everything(whole: Whole) -> None:
    """So that the others are compared with the right state."""
    pending = {name for name, (is_pending, *_) in whole.shape.items() if is_pending}
    assert pending == {"moved", "gone"}
    assert set(whole.shape) == set(NAMES)


@pytest.mark.parametrize(
    ("call", "after"), KILLS, ids=[f"{'after' if after else 'before'} {call}" for call, after in KILLS]
)
def test_a_run_killed_at_a_call_is_completed_by_the_next(
    world: World, whole: Whole, call: str, after: bool
) -> None:
    """*before*: the server never gets the call. *after*: it has answered, and the run never hears of it."""
    before = world.glance()
    process: list[Forked] = []
    started = threading.Event()

    def kill() -> None:
        assert started.wait(30)
        process[0].kill()

    world.at_each_call(lambda label: Drop(after=after, first=kill) if label == call else FORWARD)
    process.append(world.start())
    started.set()
    assert process[0].wait() == -signal.SIGKILL
    world.check_what_an_app_sees()

    world.at_each_call(lambda _: FORWARD)
    completing = world.run()
    assert [kind for _, kind, _ in completing.problems()] == ["Conflict"]
    assert shape(world.look(), world) == whole.shape
    assert world.health() == "unhealthy"
    after_all = world.glance()
    assert after_all["taken"] == before["taken"]
    assert {held.arn for held in before.values()} <= {held.arn for held in after_all.values()}

    assert world.run().outcomes == []
    assert world.glance() == after_all
