"""The demo's deployment, and a browser that shows its app."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from testbed.demo.flow import Flow
from testbed.servers.process import require_tool
from tests.project import ROOT

from .chromium import Browser, started

HERE = Path(__file__).parent
STEPS = (
    Flow.start_servers,
    Flow.prepare_vault,
    Flow.create_stacks,
    Flow.connect_and_replicate,
    Flow.deploy_app,
)


@pytest.fixture(scope="session")
def flow() -> Iterator[Flow]:
    """The app, deployed by the EB CLI: load balancer, nginx, gunicorn, MariaDB, OpenBao, the replicator."""
    directory = Path(tempfile.mkdtemp(prefix="beanvault-"))  # short: a socket's path has at most 107 bytes
    try:
        with ExitStack() as cleanup:
            deployed = Flow(directory, cleanup, lambda _: None)
            for step in STEPS:
                step(deployed)
            yield deployed
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def browser(flow: Flow) -> Iterator[Browser]:
    """A new browser at the page, 1280 pixels wide, with nothing written yet."""
    with flow.mariadb.admin() as admin, admin.cursor() as cursor:
        cursor.execute("DELETE FROM app.entries")
    with started(flow.site.ca_file) as made:
        made.resize(1280)
        made.open(flow.site.url)
        yield made


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, as the lock pins it."""
    home = ROOT / ".checkers" / "browser"
    lock = HERE / "package-lock.json"
    stamp = home / ".lock-digest"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        home.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, home / name)
        npm = [
            require_tool("npm"),
            "ci",
            "--prefix",
            str(home),
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ]
        subprocess.run(npm, check=True, timeout=300, capture_output=True)
        stamp.write_text(digest)
    return (home / "node_modules" / "axe-core" / "axe.min.js").read_text()
