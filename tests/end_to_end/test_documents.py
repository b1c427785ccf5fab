"""The tutorial's blocks, typed one after the other in one shell, against the servers it starts with."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.servers.localaws import clean_environment
from tests.project import ROOT

MARKED = re.compile(r"<!-- runs locally -->\n```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 400


@pytest.fixture
def servers() -> Iterator[str]:
    """What `python -m testbed.servers` says to type; the servers end with the test."""
    with subprocess.Popen(
        [sys.executable, "-m", "testbed.servers"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        try:
            yield line
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    directory = Path(line.removeprefix("source ")).parent
    assert not directory.exists()


def test_every_block_of_the_tutorial_that_runs_locally_does(servers: str, tmp_path: Path) -> None:
    """In order, and the first that fails ends it; then what the tutorial promises of the outcome."""
    blocks = MARKED.findall((ROOT / "docs" / "tutorial.md").read_text())
    assert len(blocks) >= 10
    script = "\n".join(["set -eu", servers, *(f"echo '--- {n}'\n{block}" for n, block in enumerate(blocks))])
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    # A home of its own, so that no settings of the person's are read, or written by the EB CLI.
    environment = clean_environment() | {"HOME": str(tmp_path), "TMPDIR": str(temporary), "LANG": "C.UTF-8"}
    # What they have set in their shell doesn't lead elsewhere either.
    environment |= {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "VAULT_NAMESPACE": "theirs",
        "AWS_PROFILE": "no",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    told = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    assert done.returncode == 0, told
    rotated = re.findall(r"version (\d): (app_\w+), AWSCURRENT", done.stdout)
    assert rotated == [("1", "app_blue"), ("2", "app_green")], told
    used = re.findall(r'"database":\{[^}]*"user":"(app_\w+)"', done.stdout)
    assert used[0] == "app_blue", told
    assert used[-1] == "app_green", told
    assert "red, as it should be" in done.stdout
