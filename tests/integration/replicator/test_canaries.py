"""Story of replicator/.

No value leaves Secrets Manager: one large scenario, and a search through all that it left behind.

Every outcome and many faults are in it, and every channel is searched. A name, which is reported everywhere,
proves that each channel was read.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from testbed.servers.authority import Authority
from testbed.servers.proxy import FORWARD, Behaviour, ProxiedCall, Proxy, ProxyAnswer
from tests.project import ROOT

from .support_canaries import canary, leaks, spellings
from .support_deployed import Deployed, deployed

MARK = "reported-by-name"
"""Part of the names of secrets, so it is in everything that is reported."""
LIMIT = 65_536
HANDLER = """
import json, logging, sys, traceback
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
logging.getLogger().setLevel(logging.DEBUG)
from replicator import handler

class Context:
    aws_request_id = "1"
    def get_remaining_time_in_millis(self):
        return 600_000

def show(error):
    while error is not None:
        print(type(error), repr(error), error, error.__dict__, file=sys.stderr)
        error = error.__cause__ or error.__context__

try:
    handler.handler({}, Context())
except Exception as error:
    traceback.print_exc()
    show(error)
"""
"""The handler in a process of its own, with all logs turned up and each exception shown to its last cause."""

FAILING = """
import time
from os import environ
from replicator.aws import Clients
from replicator.config import Config
from replicator.contract.events import ReplicationRequest
from replicator.replicate import RunClock
from replicator.run import run

def test_a_run():
    report = run(Config.from_environ(environ), Clients(), ReplicationRequest(), RunClock(time.time))
    print(repr(report), list(report.summary().lines()))
    assert (report, report.outcomes) == (None, [])
"""
"""A test that fails over what a run has done, of which pytest then shows all that it can."""


@dataclass
class Evidence:
    """What was to be kept secret, and what was left behind, by the name of the channel."""

    values: list[str] = field(default_factory=list, repr=False)
    texts: dict[str, bytes] = field(default_factory=dict, repr=False)

    def secret(self, kind: str) -> str:
        value = canary(kind)
        self.values.append(value)
        return value

    def keep(self, channel: str, text: str | bytes) -> None:
        raw = text if isinstance(text, bytes) else text.encode()
        self.texts[channel] = self.texts.get(channel, b"") + raw + b"\n"


@dataclass(frozen=True)
class Scene:
    place: Deployed
    evidence: Evidence
    vault: Proxy
    aws: Proxy

    def write(self, *paths: str) -> None:
        """Write a new value to each path."""
        for path in paths:
            value = self.evidence.secret(path)
            self.place.write(f"{MARK}/{path}", username="app", password=value)

    def invoke(self) -> dict[str, Any]:
        """Run the function inside Lambda."""
        client = self.place.operator("lambda")
        answer = client.invoke(FunctionName=self.place.deployment.function_name, Payload=b"{}")
        payload: bytes = answer["Payload"].read()
        self.evidence.keep("the function's answers", payload)
        found: dict[str, Any] = json.loads(payload)
        return found

    def command(self, channel: str, *arguments: str, more: Mapping[str, str] | None = None) -> int:
        """Run a program with the function's variables and rights, and watch its process."""
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **self.place.variables(),
            **self.place.role_variables(),
            "AWS_ENDPOINT_URL": self.aws.address,
            "PYTHONPATH": str(ROOT),
            **(more or {}),
        }
        seen: set[bytes] = set()
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            subprocess.Popen([sys.executable, *arguments], env=variables, stdout=out, stderr=err) as process,
        ):
            while process.poll() is None:
                seen |= {_read(Path(f"/proc/{process.pid}/{what}")) for what in ("cmdline", "environ")}
                time.sleep(0.02)
            for stream, file in (("output", out), ("error", err)):
                file.seek(0)
                self.evidence.keep(f"standard {stream} of {channel}", file.read())
        # A session of the role is in the environment by AWS's design; none of ours is.
        self.evidence.keep("the processes' arguments and environment", b"\n".join(seen))
        return process.returncode


@pytest.fixture(scope="module")
def scene(
    openbao: Any, mariadb: Any, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    name, evidence = f"canary-{uuid.uuid4().hex[:6]}", Evidence()
    _static_role(openbao.root_client(), mariadb, name, evidence)
    vault = Proxy(openbao.address, openbao.ca_file, authority.issue("canary-proxy"))
    try:
        directory = tmp_path_factory.mktemp("canaries")
        with deployed(name, directory, openbao, [f"database:{name}-db"]) as place:
            aws = Proxy(place.aws.endpoint)
            try:
                yield Scene(place, evidence, vault, aws)
            finally:
                aws.close()
    finally:
        vault.close()


@pytest.fixture(scope="module")
def evidence(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Everything that can happen, inside Lambda and at the command line; then what it left behind."""
    _every_outcome(scene)
    _bad_days_of_vault(scene)
    _at_the_command_line(scene)
    _in_a_test_that_fails(scene, tmp_path_factory.mktemp("failing"))
    _connections_that_are_wrong(scene)
    _collect(scene)
    return scene.evidence


def test_no_value_is_in_anything_that_was_left_behind(evidence: Evidence) -> None:
    assert len(evidence.values) > 30
    assert leaks(evidence.texts, evidence.values) == []


def test_each_channel_was_searched(evidence: Evidence) -> None:
    """A name, which is reported, is found by the same search in every channel that reports names."""
    reported = {
        found.rpartition(": ")[0] for found in leaks(evidence.texts, [MARK]) if found.endswith(": plain")
    }
    nameless = {
        "the processes' arguments and environment",
        "AWS's request log",
        "AWS's own output",
        "CloudWatch's metrics",
        "standard error of --json",
        "standard error of --dry-run",
        "standard error of --dry-run --json",
        "standard error of a plain run",
        "standard error of pytest",
        "standard output of a wrong connection",
        "standard error of a wrong connection",
    }
    assert reported == set(evidence.texts) - nameless
    assert b"beanvault" in evidence.texts["CloudWatch's metrics"]
    assert b"PutSecretValue" in evidence.texts["AWS's request log"]
    assert b"BEANVAULT_PREFIX" in evidence.texts["the processes' arguments and environment"]
    assert b"Update(desired=DesiredSecret(" in evidence.texts["standard output of pytest"]
    assert b"Update(desired=DesiredSecret(" in evidence.texts["pytest's own report"]
    assert b"not a JSON object" in evidence.texts["standard error of a wrong connection"]
    kinds = {b"Created", b"ValueRefused", b"SourceUnavailable", b"Conflict"}
    assert all(kind in evidence.texts["the function's log"] for kind in kinds)


def test_a_leak_is_found_wherever_and_however_it_is_written(evidence: Evidence) -> None:
    """Negative control of the first test: the same search, after one value was planted."""
    planted = evidence.values[len(evidence.values) // 2]
    for channel, text in evidence.texts.items():
        for name, spelling in spellings(planted):
            found = leaks({channel: text + spelling + text}, evidence.values)
            assert f"{channel}: {name}" in found
    token = b'{"token": "s.' + b"aB3" * 8 + b'"}'
    assert leaks({"log": token}, []) == ["log: a token"]


def _every_outcome(scene: Scene) -> None:
    """Inside Lambda: made, changed, kept, refused, in conflict, restored, deleted; a wrapped login first."""
    place, evidence = scene.place, scene.evidence
    kv, aws = place.vault.secrets.kv.v2, place.operator("secretsmanager")
    auth = place.app_role()
    wrapped = place.wrapped(auth)
    evidence.values += [auth["secret_id"], wrapped["wrapped_secret_id"]]
    place.connect(wrapped, address=scene.vault.address)
    scene.write("db", "drifted", "gone", "returns", "plain")
    place.choose(f"{MARK}/plain", aws_format="plain")
    place.vault.secrets.kv.v1.create_or_update_secret(
        f"{MARK}/old",
        secret={"password": evidence.secret("old")},
        mount_point=f"{place.name}-v1",
        method="POST",
    )
    place.write(f"{MARK}/large", password=evidence.secret("large") + "x" * LIMIT)
    place.write(f"{MARK}/numbers", number=0.1, none=None, nested={"password": evidence.secret("nested")})
    theirs = place.secret(f"{MARK}/foreign")
    aws.create_secret(Name=theirs, SecretString=evidence.secret("foreign"))
    scene.write("foreign")
    aws.create_secret(Name=place.secret("theirs"), SecretString=evidence.secret("theirs"))
    place.write("theirs", password=evidence.secret("adopted"))
    scene.invoke()
    evidence.values += [place.kept()["auth"]["secret_id"], place.kept()["hash_key"]]
    scene.write("db")
    aws.put_secret_value(SecretId=place.secret(f"{MARK}/drifted"), SecretString=evidence.secret("edited"))
    kv.delete_metadata_and_all_versions(f"{MARK}/gone", mount_point=place.name)
    kv.delete_latest_version_of_secret(f"{MARK}/returns", mount_point=place.name)
    scene.invoke()
    kv.undelete_secret_versions(f"{MARK}/returns", versions=[1], mount_point=place.name)
    scene.write("db")
    answer = scene.invoke()
    # The large one, the plain one with two keys, and the foreign one; all else is done.
    assert answer["errorType"] == "RunFailed"
    assert answer["errorMessage"].startswith("3 problems")
    for path, key in (("db", "password"), ("returns", "password"), ("drifted", "password")):
        assert json.loads(place.value(f"{MARK}/{path}"))[key] in evidence.values


def _instead_of_the_value(echo: ProxyAnswer, call: ProxiedCall) -> Behaviour:
    return echo if f"/data/{MARK}" in call.path else FORWARD


def _bad_days_of_vault(scene: Scene) -> None:
    """Inside Lambda: Vault answers errors, pages and halves that repeat the value."""
    faults: tuple[Callable[[bytes], ProxyAnswer], ...] = (
        lambda text: ProxyAnswer(500, b'{"errors":["' + text + b'"]}', "application/json"),
        lambda text: ProxyAnswer(403, b'{"errors":["permission denied: ' + text + b'"]}', "application/json"),
        lambda text: ProxyAnswer(200, b"<html>" + text, "text/html"),
        lambda text: ProxyAnswer(200, b'{"data":{"data":["' + text + b'"]}}', "application/json"),
        lambda text: ProxyAnswer(200, b'{"data":"' + text + b'"}', "application/json"),
    )
    for number, fault in enumerate(faults):
        scene.write("db", f"new-{number}")
        echo = fault(json.dumps(scene.evidence.values[-1])[1:-1].encode())
        scene.vault.rule = partial(_instead_of_the_value, echo)
        assert scene.invoke()["errorType"] == "RunFailed"
    scene.vault.rule = lambda _: FORWARD


def _at_the_command_line(scene: Scene) -> None:
    """Each mode, and AWS's errors that repeat what was sent; then the handler with every log turned up."""
    scene.write("db")
    run = ("-m", "replicator")
    assert scene.command("--dry-run", *run, "--dry-run") == 1
    assert scene.command("--dry-run --json", *run, "--dry-run", "--json") == 1
    assert scene.command("--json", *run, "--json") == 1
    for status, code in (
        (400, "ValidationException"),
        (400, "InvalidSignatureException"),
        (500, "InternalServiceError"),
        (200, "an answer of another server"),
    ):
        scene.write("db", f"echo-{status}-{len(code)}")
        scene.aws.rule = _echoing(status, code)
        assert scene.command("the handler", "-c", HANDLER) == 0
    scene.write("db")
    assert scene.command("a plain run", *run) == 1
    scene.aws.rule = lambda _: FORWARD
    scene.write("db", "another")
    assert scene.command("the handler", "-c", HANDLER) == 0


def _in_a_test_that_fails(scene: Scene, directory: Path) -> None:
    """What pytest writes to the terminal, and into the report that a build server keeps."""
    test, report = directory / "test_failing.py", directory / "report.xml"
    test.write_text(FAILING)
    scene.write("db")
    options = ("-vv", "-rA", "--rootdir", str(directory), "-p", "no:cacheprovider", f"--junitxml={report}")
    assert scene.command("pytest", "-m", "pytest", *options, "-o", "junit_logging=all", str(test)) == 1
    scene.evidence.keep("pytest's own report", report.read_bytes())


def _echoing(status: int, code: str) -> Any:
    def rule(call: ProxiedCall) -> Behaviour:
        if call.operation not in ("PutSecretValue", "CreateSecret"):
            return FORWARD
        message = f"Value {call.body.decode()} failed to satisfy constraint"
        return ProxyAnswer(
            status, json.dumps({"__type": code, "message": message, "ARN": [message]}).encode()
        )

    return rule


def _connections_that_are_wrong(scene: Scene) -> None:
    """A login that is refused, a token that is not one, and contents that are nonsense."""
    place, evidence = scene.place, scene.evidence
    client, name = place.operator("secretsmanager"), place.deployment.connection_secret
    good = client.get_secret_value(SecretId=name)["SecretString"]
    evidence.values.append(place.openbao.root_token)
    place.connect({"method": "token", "token": place.openbao.root_token}, address=scene.vault.address)
    scene.write("db")
    scene.invoke()
    scene.command("a plain run", "-m", "replicator")
    place.connect({"method": "token", "token": evidence.secret("token")}, address=scene.vault.address)
    scene.invoke()
    refused = {**json.loads(good)["auth"], "secret_id": evidence.secret("secret id")}
    place.connect(refused, address=scene.vault.address)
    scene.invoke()
    for content in (evidence.secret("nonsense"), json.dumps([evidence.secret("list")])):
        client.put_secret_value(SecretId=name, SecretString=content)
        assert scene.command("a wrong connection", "-m", "replicator") == 2
    assert scene.invoke()["errorType"] == "RunFailed"
    client.put_secret_value(SecretId=name, SecretString=good)
    scene.invoke()


def _collect(scene: Scene) -> None:
    place, evidence, home = scene.place, scene.evidence, scene.place.aws.home
    function = place.deployment.function_name
    evidence.keep("the function's log", (home / "functions" / f"{function}.log").read_bytes())
    for output in home.glob("functions/sandboxes/*/output"):
        evidence.keep("the function's log", output.read_bytes())
    logs = place.operator("logs")
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function}"):
        evidence.keep("CloudWatch's logs", "\n".join(event["message"] for event in page["events"]))
    metrics = place.operator("cloudwatch").list_metrics()["Metrics"]
    evidence.keep("CloudWatch's metrics", json.dumps(metrics))
    evidence.keep("events", json.dumps(place.events.read(), ensure_ascii=False))
    evidence.keep("messages", json.dumps(place.alerts.read(), ensure_ascii=False))
    pages = place.operator("secretsmanager").get_paginator("list_secrets")
    for page in pages.paginate(IncludePlannedDeletion=True):
        evidence.keep("names and tags", json.dumps(page["SecretList"], default=str))
    evidence.keep("AWS's request log", (home / "requests.jsonl").read_bytes())
    evidence.keep("AWS's own output", (home / "server.log").read_bytes())


def _static_role(vault: Any, mariadb: Any, name: str, evidence: Evidence) -> None:
    """A static role whose password Vault makes: it is a value like any other."""
    user, manager, password = f"{name}-app", f"{name}-vault", uuid.uuid4().hex
    with mariadb.admin() as admin, admin.cursor() as cursor:
        cursor.execute(f"CREATE USER '{manager}'@'%%' IDENTIFIED BY %s REQUIRE SSL", (password,))
        cursor.execute(f"GRANT CREATE USER, RELOAD ON *.* TO '{manager}'@'%' WITH GRANT OPTION")
        cursor.execute(f"GRANT SELECT, UPDATE ON mysql.* TO '{manager}'@'%'")
        cursor.execute(f"CREATE USER '{user}'@'%%' IDENTIFIED BY %s REQUIRE SSL", (uuid.uuid4().hex,))
    vault.sys.enable_secrets_engine("database", path=f"{name}-db")
    connection = {
        "plugin_name": "mysql-database-plugin",
        "connection_url": f"{{{{username}}}}:{{{{password}}}}@tcp({mariadb.host}:{mariadb.port})/",
        "username": manager,
        "password": password,
        "tls_ca": mariadb.ca_file.read_text(),
        "allowed_roles": "*",
    }
    vault.write_data(f"{name}-db/config/app", data=connection)
    role = {"db_name": "app", "username": user, "rotation_period": "24h"}
    vault.write_data(f"{name}-db/static-roles/app", data=role)
    made = vault.read(f"{name}-db/static-creds/app")["data"]["password"]
    evidence.values += [password, made]


def _read(path: Path) -> bytes:
    try:
        # What holds the session that AWS lends is left out; the test's own is no leak.
        return re.sub(rb"AWS_SESSION_TOKEN=[^\0]*", b"", path.read_bytes())
    except OSError:  # the process has ended
        return b""
