"""What every command has in common: how it ends without rights, without a network, and when interrupted."""

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
class Desk:
    """Somebody's files."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "beanvault.toml"

    @property
    def token(self) -> Path:
        return self.directory / "token"

    @contextmanager
    def token_of(self, vault: Unsealed) -> Iterator[None]:
        """Have the token of somebody who may everything in *vault*."""
        self.token.write_text(vault.root_token)
        try:
            yield
        finally:
            self.token.write_text(CANARY)

    def arguments(self, verb: str) -> list[str]:
        files = {"CONNECTION": "connection.json", "TOKEN": "token"}
        words = WITH_AWS.get(verb, ())
        given = [str(self.directory / files[word]) if word in files else word for word in words]
        return ["--config", str(self.config), *verb.split(), *given]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("desk"))
    made.config.write_text(
        f'name = "{NAME}"\nregion = "eu-central-1"\n[vault]\nwhere = "outside"\ncidrs = ["127.0.0.1/32"]\n'
    )
    (made.directory / "connection.json").write_text(json.dumps(CONNECTION))
    made.token.write_text(CANARY)
    return made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """A command run in this process, in an environment without anybody's settings."""
    for name in [*os.environ]:
        if name.startswith(("AWS_", "VAULT_")):
            monkeypatch.delenv(name)
    for file in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(file, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return Told(monkeypatch, capsys)


@dataclass(frozen=True, slots=True)
class Told:
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
def nobody(local_aws: LocalAws) -> dict[str, str]:
    """The environment of a user of the account who may do nothing."""
    iam = local_aws.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    return {
        **local_aws.environment(),
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }


@pytest.mark.parametrize("verb", [verb for verb in WITH_AWS if not verb.startswith(("vault", "rotate"))])
def test_whoever_may_not_is_told_what_is_missing(
    verb: str, desk: Desk, nobody: dict[str, str], told: Told
) -> None:
    code, text = told.run(desk.arguments(verb), **nobody)
    assert code == ExitCode.DENIED, text
    assert re.search(r"AWS refused \w+ \((AccessDenied|AccessDeniedException|AuthorizationError)\)", text)
    assert "→ ask for the permission of" in text


def test_whoever_may_not_in_vault_is_told_what_it_refused(
    desk: Desk, local_aws: LocalAws, openbao: Unsealed, told: Told
) -> None:
    words = ["vault", "init", "--login", "approle", "--yes", "--vault-token-file", str(desk.token)]
    code, text = told.run(
        ["--config", str(desk.config), *words], **local_aws.environment(), **reached(openbao)
    )
    assert code == ExitCode.DENIED, text
    assert "Vault refused" in text
    assert "→ use a token whose policy allows it" in text


@pytest.mark.parametrize("verb", ["rotate", "vault init"])
def test_whoever_may_in_vault_and_not_in_aws_is_told_that(
    verb: str, desk: Desk, nobody: dict[str, str], openbao: Unsealed, told: Told
) -> None:
    with desk.token_of(openbao):
        code, text = told.run(desk.arguments(verb), **nobody, **reached(openbao))
    assert code == ExitCode.DENIED, text
    assert re.search(r"AWS refused \w+ \(AccessDenied", text)
    assert openbao.root_token not in text


@pytest.mark.parametrize("verb", [verb for verb in WITH_AWS if verb not in ("deploy", "listen", "destroy")])
def test_what_is_not_deployed_yet_is_told_as_that(
    verb: str, desk: Desk, local_aws: LocalAws, openbao: Unsealed, told: Told
) -> None:
    with desk.token_of(openbao):
        code, text = told.run(desk.arguments(verb), **local_aws.environment(), **reached(openbao))
    assert code == ExitCode.FAILED, text
    assert re.search("→ deploy .*`beanvault deploy", text)
    assert openbao.root_token not in text


def reached(openbao: Unsealed) -> dict[str, str]:
    return {"VAULT_ADDR": openbao.address, "VAULT_CACERT": str(openbao.ca_file)}


def test_the_doctor_tells_whoever_may_not_and_asks_on(desk: Desk, nobody: dict[str, str], told: Told) -> None:
    code, text = told.run(["--config", str(desk.config), "doctor"], **nobody)
    assert code == ExitCode.FAILED
    assert "good    credentials" in text
    assert text.count("bad     ") >= 4
    assert text.count("AWS refused") >= 5


@pytest.mark.parametrize("verb", WITH_AWS)
def test_without_a_network_it_is_told_who_did_not_answer(verb: str, desk: Desk, told: Told) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    code, text = told.run(
        desk.arguments(verb),
        AWS_ENDPOINT_URL=f"http://{nowhere}",
        VAULT_ADDR=f"https://{nowhere}",
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",
        AWS_MAX_ATTEMPTS="1",
    )
    assert code == ExitCode.UNREACHABLE, text
    assert "didn't answer" in text


def test_the_doctor_tells_who_did_not_answer(desk: Desk, told: Told) -> None:
    code, text = told.run(
        ["--config", str(desk.config), "doctor"],
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}",
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",
        AWS_MAX_ATTEMPTS="1",
    )
    assert code == ExitCode.FAILED, text
    assert "bad     credentials: AWS didn't answer" in text
    assert "→ check the network" in text


@pytest.mark.parametrize("verb", [verb for verb in WITH_AWS if not verb.startswith(("vault", "rotate"))])
def test_without_credentials_it_is_told_how_to_sign_in(
    verb: str, desk: Desk, local_aws: LocalAws, told: Told
) -> None:
    code, text = told.run(desk.arguments(verb), AWS_ENDPOINT_URL=local_aws.endpoint)
    assert code == ExitCode.DENIED, text
    assert "aws sso login" in text


@pytest.fixture
def silence() -> Iterator[socket.socket]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        yield server


@pytest.mark.parametrize("verb", [*WITH_AWS, "doctor"])
def test_an_interrupt_ends_it_in_the_middle_of_a_request(
    verb: str, desk: Desk, silence: socket.socket
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
        [sys.executable, "-m", "beanvault", *desk.arguments(verb)],
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
def test_a_question_that_nobody_answers_names_the_option_that_does(
    arguments: list[str], option: str, desk: Desk, tmp_path: Path
) -> None:
    config = tmp_path / "new.toml" if arguments[0] == "init" else desk.config
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
    desk: Desk, local_aws: LocalAws, told: Told, tmp_path: Path
) -> None:
    environment = local_aws.environment()
    settings = tmp_path / "config"
    settings.write_text(
        "[profile bank]\n"
        f"endpoint_url = {local_aws.endpoint}\n"
        f"aws_access_key_id = {environment['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {environment['AWS_SECRET_ACCESS_KEY']}\n"
    )
    code, text = told.run(
        ["--config", str(desk.config), "--profile", "bank", "destroy"], AWS_CONFIG_FILE=str(settings)
    )
    assert (code, f"{NAME} has no stacks in eu-central-1" in text) == (ExitCode.OK, True), text


def test_a_profile_that_is_not_there_is_a_mistake_of_the_command_line(desk: Desk, told: Told) -> None:
    code, text = told.run(["--config", str(desk.config), "--profile", "nobody", "deploy", "--yes"])
    assert (code, "nobody" in text, "list-profiles" in text) == (ExitCode.USAGE, True, True), text


def test_credentials_that_aws_does_not_know_are_told_as_that(
    desk: Desk, local_aws: LocalAws, told: Told
) -> None:
    code, text = told.run(
        desk.arguments("deploy"),
        AWS_ENDPOINT_URL=local_aws.endpoint,
        AWS_ACCESS_KEY_ID="AKIASTRANGER00000000",
        AWS_SECRET_ACCESS_KEY="x",
    )
    assert code == ExitCode.DENIED, text
    assert "AWS doesn't know these credentials" in text
