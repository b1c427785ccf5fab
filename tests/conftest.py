"""Real servers for the tests; one of each for a session, started when a test first asks for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hvac
import pytest

from demo.servers.authority import Authority
from demo.servers.localaws import LocalAws
from demo.servers.mariadb import MariaDB
from demo.servers.openbao import OpenBao
from demo.servers.process import Process

_of_the_session: list[Process] = []
"""The servers that all tests share."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded (`record_property`), in whichever process they ran."""
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for figure, value in report.user_properties:
            terminalreporter.write_line(f"{figure}: {value}")


def pytest_configure() -> None:
    """Take Ctrl-C again, and let processes below hear a hangup.

    In the background, and below `nohup`, they are ignored, by whatever is started there, too. What we handle
    ourselves begins with its default.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_runtest_setup() -> None:
    """Say of a server that ended why it did, instead of letting each later test say that nobody answers."""
    for process in _of_the_session:
        process.require_running()


@contextmanager
def _shared(server: OpenBao | MariaDB | LocalAws) -> Iterator[None]:
    _of_the_session.append(server.process)
    try:
        yield
        server.process.require_running()
    finally:
        _of_the_session.remove(server.process)
        server.stop()


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="session")
def authority(run_directory: Path) -> Authority:
    return Authority(run_directory / "authority")


@dataclass(frozen=True, slots=True)
class Unsealed:
    """An initialised OpenBao and its root token."""

    address: str
    ca_file: Path
    root_token: str
    unseal_key: str

    def root_client(self, namespace: str | None = None) -> hvac.Client:
        return hvac.Client(
            url=self.address, token=self.root_token, verify=str(self.ca_file), namespace=namespace, timeout=30
        )


@pytest.fixture(scope="session")
def openbao(run_directory: Path, authority: Authority) -> Iterator[Unsealed]:
    """A real OpenBao with Raft and TLS; give each test a mount of its own."""
    server = OpenBao.start(run_directory, authority)
    with _shared(server):
        yield unsealed(server)


def unsealed(server: OpenBao) -> Unsealed:
    """Initialise and unseal a server that was just started."""
    client = hvac.Client(url=server.address, verify=str(server.ca_file), timeout=30)
    keys = client.sys.initialize(secret_shares=1, secret_threshold=1)
    client.sys.submit_unseal_key(keys["keys_base64"][0])
    ready = Unsealed(server.address, server.ca_file, keys["root_token"], keys["keys_base64"][0])
    server.process.wait_until(lambda: _is_active(ready.root_client()))
    return ready


def _is_active(client: hvac.Client) -> bool:
    # hvac answers with the body when the status is 200, else with the response.
    return isinstance(client.sys.read_health_status(method="GET"), dict)


@pytest.fixture(scope="session")
def mariadb(run_directory: Path, authority: Authority) -> Iterator[MariaDB]:
    """A real MariaDB that requires TLS; give each test schemas and users of its own."""
    server = MariaDB.start(run_directory, authority)
    with _shared(server):
        yield server


@pytest.fixture(scope="session")
def local_aws(run_directory: Path, mariadb: MariaDB) -> Iterator[LocalAws]:
    """The local AWS with IAM enforced; give each test names of its own."""
    server = LocalAws.start(run_directory, mariadb)
    with _shared(server):
        yield server
