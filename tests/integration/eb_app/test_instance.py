"""The bundle as an instance runs it: hooks, gunicorn, and a real nginx with the platform's configuration."""

from __future__ import annotations

import os
import re
import signal
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from demo.servers.localaws import OPERATOR, REGION
from demo.servers.process import Process, free_port, require_tool
from localaws.beanstalk import proxy

from .conftest import World, until

PROJECT = Path(__file__).parents[3]
HOOK = ".platform/hooks/prebuild/10_certificate.sh"


def run_hook(hook: str, root: Path) -> None:
    """Run a platform hook with the platform's paths moved below *root*."""
    script = root / Path(hook).name
    script.write_text(proxy.instance_paths((PROJECT / hook).read_text(), root))
    script.chmod(0o755)
    subprocess.run([script], check=True, timeout=60, capture_output=True)


def app_environment(world: World, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "AWS_ENDPOINT_URL": world.aws.endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        **OPERATOR,
        "AWS_EC2_METADATA_DISABLED": "true",
        "BEANVAULT_DATABASE_HOST": world.mariadb.host,
        "BEANVAULT_DATABASE_PORT": str(world.mariadb.port),
        "BEANVAULT_DATABASE_NAME": world.schema,
        "BEANVAULT_DATABASE_SECRET": world.secret,
        "BEANVAULT_DATABASE_CA_FILE": str(world.mariadb.ca_file),
        "BEANVAULT_DATABASE_CONNECTION_AGE": "2",
        "BEANVAULT_DATABASE_SECRET_TTL": "2",
        **more,
    }


@dataclass(frozen=True, slots=True)
class Running:
    """nginx and gunicorn of one instance."""

    root: Path
    ports: dict[int, int]
    app_port: int
    web: Process

    @property
    def https(self) -> str:
        return f"https://localhost:{self.ports[443]}"

    def in_flight(self) -> int:
        """Count the connections that gunicorn has from nginx; there is one for each request."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        established = "01"
        return sum(row[1].endswith(f":{self.app_port:04X}") and row[3] == established for row in rows)

    @property
    def certificate(self) -> Path:
        return self.root / "etc/pki/tls/certs/beanvault.crt"


Boot = Callable[..., Running]


@pytest.fixture
def boot(world: World, tmp_path: Path) -> Iterator[Boot]:
    """Starts what Beanstalk starts, in its order: hooks, `nginx -t`, Procfile, nginx."""
    started: list[Process] = []

    def start(**environment: str) -> Running:
        root = tmp_path / "instance"
        for folder in ("var/log/nginx", "var/run", "run"):
            (root / folder).mkdir(parents=True)
        run_hook(HOOK, root)
        ports: dict[int, int] = {}
        app_port = free_port()
        configuration = proxy.write_configuration(
            PROJECT / ".platform/nginx", root, app_port, lambda port: ports.setdefault(port, free_port())
        )
        checked = subprocess.run(
            proxy.command(configuration, root, "-t"), capture_output=True, text=True, timeout=30, check=False
        )
        assert checked.returncode == 0, checked.stderr
        assert "[warn]" not in checked.stderr
        line = proxy.app_port((PROJECT / "Procfile").read_text(), app_port).removeprefix("web:").split()
        web = Process.start(
            "gunicorn",
            [require_tool(line[0]), *line[1:]],
            root / "var/log/web.stdout.log",
            app_environment(world, **environment),
        )
        started.append(web)
        nginx = Process.start("nginx", proxy.command(configuration, root), root / "var/log/nginx/error.log")
        started.append(nginx)
        running = Running(root, ports, app_port, web)
        web.wait_until(lambda: get(running, "/healthz") == 200)
        return running

    yield start
    for process in reversed(started):
        process.stop()


def session(running: Running) -> requests.Session:
    made = requests.Session()
    made.verify = str(running.certificate)
    made.trust_env = False
    return made


def get(running: Running, path: str) -> int:
    try:
        return session(running).get(f"{running.https}{path}", timeout=30).status_code
    except requests.RequestException:
        return 0


def test_the_instance_serves_tls_and_says_so(boot: Boot) -> None:
    """Page and API through nginx, which tells the app how the request came and browsers to insist on TLS."""
    running = boot()
    answer = session(running).get(f"{running.https}/api/status", timeout=30)
    assert answer.status_code == 200
    assert answer.json()["proxy"]["tls_version"] == "TLSv1.3"
    assert answer.json()["proxy"]["tls_cipher"].startswith("TLS_")
    # A visitor can't make it up.
    forged = session(running).get(
        f"{running.https}/api/status",
        timeout=30,
        headers={"X-Tls-Version": "SSLv2", "X_Tls_Version": "SSLv2"},
    )
    assert forged.json()["proxy"]["tls_version"] == "TLSv1.3"
    for path, status in (("/", 200), ("/nowhere", 404)):
        headers = session(running).get(running.https + path, timeout=30).headers
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains", status
        assert headers["Server"] == "nginx"
        assert headers["Content-Security-Policy"]


def test_nothing_but_tls_1_2_and_1_3_with_forward_secrecy_is_spoken(boot: Boot) -> None:
    """Asked by the `openssl` program, which may offer whatever it knows."""
    running = boot()

    def agreed(*options: str) -> str | None:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{running.ports[443]}", *options]
        done = subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)
        found = re.search(r"^(?:New|Reused), (\S+), Cipher is (\S+)$", done.stdout, re.MULTILINE)
        return found[2] if found and found[2] != "(NONE)" else None

    assert agreed("-tls1_3")
    assert (agreed("-tls1_2") or "").startswith("ECDHE-ECDSA-")
    weak = ("-cipher", "ALL:@SECLEVEL=0")
    assert agreed("-tls1_2", *weak) is not None  # the program itself would speak worse
    assert agreed("-tls1_1", *weak) is None
    assert agreed("-tls1", *weak) is None
    assert agreed("-tls1_2", "-cipher", "AES128-SHA:AES256-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0") is None


def test_port_80_serves_nothing(boot: Boot) -> None:
    """It only points to TLS; nothing of the app comes over it."""
    running = boot()
    answer = requests.get(
        f"http://127.0.0.1:{running.ports[80]}/api/entries", allow_redirects=False, timeout=30
    )
    assert answer.status_code == 308
    assert answer.headers["Location"].startswith("https://")


def test_large_requests_end_at_nginx(boot: Boot) -> None:
    """The app never sees them."""
    running = boot()
    answer = session(running).post(f"{running.https}/api/entries", data=b"x" * 20_000, timeout=30)
    assert answer.status_code == 413
    assert "Content-Security-Policy" not in answer.headers  # it is nginx's own answer


def test_the_health_log_is_kept(boot: Boot) -> None:
    """Enhanced health reads it; the server on 443 writes it as the platform's own does."""
    running = boot()
    get(running, "/api/entries")
    logs = running.root / "var/log/nginx/healthd"
    until(lambda: any("/api/entries" in path.read_text() for path in logs.glob("application.log.*")))


def test_every_instance_has_a_key_of_its_own(tmp_path: Path) -> None:
    """Made once, readable by its owner alone, kept by the next deployment, replaced before it expires."""
    pairs = []
    for name in ("one", "two"):
        root = tmp_path / name
        root.mkdir()
        run_hook(HOOK, root)
        key, certificate = (
            root / f"etc/pki/tls/{file}" for file in ("private/beanvault.key", "certs/beanvault.crt")
        )
        assert stat.S_IMODE(key.stat().st_mode) == 0o400
        assert "-----BEGIN PRIVATE KEY-----" in key.read_text()
        first = key.read_text()
        run_hook(HOOK, root)
        assert key.read_text() == first
        certificate.unlink()
        run_hook(HOOK, root)
        assert key.read_text() != first
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        pairs.append(key.read_text())
    assert pairs[0] != pairs[1]


def test_the_log_is_json_and_outlives_a_full_disk(boot: Boot, tmp_path: Path) -> None:
    """`/dev/full` stands for the disk: requests go on."""
    full = tmp_path / "app.log"
    full.symlink_to("/dev/full")
    running = boot(BEANVAULT_LOG_FILE=str(full))
    answers = [
        session(running).post(f"{running.https}/api/entries", json={"text": "x"}, timeout=30)
        for _ in range(5)
    ]
    assert [answer.status_code for answer in answers] == [201] * 5


def test_a_stop_lets_waiting_requests_finish(boot: Boot, world: World) -> None:
    """SIGTERM comes while requests wait for a newer credential: they get it, and their answers."""
    running = boot(WEB_CONCURRENCY="1")
    assert get(running, "/api/entries") == 200
    world.change_password(world.blue, "two")
    world.kill_connections()
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(get(running, "/api/entries"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    until(lambda: running.in_flight() == 4 and "login refused" in running.web.log.read_text())
    running.web.popen.send_signal(signal.SIGTERM)
    until(lambda: "Handling signal: term" in running.web.log.read_text())
    assert statuses == []
    world.publish(world.blue, "two")
    for thread in threads:
        thread.join(30)
    assert statuses == [200] * 4
    assert running.web.popen.wait(30) == 0


def test_the_migration_runs_as_the_leader_runs_it(world: World) -> None:
    """Once and again; with a mistake in the environment it fails and names it, without a password."""
    command = re.search(
        r"command: /var/app/venv/\*/bin/python (.*)",
        (PROJECT / ".ebextensions/30-migrate.config").read_text(),
    )
    assert command
    world.sql(f"DROP TABLE `{world.schema}`.entries", f"DROP TABLE `{world.schema}`.alembic_version")
    run = [sys.executable, *command[1].split()]

    def migrate(**more: str) -> subprocess.CompletedProcess[str]:
        environment = app_environment(world, **more)
        return subprocess.run(run, env=environment, capture_output=True, text=True, timeout=60, check=False)

    for _ in range(2):
        done = migrate()
        assert done.returncode == 0, done.stderr
        assert world.sql(f"SELECT COUNT(*) FROM `{world.schema}`.entries") == [(0,)]
    # Cut short after the table was made and before that was noted.
    world.sql(f"DELETE FROM `{world.schema}`.alembic_version")
    assert migrate().returncode == 0
    failed = migrate(BEANVAULT_DATABASE_NAME="not_ours", BEANVAULT_DATABASE_WAIT="0")
    assert failed.returncode == 1
    assert "migration failed" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_what_the_hooks_need_is_on_every_linux(tmp_path: Path) -> None:
    """The hooks pass a syntax check, and the log's folder can be made again and again."""
    for hook in sorted(PROJECT.glob(".platform/*hooks/*/*.sh")):
        subprocess.run(["bash", "-n", hook], check=True, timeout=30)
        assert os.access(hook, os.X_OK)
    for _ in range(2):
        run_hook(".platform/hooks/prebuild/20_log_folder.sh", tmp_path)
    assert (tmp_path / "var/log/beanvault").is_dir()
