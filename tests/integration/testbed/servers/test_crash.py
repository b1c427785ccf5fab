"""Story of tests/conftest.py: a test is repeated if OpenBao crashed under it, and only then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT

CRASH = """
import signal, time

ATTEMPTS = []

def test_one(openbao, request):
    ATTEMPTS.append(1)
    if len(ATTEMPTS) == 1:
        from tests.conftest import _shared
        process = _shared[0].server.process.popen
        process.send_signal(signal.{signal})
        process.wait(30)
    openbao.root_client().sys.read_health_status(method="GET")

def test_next(openbao):
    openbao.root_client().sys.read_health_status(method="GET")
"""


@pytest.mark.parametrize(
    ("sent", "result", "printed"),
    [
        ("SIGQUIT", "2 passed", "OpenBao crashed and was restarted"),
        ("SIGKILL", "1 failed, 2 errors", "OpenBao"),
    ],
)
def test_only_a_crash_of_openbao_repeats_a_test(tmp_path: Path, sent: str, result: str, printed: str) -> None:
    """A Go program dumps its goroutines on SIGQUIT and exits as after a panic."""
    (tmp_path / "test_crash.py").write_text(CRASH.replace("{signal}", sent))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, "-c", ROOT / "pyproject.toml", tmp_path / "test_crash.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result in ran.stdout
    assert printed in ran.stdout
