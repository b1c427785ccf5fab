"""Story of beanvault/cli.py, beanvault/command_context.py, beanvault/errors.py, beanvault/signals.py and
beanvault/commands/.

What every command has in common: how it ends without rights, without a network, and when interrupted.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from beanvault import cli
from beanvault.errors import ExitCode
from testbed.servers.localaws import LocalAws, clean_environment
from testbed.servers.process import free_port
from tests.conftest import Unsealed

NAME = "every"
CANARY = "canary-of-every-command"
SECONDS = 60
CONNECTION = {
    "address": "https://vault.example",
    "auth": {"method": "approle", "mount": "approle", "role_id": CANARY, "secret_id": CANARY},
}

WITH_AWS: dict[str, tuple[str, ...]] = {
    "deploy": ("--yes",),
    "connect": ("CONNECTION",),
    "replicate": (),
    "replicate --dry-run": (),
    "status": (),
    "rotate": ("--vault-token-file", "TOKEN"),
    "listen": ("--port", "0"),
    "verify": (),
    "alerts test": (),
    "destroy": ("--confirm", NAME),
    "vault init": ("--login", "aws", "--yes", "--vault-token-file", "TOKEN"),
}
"""Each command that talks to AWS, and what it needs; the words in capitals are the fixture's files."""


@dataclass(frozen=True, slots=True)
class OperatorFiles:
    """An operator's files."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "beanvault.toml"

    @property
    def token(self) -> Path:
        return self.directory / "token"

    @contextmanager
    def token_of(self, vault: Unsealed) -> Iterator[None]:
        """Have the root token of *vault*."""
        self.token.write_text(vault.root_token)
        try:
            yield
        finally:
            self.token.write_text(CANARY)

    def arguments(self, command: str) -> list[str]:
        names = {"CONNECTION": "connection.json", "TOKEN": "token"}
        words = WITH_AWS.get(command, ())
        given = [str(self.directory / names[word]) if word in names else word for word in words]
        return ["--config", str(self.config), *command.split(), *given]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> OperatorFiles:
    made = OperatorFiles(tmp_path_factory.mktemp("files"))
    made.config.write_text(
        f'name = "{NAME}"\nregion = "eu-central-1"\n[vault]\nwhere = "outside"\ncidrs = ["127.0.0.1/32"]\n'
    )
    (made.directory / "connection.json").write_text(json.dumps(CONNECTION))
    made.token.write_text(CANARY)
    return made


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandRunner:
    """Runs a command in this process, in an environment without AWS and Vault settings."""
    for name in [*os.environ]:
        if name.startswith(("AWS_", "VAULT_")):
            monkeypatch.delenv(name)
    for file in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(file, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return CommandRunner(monkeypatch, capsys)


@dataclass(frozen=True, slots=True)
class CommandRunner:
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, arguments: list[str], **environment: str) -> tuple[int, str]:
        for name, value in environment.items():
            self.monkeypatch.setenv(name, value)
        code = cli.run(arguments)
        printed = self.capsys.readouterr()
        everything = printed.out + printed.err
        assert "Traceback" not in everything
        assert CANARY not in everything
        return code, everything


@pytest.fixture(scope="module")
def without_permissions(local_aws: LocalAws) -> dict[str, str]:
    """The environment of a user without permissions."""
    iam = local_aws.client("iam")
    iam.create_user(UserName="without-permissions")
    key = iam.create_access_key(UserName="without-permissions")["AccessKey"]
    return {
        **local_aws.environment(),
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }


@pytest.mark.parametrize(
    "command", [command for command in WITH_AWS if not command.startswith(("vault", "rotate"))]
)
def test_a_missing_permission_is_named(
    command: str, files: OperatorFiles, without_permissions: dict[str, str], runner: CommandRunner
) -> None:
    code, text = runner.run(files.arguments(command), **without_permissions)
    assert code == ExitCode.DENIED, text
    assert re.search(r"AWS refused \w+ \((AccessDenied|AccessDeniedException|AuthorizationError)\)", text)
    assert "→ ask for the permission of" in text


def test_a_refusal_by_vault_is_named(
    files: OperatorFiles, local_aws: LocalAws, openbao: Unsealed, runner: CommandRunner
) -> None:
    words = ["vault", "init", "--login", "approle", "--yes", "--vault-token-file", str(files.token)]
    code, text = runner.run(
        ["--config", str(files.config), *words], **local_aws.environment(), **reached(openbao)
    )
    assert code == ExitCode.DENIED, text
    assert "Vault refused" in text
    assert "→ use a token whose policy allows it" in text


@pytest.mark.parametrize("command", ["rotate", "vault init"])
def test_permissions_in_vault_without_those_in_aws_are_not_enough(
    command: str,
    files: OperatorFiles,
    without_permissions: dict[str, str],
    openbao: Unsealed,
    runner: CommandRunner,
) -> None:
    with files.token_of(openbao):
        code, text = runner.run(files.arguments(command), **without_permissions, **reached(openbao))
    assert code == ExitCode.DENIED, text
    assert re.search(r"AWS refused \w+ \(AccessDenied", text)
    assert openbao.root_token not in text


@pytest.mark.parametrize(
    "command", [command for command in WITH_AWS if command not in ("deploy", "listen", "destroy")]
)
def test_the_remedy_before_the_first_deployment_is_to_deploy(
    command: str, files: OperatorFiles, local_aws: LocalAws, openbao: Unsealed, runner: CommandRunner
) -> None:
    with files.token_of(openbao):
        code, text = runner.run(files.arguments(command), **local_aws.environment(), **reached(openbao))
    assert code == ExitCode.FAILED, text
    assert re.search(r"→ deploy .*`beanvault (--config \S+ )?deploy", text)
    assert openbao.root_token not in text


def reached(openbao: Unsealed) -> dict[str, str]:
    return {"VAULT_ADDR": openbao.address, "VAULT_CACERT": str(openbao.ca_file)}


def test_the_doctor_names_each_refusal_and_continues(
    files: OperatorFiles, without_permissions: dict[str, str], runner: CommandRunner
) -> None:
    code, text = runner.run(["--config", str(files.config), "doctor"], **without_permissions)
    assert code == ExitCode.FAILED
    assert "good    credentials" in text
    assert text.count("bad     ") >= 4
    assert text.count("AWS refused") >= 5


@pytest.mark.parametrize("command", WITH_AWS)
def test_without_a_network_the_service_is_named(
    command: str, files: OperatorFiles, runner: CommandRunner
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    code, text = runner.run(
        files.arguments(command),
        AWS_ENDPOINT_URL=f"http://{nowhere}",
        VAULT_ADDR=f"https://{nowhere}",
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",
        AWS_MAX_ATTEMPTS="1",
    )
    assert code == ExitCode.UNREACHABLE, text
    assert "didn't answer" in text


def test_the_doctor_names_the_service_that_did_not_answer(
    files: OperatorFiles, runner: CommandRunner
) -> None:
    code, text = runner.run(
        ["--config", str(files.config), "doctor"],
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}",
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",
        AWS_MAX_ATTEMPTS="1",
    )
    assert code == ExitCode.FAILED, text
    assert "bad     credentials: AWS didn't answer" in text
    assert "→ check the network" in text


@pytest.mark.parametrize(
    "command", [command for command in WITH_AWS if not command.startswith(("vault", "rotate"))]
)
def test_without_credentials_the_remedy_is_to_sign_in(
    command: str, files: OperatorFiles, local_aws: LocalAws, runner: CommandRunner
) -> None:
    code, text = runner.run(files.arguments(command), AWS_ENDPOINT_URL=local_aws.endpoint)
    assert code == ExitCode.DENIED, text
    assert "aws sso login" in text


@pytest.fixture
def silence() -> Iterator[socket.socket]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        yield server


@pytest.mark.parametrize("command", [*WITH_AWS, "doctor"])
def test_an_interrupt_ends_it_in_the_middle_of_a_request(
    command: str, files: OperatorFiles, silence: socket.socket
) -> None:
    address = f"127.0.0.1:{silence.getsockname()[1]}"
    environment = {
        **{name: value for name, value in clean_environment().items() if not name.startswith("VAULT_")},
        "AWS_ENDPOINT_URL": f"http://{address}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "VAULT_ADDR": f"https://{address}",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "beanvault", *files.arguments(command)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        connection, _ = silence.accept()
        with connection:
            connection.settimeout(SECONDS)
            assert connection.recv(1)  # the request is under way
            process.send_signal(signal.SIGINT)
            try:
                printed, _ = process.communicate(timeout=SECONDS)
            finally:
                process.kill()
    assert process.returncode == ExitCode.INTERRUPTED, printed
    assert "Traceback" not in printed
    assert CANARY not in printed


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["init"], "--name"),
        (["init", "--name", "shop"], "--aws-region"),
        (["init", "--name", "shop", "--aws-region", "eu-central-1", "--domain", "a.b"], "--hosted-zone-id"),
        (["rotate", "--vault-address", "https://127.0.0.1:9"], "--vault-token-file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_a_terminal_a_question_names_its_option(
    arguments: list[str], option: str, files: OperatorFiles, tmp_path: Path
) -> None:
    config = tmp_path / "new.toml" if arguments[0] == "init" else files.config
    done = subprocess.run(
        [sys.executable, "-m", "beanvault", "--config", str(config), *arguments],
        env={name: value for name, value in clean_environment().items() if not name.startswith("VAULT_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # without a terminal to ask for a password at
    )
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert "there is no terminal to ask at" in done.stderr
    assert option in done.stderr.splitlines()[-1]


def test_a_profile_leads_to_its_endpoint_with_its_credentials(
    files: OperatorFiles, local_aws: LocalAws, runner: CommandRunner, tmp_path: Path
) -> None:
    environment = local_aws.environment()
    settings = tmp_path / "config"
    settings.write_text(
        "[profile bank]\n"
        f"endpoint_url = {local_aws.endpoint}\n"
        f"aws_access_key_id = {environment['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {environment['AWS_SECRET_ACCESS_KEY']}\n"
    )
    code, text = runner.run(
        ["--config", str(files.config), "--profile", "bank", "destroy"], AWS_CONFIG_FILE=str(settings)
    )
    assert (code, f"{NAME} has no stacks in eu-central-1" in text) == (ExitCode.OK, True), text


def test_a_profile_that_does_not_exist_is_a_usage_error(files: OperatorFiles, runner: CommandRunner) -> None:
    code, text = runner.run(["--config", str(files.config), "--profile", "nobody", "deploy", "--yes"])
    assert (code, "nobody" in text, "list-profiles" in text) == (ExitCode.USAGE, True, True), text


def test_credentials_that_aws_does_not_know_are_named_as_such(
    files: OperatorFiles, local_aws: LocalAws, runner: CommandRunner
) -> None:
    code, text = runner.run(
        files.arguments("deploy"),
        AWS_ENDPOINT_URL=local_aws.endpoint,
        AWS_ACCESS_KEY_ID="AKIASTRANGER00000000",
        AWS_SECRET_ACCESS_KEY="x",
    )
    assert code == ExitCode.DENIED, text
    assert "AWS doesn't know these credentials" in text
