"""Story of beanvault/commands/vault.py and beanvault/vault/keys.py.

The command `vault init`: what happens to the only keys, which token is used, and what is reported.
"""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from beanvault import cli
from beanvault.errors import BeanvaultError, Denied, ExitCode
from beanvault.vault import server
from beanvault.vault.keys import KeyFile, Keys
from beanvault.vault.server import VaultServer
from testbed.servers.authority import Authority
from testbed.servers.localaws import clean_environment
from testbed.servers.proxy import FORWARD, Behaviour, Drop, Pass, ProxiedCall, Proxy
from tests.conftest import Unsealed

from .support_pgp import Holder

SECONDS = 120
INIT = "PUT /v1/sys/init"
OUTSIDE = '[vault]\nwhere = "outside"\ncidrs = ["127.0.0.1/32"]\n'
REST = '[replicator]\nmounts = ["init-kv"]\n[database]\nmode = "iam"\n'


@dataclass
class Operator:
    """Runs `beanvault vault init` through *proxy*, which forwards to the Vault."""

    directory: Path
    proxy: Proxy
    ca_file: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def reached(self) -> VaultServer:
        return VaultServer(self.proxy.address, self.ca_file)

    @property
    def keys_file(self) -> Path:
        return self.directory / "keys.json"

    def describe(self, vault: str = OUTSIDE) -> None:
        (self.directory / "beanvault.toml").write_text(
            f'name = "init"\nregion = "eu-central-1"\n{vault}{REST}'
        )

    def arguments(self, *more: str) -> list[str]:
        config = str(self.directory / "beanvault.toml")
        return ["--config", config, "vault", "init", "--yes", "--print-connection", *more]

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in clean_environment().items() if not name.startswith("VAULT_")}
        return kept | {"VAULT_ADDR": self.proxy.address, "VAULT_CACERT": str(self.ca_file)}

    @contextmanager
    def typing(self, *more: str, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
        """Run the command as a process of its own; the proxy's rule knows it as the last one."""
        command = [sys.executable, "-m", "beanvault", *self.arguments(*more)]
        process = subprocess.Popen(
            command,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self.processes.append(process)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def run(self, *more: str, status: int = 0) -> tuple[str, str]:
        """Return what it printed to standard output and standard error."""
        with self.typing(*more) as process:
            out, err = process.communicate(timeout=SECONDS)
        assert process.returncode == status, err
        return out, err

    def at(self, operation: str, act: Callable[[int], None], then: Behaviour = FORWARD) -> None:
        """Do something to the process, by its id, when it sends a request; *then* the request goes on."""

        def rule(call: ProxiedCall) -> Behaviour:
            if not call.operation.startswith(operation):
                return FORWARD
            act(self.processes[-1].pid)
            return then

        self.proxy.rule = rule


@pytest.fixture
def operator(tmp_path: Path, empty: VaultServer, authority: Authority) -> Iterator[Operator]:
    """In front of an empty Vault."""
    assert empty.ca_file is not None
    proxy = Proxy(empty.address, empty.ca_file, authority.issue("before-vault"))
    made = Operator(tmp_path, proxy, empty.ca_file)
    made.describe()
    yield made
    proxy.close()


def interrupt(number: signal.Signals) -> Callable[[int], None]:
    return lambda pid: os.kill(pid, number)


def fill_the_disk(pid: int) -> None:
    """Let every write of a process to a file fail from now on, as on a full disk."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_during_initialisation_takes_effect_after_the_keys_are_saved(
    operator: Operator, number: signal.Signals
) -> None:
    """Vault returns its keys once: if the command had ended, no one could ever unseal it."""
    operator.at(INIT, interrupt(number), then=Pass(delay=0.5))
    ended = -number if number is signal.SIGHUP else ExitCode.INTERRUPTED
    operator.run("--keys-file", str(operator.keys_file), status=ended)
    assert stat.S_IMODE(operator.keys_file.stat().st_mode) == 0o600
    assert len(Keys.read(operator.keys_file).keys) == 5
    operator.proxy.rule = lambda _: FORWARD
    out, err = operator.run("--keys-file", str(operator.keys_file))
    assert json.loads(out)["auth"]["method"] == "approle"
    assert "checked: can read init-kv/data/" in err


STAGES = (
    INIT,
    "PUT /v1/sys/unseal",
    "POST /v1/sys/mounts/init-kv",
    "PUT /v1/sys/policy/init-replicator",
    "POST /v1/sys/auth/approle",
    "POST /v1/auth/approle/role/init-replicator/secret-id",
    "POST /v1/auth/approle/login",
    "POST /v1/auth/token/revoke-self",
)


def test_an_interrupted_run_can_be_resumed_from_any_stage(operator: Operator) -> None:
    for stage in STAGES:
        operator.at(stage, interrupt(signal.SIGINT), then=Pass(delay=0.2))
        _, err = operator.run("--keys-file", str(operator.keys_file), status=ExitCode.INTERRUPTED)
        assert "run the same command again to resume" in err
    operator.proxy.rule = lambda _: FORWARD
    out, _ = operator.run("--keys-file", str(operator.keys_file))
    auth = json.loads(out)["auth"]
    operator.reached.client().auth.approle.login(auth["role_id"], auth["secret_id"])


def test_a_lost_answer_is_reported_as_the_loss_of_the_keys(operator: Operator) -> None:
    operator.at(INIT, lambda _: None, then=Drop(after=True))
    _, err = operator.run("--keys-file", str(operator.keys_file), status=ExitCode.FAILED)
    assert "is initialised, and the answer with its only keys was lost" in err
    assert "delete its storage" in err
    assert not operator.keys_file.exists()


def test_a_request_that_did_not_reach_vault_can_be_repeated(
    operator: Operator,
) -> None:
    operator.at(INIT, lambda _: None, then=Drop())
    _, err = operator.run("--keys-file", str(operator.keys_file), status=ExitCode.UNREACHABLE)
    assert "delete its storage" not in err
    operator.proxy.rule = lambda _: FORWARD
    operator.run("--keys-file", str(operator.keys_file))


def test_a_full_disk_is_detected_before_vault_is_initialised(operator: Operator) -> None:
    operator.at("GET /v1/sys/seal-status", fill_the_disk)
    _, err = operator.run("--keys-file", str(operator.keys_file), status=ExitCode.USAGE)
    assert f"{operator.keys_file} can't be written: File too large" in err
    assert not operator.keys_file.exists()
    assert INIT not in operator.proxy.operations()


def test_keys_that_cannot_be_written_are_shown_on_a_terminal(operator: Operator) -> None:
    operator.at(INIT, fill_the_disk)
    ours, theirs = pty.openpty()
    with operator.typing("--keys-file", str(operator.keys_file), stderr=theirs) as process:
        os.close(theirs)
        shown = terminal_text(ours)
        assert process.wait(SECONDS) == ExitCode.OK, shown
    assert "can't be written (File too large), so the keys are shown here" in shown
    keys = json.loads(shown[shown.index("{") : shown.index("}") + 1])
    assert operator.reached.client(keys["root_token"]).is_authenticated()


def test_keys_that_cannot_be_written_without_a_terminal_are_reported_as_lost(operator: Operator) -> None:
    operator.at(INIT, fill_the_disk)
    _, err = operator.run("--keys-file", str(operator.keys_file), status=ExitCode.FAILED)
    assert "is initialised, and its only keys are lost" in err
    assert "delete its storage" in err


def terminal_text(descriptor: int) -> str:
    """Return what a process wrote to a terminal until it closed it."""
    parts = []
    with os.fdopen(descriptor, "rb", buffering=0) as terminal:
        try:
            while part := terminal.read(4096):
                parts.append(part)
        except OSError:
            pass  # Linux's error for a terminal whose other end is closed
    return b"".join(parts).decode()


def test_a_key_file_reserves_space_for_the_largest_keys(tmp_path: Path) -> None:
    file = KeyFile.reserve(tmp_path / "keys.json")
    reserved = file.path.stat().st_size
    keys = Keys("s.root", tuple("A" * 2048 for _ in range(255)), encrypted=True)
    file.save(keys)
    assert file.path.stat().st_size < reserved
    assert Keys.read(file.path) == keys


def invoked(operator: Operator, *more: str, typed: str = "") -> Result:
    """Run it in this process, where prompts can be answered."""
    environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith("VAULT_")}
    settings = {"VAULT_ADDR": operator.proxy.address, "VAULT_CACERT": str(operator.ca_file)}
    return CliRunner(env=environment | settings).invoke(cli.cli, operator.arguments(*more), input=typed)


def error_of(result: Result) -> BeanvaultError:
    assert isinstance(result.exception, BeanvaultError), (result.exception, result.output)
    return result.exception


def test_an_encrypted_root_token_is_not_used_and_another_token_is(
    operator: Operator, holders: list[Holder]
) -> None:
    public = operator.directory / "ada.pgp"
    public.write_text(holders[0].public_key)
    kept = ("--keys-file", str(operator.keys_file))
    refused = error_of(invoked(operator, *kept, "--root-pgp-key", str(public)))
    assert "root token is encrypted" in str(refused)
    token = operator.directory / "token"
    token.write_text(holders[0].decrypted(Keys.read(operator.keys_file).root_token))
    assert invoked(operator, *kept, "--vault-token-file", str(token)).exit_code == 0
    asked = invoked(operator, *kept, typed=token.read_text() + "\n")
    assert asked.exit_code == 0
    assert "Vault token:" in asked.output


def test_a_named_token_file_takes_precedence_over_the_keys_file(operator: Operator) -> None:
    kept = ("--keys-file", str(operator.keys_file))
    assert invoked(operator, *kept).exit_code == 0
    token = operator.directory / "token"
    token.write_text("s.wrong")
    assert isinstance(error_of(invoked(operator, *kept, "--vault-token-file", str(token))), Denied)


def test_the_prompt_asks_for_the_missing_shares_only(operator: Operator, holders: list[Holder]) -> None:
    publics = []
    for index, holder in enumerate(holders):
        publics += ["--pgp-key", str(operator.directory / f"{index}.pgp")]
        Path(publics[-1]).write_text(holder.public_key)
    kept = ("--keys-file", str(operator.keys_file))
    refused = error_of(invoked(operator, *kept, "--shares", "2", "--threshold", "2", *publics))
    assert "who have to unseal Vault now" in str(refused)
    keys = Keys.read(operator.keys_file).keys
    shares = [holder.decrypted(share) for holder, share in zip(holders, keys, strict=True)]
    first = invoked(operator, *kept, typed=shares[0] + "\n")  # the other holder isn't here yet
    assert "Unseal key 2 of 2" in first.output
    assert server.seal_status(operator.reached).progress == 1
    second = invoked(operator, *kept, typed=shares[1] + "\n")
    assert "Unseal key 1 of 2" not in second.output
    assert second.exit_code == 0, second.exception


@pytest.fixture
def guest(tmp_path: Path, openbao: Unsealed, authority: Authority) -> Iterator[Operator]:
    """In front of a Vault that others use as well."""
    proxy = Proxy(openbao.address, openbao.ca_file, authority.issue("guest"))
    made = Operator(tmp_path, proxy, openbao.ca_file)
    made.describe()
    yield made
    proxy.close()


def token_file(operator: Operator, token: str) -> tuple[str, str]:
    file = operator.directory / "token"
    file.write_text(token)
    return "--vault-token-file", str(file)


@pytest.mark.parametrize(
    ("policy", "what"),
    [
        ("", "the list of mounts"),
        ('path "sys/mounts" { capabilities = ["read"] }', "a mount at init-denied/"),
        ('path "sys/mounts*" { capabilities = ["read", "create", "update"] }', "init-replicator"),
    ],
)
def test_a_token_without_permission_is_an_error_that_names_the_refused_request(
    guest: Operator, openbao: Unsealed, policy: str, what: str
) -> None:
    root = openbao.root_client()
    root.sys.create_or_update_policy("init-narrow", policy or 'path "nothing" { capabilities = ["read"] }')
    narrow = root.auth.token.create(policies=["init-narrow"])["auth"]["client_token"]
    config = guest.directory / "beanvault.toml"
    config.write_text(config.read_text().replace("init-kv", "init-denied"))
    out, err = guest.run(*token_file(guest, narrow), status=ExitCode.DENIED)
    assert f"Vault refused {what}" in err or f"Vault refused the policy {what}" in err
    assert "→ use a token whose policy allows it" in err
    assert out == ""
    if "init-denied/" in {f"{path}" for path in root.sys.list_mounted_secrets_engines()["data"]}:
        root.sys.disable_secrets_engine("init-denied")


def test_a_login_restricted_to_addresses_is_created_from_elsewhere_and_reported_as_untested(
    guest: Operator, openbao: Unsealed
) -> None:
    bound = ("--bound-cidr", "192.0.2.0/24", "--login-mount", "init-bound")
    out, err = guest.run(*token_file(guest, openbao.root_token), *bound)
    assert json.loads(out)["auth"]["mount"] == "init-bound"
    assert "with a short-lived token of that policy: only the function itself can log in" in err


def test_addresses_for_a_login_that_cannot_be_restricted_are_refused(guest: Operator) -> None:
    _, err = guest.run("--login", "aws", "--bound-cidr", "192.0.2.0/24", status=ExitCode.USAGE)
    assert "--bound-cidr restricts an AppRole" in err


@pytest.mark.parametrize(
    ("vault", "options", "address"),
    [
        ('[vault]\nwhere = "host"\nport = 8300\n', (), "https://vault.init.internal:8300"),
        (OUTSIDE, (), None),
        (OUTSIDE, ("--function-address", "https://vault.example:8200/"), "https://vault.example:8200"),
    ],
)
def test_the_functions_address_can_differ_from_the_operators(
    guest: Operator, openbao: Unsealed, vault: str, options: tuple[str, ...], address: str | None
) -> None:
    guest.describe(vault)
    out, _ = guest.run(*token_file(guest, openbao.root_token), *options)
    connection: dict[str, Any] = json.loads(out)
    assert connection["address"] == (address or guest.proxy.address)
