"""Real servers for the tests: one of each per session, started when a test first needs it."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hvac
import pytest
from _pytest.runner import runtestprotocol

from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws
from testbed.servers.mariadb import MariaDB
from testbed.servers.openbao import OpenBao, hashicorp
from testbed.servers.process import ServerError

openbao_only = pytest.mark.skipif(hashicorp() is not None, reason="about what OpenBao alone has or lists")

LONG = (
    "test_command_line.py",
    "test_failed_creations.py",
    "test_life_of_a_deployment.py",
    "test_vault_host.py",
    "test_vault_host_failures.py",
)
"""Files that take minutes. They start first, so that no worker is busy with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded (`record_property`), in any worker."""
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for figure, value in report.user_properties:
            terminalreporter.write_line(f"{figure}: {value}")


def pytest_configure() -> None:
    """Handle Ctrl-C, and let child processes receive a hangup.

    In the background and under `nohup` these signals are ignored, also by child processes. A signal that we
    handle has its default action in a child.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


class Shared:
    """A server that all tests of this process share."""

    def __init__(self, server: OpenBao | MariaDB | LocalAws) -> None:
        self.server = server

    @property
    def crashed(self) -> bool:
        """Whether the server ended by a fault of its own that it comes back from."""
        return False

    def require(self) -> None:
        """Check that the server runs, to report its exit instead of later tests' failed connections.

        Raises:
            ServerError: it has exited
        """
        self.server.process.require_running()


class SharedOpenBao(Shared):
    """Restarts after a crash of OpenBao, with its data, and reports that as a warning."""

    server: OpenBao
    vault: Unsealed

    @property
    def crashed(self) -> bool:
        return self.server.process.popen.poll() == GO_PANIC

    def require(self) -> None:
        try:
            super().require()
        except ServerError as error:
            if not self.crashed:
                raise
            warnings.warn(f"OpenBao crashed and was restarted: {error}", stacklevel=1)
            self.server = self.server.restarted()
            unseal(self.server, self.vault)


GO_PANIC = 2
"""The exit status of a Go program that panicked, or that dumped its goroutines on SIGQUIT."""

_shared: list[Shared] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Function, nextitem: pytest.Item | None) -> bool:
    """Repeat a test once if OpenBao crashed under it: the failure is then OpenBao's.

    OpenBao 2.7.2 sometimes panics in `databaseBackend.populateQueue`: it lists the static roles of a new
    database mount in the background, and reads one that was deleted in between.
    """
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports) and any(each.crashed for each in _shared):
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_runtest_setup() -> None:
    for each in _shared:
        each.require()


@contextmanager
def shared(one: Shared) -> Iterator[None]:
    _shared.append(one)
    try:
        yield
        one.require()
    finally:
        _shared.remove(one)
        one.server.stop()


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
    """A real OpenBao with Raft and TLS; each test uses its own mount."""
    one = SharedOpenBao(OpenBao.start(run_directory, authority))
    with shared(one):
        one.vault = unsealed(one.server)
        yield one.vault


def unsealed(server: OpenBao) -> Unsealed:
    """Initialise and unseal a new server."""
    client = hvac.Client(url=server.address, verify=str(server.ca_file), timeout=30)
    keys = client.sys.initialize(secret_shares=1, secret_threshold=1)
    made = Unsealed(server.address, server.ca_file, keys["root_token"], keys["keys_base64"][0])
    unseal(server, made)
    server.enable_audit(made.root_client())
    return made


def unseal(server: OpenBao, vault: Unsealed) -> None:
    """Unseal a server and return when it is active."""
    client = vault.root_client()
    client.sys.submit_unseal_key(vault.unseal_key)
    server.process.wait_until(lambda: _is_active(client))


def _is_active(client: hvac.Client) -> bool:
    # hvac answers with the body when the status is 200, else with the response.
    return isinstance(client.sys.read_health_status(method="GET"), dict)


@pytest.fixture(scope="session")
def mariadb(run_directory: Path, authority: Authority) -> Iterator[MariaDB]:
    """A real MariaDB that requires TLS; each test uses its own schemas and users."""
    server = MariaDB.start(run_directory, authority)
    with shared(Shared(server)):
        yield server


@pytest.fixture(scope="session")
def local_aws(run_directory: Path, mariadb: MariaDB) -> Iterator[LocalAws]:
    """The local AWS with IAM enforced; each test uses its own names."""
    server = LocalAws.start(run_directory, mariadb)
    with shared(Shared(server)):
        yield server
