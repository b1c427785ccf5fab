"""Story of docs/tutorial.md and testbed/servers/__main__.py.

The tutorial's blocks, run one after the other in one shell, with the servers of its first block.
"""

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
    """The command that `python -m testbed.servers` prints; the servers end with the test."""
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


def test_the_tutorials_local_blocks_run(servers: str, tmp_path: Path) -> None:
    """In order, up to the first failure; then the results that the tutorial promises."""
    blocks = MARKED.findall((ROOT / "docs" / "tutorial.md").read_text())
    assert len(blocks) >= 10
    script = "\n".join(["set -eu", servers, *(f"echo '--- {n}'\n{block}" for n, block in enumerate(blocks))])
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    # A separate home directory, so that the EB CLI neither reads nor writes the user's settings.
    environment = clean_environment() | {"HOME": str(tmp_path), "TMPDIR": str(temporary), "LANG": "C.UTF-8"}
    # The user's own variables do not lead to other servers.
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
    output = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    assert done.returncode == 0, output
    rotated = re.findall(r"version (\d): (app_\w+), AWSCURRENT", done.stdout)
    assert rotated == [("1", "app_blue"), ("2", "app_green")], output
    used = re.findall(r'"database":\{[^}]*"user":"(app_\w+)"', done.stdout)
    assert used[0] == "app_blue", output
    assert used[-1] == "app_green", output
    assert "BV.SM2 fails, as expected" in done.stdout
