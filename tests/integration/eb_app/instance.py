"""An instance as Beanstalk boots it: hooks, nginx with the platform's configuration, gunicorn."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from testbed.localaws.beanstalk import proxy
from testbed.servers.localaws import OPERATOR, REGION
from testbed.servers.process import Process, free_port, require_tool
from tests.project import ROOT

if TYPE_CHECKING:
    from .conftest import World

CERTIFICATE_HOOK = ".platform/hooks/prebuild/10_certificate.sh"


def run_hook(hook: str, root: Path) -> None:
    """Run a platform hook with the platform's paths moved below *root*."""
    script = root / Path(hook).name
    script.write_text(proxy.instance_paths((ROOT / hook).read_text(), root))
    script.chmod(0o755)
    subprocess.run([script], check=True, timeout=60, capture_output=True)


def app_environment(world: World, **more: str) -> dict[str, str]:
    """Return what the environment's option settings and the instance's role give the app."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
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


@dataclass(slots=True)
class Running:
    """nginx and gunicorn of one instance."""

    root: Path
    ports: dict[int, int]
    app_port: int
    web: Process
    start_nginx: Callable[[], Process]
    nginx: Process

    @property
    def https(self) -> str:
        return f"https://localhost:{self.ports[443]}"

    @property
    def certificate(self) -> Path:
        return self.root / "etc/pki/tls/certs/beanvault.crt"

    def session(self) -> requests.Session:
        """Return a client that trusts this instance's certificate."""
        made = requests.Session()
        made.verify = str(self.certificate)
        made.trust_env = False
        return made

    def get(self, path: str) -> int:
        """Return the status of a GET, or 0 without an answer."""
        try:
            return self.session().get(f"{self.https}{path}", timeout=30).status_code
        except requests.RequestException:
            return 0

    def in_flight(self) -> int:
        """Return the number of connections from nginx to gunicorn; there is one for each request."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        established = "01"
        return sum(row[1].endswith(f":{self.app_port:04X}") and row[3] == established for row in rows)

    def workers(self) -> set[int]:
        """Return the process ids of gunicorn's workers."""
        pid = self.web.popen.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def stop_nginx(self) -> None:
        """Stop nginx as systemd does on the platform: it completes the requests in progress."""
        self.nginx.popen.send_signal(signal.SIGQUIT)
        self.nginx.popen.wait(30)

    def change_nginx(self, pattern: str, replacement: str) -> None:
        """Replace the match of *pattern* in https.conf, and restart nginx."""
        file = self.root / "etc/nginx/conf.d/https.conf"
        text, found = re.subn(pattern, replacement, file.read_text())
        assert found == 1
        file.write_text(text)
        self.stop_nginx()
        self.nginx = self.start_nginx()
        self.nginx.wait_until(lambda: self.get("/healthz") == 200)

    def stop(self) -> None:
        self.nginx.stop()
        self.web.stop()


def configure(root: Path, app_port: int, ports: dict[int, int]) -> Path:
    """Write nginx's merged configuration below *root*, as the platform does, and return the main file."""
    return proxy.write_configuration(
        ROOT / ".platform/nginx", root, app_port, lambda port: ports.setdefault(port, free_port())
    )


def check_configuration(configuration: Path, root: Path) -> None:
    """Check the configuration with the real nginx; neither an error nor a warning is accepted."""
    done = subprocess.run(
        proxy.command(configuration, root, "-t"), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr, done.stderr


def boot(world: World, root: Path, **environment: str) -> Running:
    """Start what Beanstalk starts, in the same order: hooks, `nginx -t`, Procfile, nginx."""
    for folder in ("var/log/nginx", "var/run", "run"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    run_hook(CERTIFICATE_HOOK, root)
    ports: dict[int, int] = {}
    app_port = free_port()
    configuration = configure(root, app_port, ports)
    check_configuration(configuration, root)
    line = proxy.app_port((ROOT / "Procfile").read_text(), app_port).removeprefix("web:").split()
    command = [require_tool(line[0]), *line[1:]]
    log = root / "var/log/web.stdout.log"
    web = Process.start("gunicorn", command, log, app_environment(world, **environment))

    def start_nginx() -> Process:
        return Process.start("nginx", proxy.command(configuration, root), root / "var/log/nginx/error.log")

    running = Running(root, ports, app_port, web, start_nginx, start_nginx())
    try:
        web.wait_until(lambda: running.get("/healthz") == 200)
    except BaseException:
        running.stop()
        raise
    return running
