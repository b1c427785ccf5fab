"""Story of testbed/demo/.

The demo's steps as assertions, which check results from outside, not the facts that a step returns.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

import pymysql
import pytest

from beanvault.artifacts import package
from testbed.demo.configuration import INVISIBLE
from testbed.demo.flow import STEPS, Facts, Flow
from testbed.demo.load import LoadSummary, OpenLoopLoad
from tests.project import ROOT
from tests.tls import assert_only_modern_tls

Step = Callable[[Flow], Facts]


@dataclass
class Journey:
    """Runs the steps in order, each once, as far as a test needs them."""

    flow: Flow
    facts: dict[str, Facts] = field(default_factory=dict)

    def upto(self, step: Step) -> Facts:
        for _, each in STEPS:
            if each.__name__ not in self.facts:
                self.facts[each.__name__] = each(self.flow)
            if each is step:
                return self.facts[each.__name__]
        raise AssertionError(f"{step} is no step of the demo")


@pytest.fixture(scope="module")
def journey() -> Iterator[Journey]:
    directory = Path(tempfile.mkdtemp(prefix="beanvault-"))  # short: a socket's path has 107 bytes
    try:
        with ExitStack() as cleanup:
            yield Journey(Flow(directory, cleanup, lambda _: None))
    finally:
        rmtree(directory, ignore_errors=True)


def test_vault_is_unsealed_with_raft_and_a_read_only_policy(journey: Journey) -> None:
    """It is not a development server, and the function's policy grants only reading and listing."""
    journey.upto(Flow.prepare_vault)
    root = journey.flow.vault.client(journey.flow.root_token)
    status = root.sys.read_seal_status()
    assert (status["sealed"], status["storage_type"]) == (False, "raft")
    policy = root.sys.read_policy("demo-replicator")["data"]["rules"]
    rules = [line for line in policy.splitlines() if line.startswith('path "') and "auth/token/" not in line]
    assert any('"read"' in rule for rule in rules)
    assert not any(
        action in rule for rule in rules for action in ("create", "update", "delete", "sudo", "patch")
    )
    assert INVISIBLE not in policy


def test_the_stacks_exist_and_their_resources_are_private_and_encrypted(journey: Journey) -> None:
    """Read back from the services, not from the templates."""
    journey.upto(Flow.create_stacks)
    aws = journey.flow.aws
    stacks = aws.client("cloudformation").describe_stacks()["Stacks"]
    # The environment's stack was updated to remove the label of its first version.
    status = {stack["StackName"]: stack["StackStatus"] for stack in stacks}
    assert status.pop("demo-environment") == "UPDATE_COMPLETE"
    assert set(status.values()) == {"CREATE_COMPLETE"}
    database = aws.client("rds").describe_db_instances()["DBInstances"][0]
    assert database["StorageEncrypted"]
    assert not database["PubliclyAccessible"]
    assert all(
        not subnet["MapPublicIpOnLaunch"]
        for subnet in aws.client("ec2").describe_subnets(
            Filters=[{"Name": "tag:beanvault:deployment", "Values": ["demo"]}]
        )["Subnets"]
    )
    listeners = [
        listener
        for balancer in aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
        for listener in aws.client("elbv2").describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])[
            "Listeners"
        ]
    ]
    assert {listener["Port"] for listener in listeners if listener["Protocol"] == "HTTPS"} == {443}
    assert {
        action["Type"]
        for listener in listeners
        if listener["Protocol"] == "HTTP"
        for action in listener["DefaultActions"]
    } <= {"redirect"}


def test_the_stacks_function_is_the_zip_that_the_project_packages(journey: Journey, tmp_path: Path) -> None:
    journey.upto(Flow.create_stacks)
    packaged = package.build(ROOT, "replicator", tmp_path).path.read_bytes()
    running = journey.flow.aws.client("lambda").get_function_configuration(FunctionName="demo-replicator")
    assert running["CodeSha256"] == base64.b64encode(hashlib.sha256(packaged).digest()).decode()


def test_the_credential_is_replicated_under_the_customers_key_and_a_second_run_does_nothing(
    journey: Journey,
) -> None:
    facts = journey.upto(Flow.connect_and_replicate)
    secrets = journey.flow.aws.client("secretsmanager")
    described = secrets.describe_secret(SecretId="demo/app/database")
    key = journey.flow.aws.client("kms").describe_key(KeyId=described["KmsKeyId"])["KeyMetadata"]
    assert key["KeyManager"] == "CUSTOMER"
    assert {"beanvault:owner", "beanvault:source"} <= {tag["Key"] for tag in described["Tags"]}
    replicated = json.loads(secrets.get_secret_value(SecretId="demo/app/database")["SecretString"])
    vault = journey.flow.vault.client(journey.flow.root_token)
    stored = vault.secrets.kv.v2.read_secret_version(
        "app/database", mount_point="beanvault", raise_on_deleted_version=True
    )["data"]["data"]
    assert (replicated["username"], replicated["password"]) == (stored["username"], stored["password"])
    again = json.loads(str(facts["second run"]))
    assert again == {name: int(name == "Unchanged") for name in again}


def test_the_eb_cli_deployed_the_bundle_and_it_serves_tls_end_to_end(journey: Journey) -> None:
    """The environment runs the version that `eb deploy` made, and each hop is TLS."""
    facts = journey.upto(Flow.use_page)
    environment = journey.flow.aws.client("elasticbeanstalk").describe_environments()["Environments"][0]
    assert (environment["VersionLabel"], environment["Status"], environment["Health"]) == (
        "demo-1",
        "Ready",
        "Green",
    )
    assert "demo-1" in journey.flow.eb.run("status")
    for hop in ("load balancer", "instance", "database"):
        assert str(facts[f"TLS to the {hop}"]).startswith(("TLSv1.2", "TLSv1.3"))
    with journey.flow.site.visitor() as visitor:
        assert visitor.get(f"{journey.flow.site.url}/readyz", timeout=30).json()["ready"]


def test_a_rotation_under_load_fails_no_request_and_is_used(journey: Journey) -> None:
    """The demo shows how soon, and `python -m testbed.benchmarks.rotation` compares that with a limit."""
    facts = journey.upto(Flow.rotate_under_load)
    assert facts["failed"] == 0
    assert int(facts["requests"]) > 300
    assert facts["database user"] == "app_blue → app_green"


def test_the_database_has_connections_of_the_new_user_only(journey: Journey) -> None:
    """Checked in the database's process list, not in the app's status."""
    journey.upto(Flow.rotate_under_load)
    with journey.flow.site.visitor() as visitor:
        visitor.get(f"{journey.flow.site.url}/api/entries", timeout=30)
    with journey.flow.mariadb.admin() as admin, admin.cursor() as cursor:
        cursor.execute("SELECT DISTINCT user FROM information_schema.processlist WHERE user LIKE 'app%'")
        assert cursor.fetchall() == (("app_green",),)


def test_the_load_balancer_accepts_modern_tls_only(journey: Journey) -> None:
    """As in the listener's security policy; tested with the `openssl` program."""
    journey.upto(Flow.deploy_app)
    assert_only_modern_tls(journey.flow.site.url.removeprefix("https://"))


def test_no_request_fails_while_vault_and_secrets_manager_hang(journey: Journey) -> None:
    """For a minute, while database connections are killed every second.

    Both accept connections and never answer, which is worse than being down. Afterwards a rotation succeeds
    and its credential is used by the same processes as before.
    """
    journey.upto(Flow.rotate_under_load)
    flow = journey.flow
    before = gunicorns(flow)
    with OpenLoopLoad.start(flow.site, rate=50) as load:
        stopped = [flow.openbao.process.popen.pid, flow.aws.process.popen.pid]
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            for _ in range(60):
                cut_connections(flow)
                time.sleep(1)
            with flow.site.visitor() as visitor:
                ready = visitor.get(f"{flow.site.url}/readyz", timeout=30).json()
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        assert (ready["ready"], ready["credential"]["state"]) == (True, "last good value")
        rotated = flow.rotate()
        deadline = time.monotonic() + 30
        while version_in_use(flow) != rotated.version_id:
            assert time.monotonic() < deadline, "the app does not use the new credential"
            time.sleep(0.1)
        result = LoadSummary.of(load.finish())
    assert result.requests >= 60 * 50
    assert result.failed == 0, result.problems
    assert gunicorns(flow) == before


def version_in_use(flow: Flow) -> str:
    with flow.site.visitor() as visitor:
        status = visitor.get(f"{flow.site.url}/api/status", timeout=30).json()
        return str(status["database"]["version_id"])


def cut_connections(flow: Flow) -> None:
    """Kill every database connection of the app, as a failover does."""
    with flow.mariadb.admin() as admin, admin.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE user LIKE 'app%'")
        for (number,) in cursor.fetchall():
            with suppress(pymysql.OperationalError):  # it may have ended just now
                cursor.execute(f"KILL {number}")


def gunicorns(flow: Flow) -> set[str]:
    """Return the process ids of gunicorn on the instances of this deployment."""
    found = set()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it may have ended just now
            here = (command.parent / "cwd").resolve().is_relative_to(flow.directory)
            if here and b"eb_app.application" in command.read_bytes():
                found.add(command.parent.name)
    assert len(found) >= 2
    return found


def test_only_what_must_be_refused_is_refused(journey: Journey) -> None:
    facts = journey.upto(Flow.try_what_is_refused)
    allowed = {what for what, answer in facts.items() if answer == "allowed"}
    assert allowed == {
        "function's token reads beanvault/app/database in Vault",
        "function's role reads its connection secret",
        "app's role reads its own secret",
        "app's user logs in to the database over TLS",
    }
    assert len(facts) == 12


def test_no_password_is_in_any_other_file_of_the_run(journey: Journey) -> None:
    """The logs of all servers, the function, the app and the EB CLI have neither password nor token."""
    journey.upto(Flow.try_what_is_refused)
    flow = journey.flow
    vault = flow.vault.client(flow.root_token)
    versions = [
        vault.secrets.kv.v2.read_secret_version(
            "app/database", version=version, mount_point="beanvault", raise_on_deleted_version=True
        )["data"]["data"]["password"]
        for version in (1, 2)
    ]
    canaries = [*versions, flow.root_token, flow.auth["secret_id"]]
    spellings = [
        spelling.encode()
        for canary in canaries
        for spelling in (canary, base64.b64encode(canary.encode()).decode().rstrip("=")[:-1])
    ]
    stores = (flow.directory / "openbao" / "raft", flow.directory / "mariadb" / "data")
    searched = [
        path
        for path in flow.directory.rglob("*")
        if path.is_file() and not path.is_symlink() and not any(path.is_relative_to(s) for s in stores)
    ]
    assert len(searched) > 20
    leaks = [path for path in searched if any(s in path.read_bytes() for s in spellings)]
    assert leaks == []
