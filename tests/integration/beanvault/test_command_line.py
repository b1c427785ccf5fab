"""Story of beanvault/commands/, beanvault/deployment/ and beanvault/teardown/.

The operator's whole way through the command line, as processes: from a deployment file to nothing left.

The tests of this module are one story, done in order; each leaves the deployment as the next finds it.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hvac
import pytest

from templates.aws_versions import PLATFORM
from testbed.demo.eb import EbCli
from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws, clean_environment
from testbed.servers.mariadb import MariaDB
from testbed.servers.openbao import OpenBao
from testbed.servers.proxy import ProxiedCall
from tests.polling import until
from tests.project import ROOT

from .support_interrupts import ctrl_c

NAME = "story"
SECONDS = 300


@dataclass
class Operator:
    """An operator without a terminal, with a deployment file and AWS credentials."""

    directory: Path
    aws: LocalAws
    vault: OpenBao
    output: list[str] = field(default_factory=list)
    """Everything any command printed."""

    @property
    def config(self) -> Path:
        return self.directory / "beanvault.toml"

    @property
    def keys_file(self) -> Path:
        return self.directory / "keys.json"

    def environment(self) -> dict[str, str]:
        return {
            **clean_environment(),
            **self.aws.environment(),
            "VAULT_ADDR": self.vault.address,
            "VAULT_CACERT": str(self.vault.ca_file),
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "beanvault", "--config", str(self.config), *arguments]

    def run(
        self, *arguments: str, status: int = 0, stdin: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            env={**self.environment(), **environment},
            input=stdin or "",
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        self.output += [done.stdout, done.stderr]
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def interrupted(self, *arguments: str, at: str) -> None:
        """Begin a command and press Ctrl-C when it prints a line that *at* matches."""
        with subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                self.output.append(line)
                if re.search(at, line):
                    process.send_signal(signal.SIGINT)
                    break
            rest = process.stderr.read()
            assert process.wait(60) == 130, rest
        assert "run the same command again to resume" in rest
        self.output.append(rest)

    def interrupted_at(
        self, at: Callable[[ProxiedCall], bool], *arguments: str, after: bool, stdin: str = ""
    ) -> ProxiedCall | None:
        """Press Ctrl-C at the call of AWS that *at* picks; return it, or None where it made none."""
        pressed = ctrl_c(self.command(*arguments), self.environment(), at, after=after, stdin=stdin)
        self.output.append(pressed.printed)
        assert pressed.call is None or pressed.status == 130, pressed
        return pressed.call

    def json(self, *arguments: str, status: int = 0, **environment: str) -> Any:
        return json.loads(self.run(*arguments, "--json", status=status, **environment).stdout)

    @property
    def root_token(self) -> str:
        token: str = json.loads(self.keys_file.read_text())["root_token"]
        return token


def at_number(index: int) -> Callable[[ProxiedCall], bool]:
    return lambda call: call.index == index


@pytest.fixture(scope="module")
def operator(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, mariadb: MariaDB
) -> Iterator[Operator]:
    directory = tmp_path_factory.mktemp("story")
    vault = OpenBao.start(directory, authority)
    aws = LocalAws.start(directory, mariadb)
    made = Operator(directory, aws, vault)
    made.run(
        "init",
        *("--name", NAME, "--aws-region", "eu-central-1", "--vault-cidr", "127.0.0.1/32"),
        *("--vault-port", vault.address.rpartition(":")[2]),
    )
    text = made.config.read_text()
    ours = f'[database]\nport = {mariadb.port}\nca_file = "{mariadb.ca_file}"\nsecret_ttl_seconds = 1\n'
    ours += "backup_plan = true\n"
    made.config.write_text(text.replace("[database]\n", ours).replace("waf = false", "waf = true"))
    # What `doctor` asks for: the account's own choice, which no stack makes.
    aws.client("ec2").enable_ebs_encryption_by_default()
    yield made
    aws.stop()
    vault.stop()


def test_an_existing_file_is_not_overwritten(operator: Operator) -> None:
    before = operator.config.read_text()
    done = operator.run("init", "--name", "other", "--aws-region", "eu-central-1", status=2)
    assert "exists" in done.stderr
    assert operator.config.read_text() == before


def test_nothing_is_created_without_consent(operator: Operator) -> None:
    done = operator.run("deploy", status=1)
    assert "pass --yes" in done.stderr
    assert operator.aws.client("cloudformation").describe_stacks()["Stacks"] == []


def test_a_deployment_interrupted_in_the_middle_of_a_stack_is_finished_by_the_next_call(
    operator: Operator,
) -> None:
    operator.interrupted("deploy", "--yes", at=rf"{NAME}-network \w+ CREATE_")
    operator.interrupted("deploy", "--yes", at=rf"{NAME}-data \w+ CREATE_")
    results = {result["stack"]: result for result in operator.json("deploy", "--yes")}
    assert len(results) == 8
    assert {result["outcome"] for result in results.values()} <= {"created", "unchanged"}
    again = operator.json("deploy", "--yes")
    assert {result["outcome"] for result in again} == {"unchanged"}


def test_vault_is_initialised_and_connected_and_that_can_be_repeated(operator: Operator) -> None:
    arguments = ("vault", "init", "--yes", "--keys-file", str(operator.keys_file), "--invisible", "hidden")
    done = operator.run(*arguments)
    assert stat.S_IMODE(operator.keys_file.stat().st_mode) == 0o600
    assert "cannot list hidden/metadata/" in done.stderr
    operator.run(*arguments)


def test_a_connection_is_taken_from_standard_input_only_if_it_works(operator: Operator) -> None:
    printed = operator.run("vault", "init", "--keys-file", str(operator.keys_file), "--print-connection")
    connection = printed.stdout
    operator.output.remove(connection)  # the one output that is meant to hold a secret
    wrong = json.loads(connection)
    wrong["auth"]["secret_id"] = "canary-wrong-secret-id"
    refused = operator.run("connect", "-", status=1, stdin=json.dumps(wrong))
    assert "SourceDenied" in refused.stderr
    operator.run("replicate")  # the one before is back
    broken = operator.run("connect", "-", status=2, stdin='{"address": "http://vault", "auth": {}}')
    assert "https://" in broken.stderr
    assert "logged in" in operator.run("connect", "-", stdin=connection).stderr


def test_a_connection_that_was_interrupted_anywhere_leaves_the_previous_one(operator: Operator) -> None:
    """What it would have written doesn't work: not once may it be there for the function's next run."""
    secretsmanager = operator.aws.client("secretsmanager")

    def stored() -> Any:
        return json.loads(secretsmanager.get_secret_value(SecretId=f"{NAME}-connection")["SecretString"])

    before = stored()["auth"]
    # Not a wrong secret id: after five of those OpenBao locks the role for a quarter of an hour.
    wrong = json.dumps(
        {
            "address": stored()["address"],
            "ca_bundle": stored()["ca_bundle"],
            "auth": before | {"mount": "nowhere"},
        }
    )
    interrupted = []
    for index in itertools.count():
        call = operator.interrupted_at(at_number(index), "connect", "-", after=True, stdin=wrong)
        assert stored()["auth"] == before, call
        if call is None:
            break
        interrupted.append(call.operation)
    assert {"PutSecretValue", "UpdateSecretVersionStage"} <= set(interrupted)
    assert any("/invocations" in operation for operation in interrupted)
    operator.run("replicate")


def test_a_credential_is_rotated_and_replicated_without_anybody_seeing_it(operator: Operator) -> None:
    token = operator.root_token
    first = operator.json("rotate", VAULT_TOKEN=token)
    assert first["username"] == "app_blue"
    second = operator.json("rotate", VAULT_TOKEN=token)
    assert second["username"] == "app_green"
    assert "may still be in use" in operator.run("rotate", status=1, VAULT_TOKEN=token).stderr
    assert "use a token whose policy allows it" in operator.run("rotate", status=3, VAULT_TOKEN="s.no").stderr
    for after in (False, True):  # the function's work goes on without the one who asked for it
        call = operator.interrupted_at(at_number(0), "replicate", after=after)
        assert call is not None
        assert "/invocations" in call.operation
    counts = operator.json("replicate")
    assert counts["Unchanged"] == 1
    status = operator.json("status")
    assert status["healthy"] is True
    (line,) = status["secrets"]
    assert (line["state"], line["source_version"], line["target_version"]) == ("current", "2", "2")
    assert "0 created" in operator.run("replicate", "--dry-run").stdout


def test_the_eb_cli_deploys_the_bundle_to_the_environment(operator: Operator) -> None:
    """The lines that `deploy` printed, in the real one, without a terminal or any settings of its own.

    The application logs in with the replicated credential.
    """

    def environment() -> Mapping[str, Any]:
        found: Mapping[str, Any]
        (found,) = beanstalk.describe_environments(EnvironmentNames=[f"{NAME}-app"])["Environments"]
        return found

    beanstalk = operator.aws.client("elasticbeanstalk")
    project = operator.directory / "project"
    (project / ".elasticbeanstalk").mkdir(parents=True)
    shutil.copy(ROOT / ".elasticbeanstalk" / "config.yml", project / ".elasticbeanstalk")
    operator.run("bundle", "--output", str(project / "build" / "bundle.zip"))
    eb = EbCli(project, operator.directory / "home", operator.aws.environment(), project / "eb.log")
    done = operator.run("deploy", "--yes")
    printed = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    init = next(shlex.split(line)[1:] for line in printed if line.startswith("eb init "))
    deploy = next(shlex.split(line)[1:] for line in printed if line.startswith("eb deploy "))
    assert not eb.home.exists()
    eb.run(*init)
    assert f"default_platform: {PLATFORM.in_use}" in (project / ".elasticbeanstalk/config.yml").read_text()
    for after in (False, True):
        pressed = ctrl_c(
            eb.command(*deploy, "--label", f"story-0-{after}"),
            eb.variables(),
            lambda call: call.operation == "UpdateEnvironment",
            after=after,
            directory=project,
        )
        assert pressed.call is not None, pressed
    until(lambda: environment()["Status"] == "Ready", SECONDS)
    eb.run(*deploy, "--label", "story-1")
    assert "story-1" in eb.run("status", f"{NAME}-app")
    assert {result["outcome"] for result in operator.json("deploy", "environment", "--yes")} == {"unchanged"}
    assert (environment()["VersionLabel"], environment()["Health"]) == ("story-1", "Green")


def test_what_was_broken_by_hand_and_nothing_else_is_red(operator: Operator) -> None:
    """A public port, a bucket without encryption by default, a secret somebody edited."""

    def red() -> set[tuple[str, str]]:
        done = subprocess.run(
            operator.command("verify", "--json", "--html", str(page)),
            env=operator.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        findings = json.loads(done.stdout)
        failed = {(f["control"], f["resource"].split(" ")[0]) for f in findings if f["status"] == "fail"}
        assert not [finding for finding in findings if finding["status"] == "unknown"]
        assert done.returncode == bool(failed)
        return failed

    page = operator.directory / "report.html"
    assert operator.interrupted_at(at_number(30), "verify", "--html", str(page), after=True)
    assert not page.exists()
    assert red() == set()
    ec2, s3 = operator.aws.client("ec2"), operator.aws.client("s3")
    secretsmanager = operator.aws.client("secretsmanager")
    (group,) = ec2.describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [f"{NAME}-network-DatabaseSecurityGroup*"]}]
    )["SecurityGroups"]
    ec2.authorize_security_group_ingress(
        GroupId=group["GroupId"], IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )
    bucket = next(b["Name"] for b in s3.list_buckets()["Buckets"] if "logbucket" in b["Name"])
    s3.delete_bucket_encryption(Bucket=bucket)
    secret = f"{NAME}/app/database"
    secretsmanager.put_secret_value(SecretId=secret, SecretString="edited")
    assert red() == {
        ("EC2.18", group["GroupId"]),
        ("SEC05-BP02", group["GroupId"]),
        ("S3.17", bucket),
        ("BV.SM2", secret),
    }
    assert "not hardened" in page.read_text()
    assert bucket in page.read_text()


def test_no_output_held_a_secret(operator: Operator) -> None:
    """What Vault, the database and the keys' file hold, against everything that was printed."""
    client = hvac.Client(
        url=operator.vault.address, token=operator.root_token, verify=str(operator.vault.ca_file)
    )
    secrets = [operator.root_token, *json.loads(operator.keys_file.read_text())["unseal_keys"]]
    for version in (1, 2):
        read = client.secrets.kv.v2.read_secret_version(
            "app/database", version=version, mount_point="beanvault", raise_on_deleted_version=True
        )
        secrets.append(read["data"]["data"]["password"])
    connection = operator.aws.client("secretsmanager").get_secret_value(SecretId=f"{NAME}-connection")
    secrets.append(json.loads(connection["SecretString"])["auth"]["secret_id"])
    everything = "\n".join(operator.output)
    assert len(everything) > 10_000
    assert not [secret for secret in [*secrets, "canary-wrong-secret-id"] if secret in everything]


def test_destroying_needs_the_name_and_leaves_only_what_it_lists(operator: Operator) -> None:
    assert "isn't 'story'" in operator.run("destroy", "--confirm", "other", status=1).stderr
    operator.interrupted("destroy", "--confirm", NAME, at=rf"{NAME}-environment \w+ DELETE_")
    result = operator.json("destroy", "--confirm", NAME)
    assert len(result["deleted"]) <= 8
    assert {kept["type"] for kept in result["kept"]} <= {
        "AWS::KMS::Key",
        "AWS::RDS::OptionGroup",
        "automated backups of AWS::RDS::DBInstance",
        "snapshot of AWS::RDS::DBInstance",
    }
    left = [
        stack["StackName"]
        for stack in operator.aws.client("cloudformation").describe_stacks()["Stacks"]
        if stack["StackStatus"] != "DELETE_COMPLETE"
    ]
    assert left == []
    assert operator.aws.client("s3").list_buckets()["Buckets"] == []
    assert operator.aws.client("acm").list_certificates()["CertificateSummaryList"] == []
    assert "has no stacks" in operator.run("destroy").stderr
