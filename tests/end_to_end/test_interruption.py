"""Story of testbed/demo/__main__.py.

An interrupted demo leaves no process and no file.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from testbed.demo.flow import STEPS
from tests.project import ROOT


@pytest.fixture
def home() -> Iterator[Path]:
    """The directory for the demo's files; its path is in the arguments of all processes."""
    directory = Path(tempfile.mkdtemp(prefix="bvi-"))
    yield directory
    rmtree(directory, ignore_errors=True)


def _start(home: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(home)}
    return subprocess.Popen(
        [sys.executable, "-m", "testbed.demo"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _await(demo: subprocess.Popen[str], beginning: str) -> None:
    """Read the demo's output up to a line with this beginning."""
    assert demo.stderr is not None
    lines: list[str] = []
    for line in demo.stderr:
        lines.append(line)
        if line.startswith(beginning):
            return
    raise AssertionError("".join(lines[-20:]))


def _processes(home: Path) -> list[str]:
    """The command lines of running processes that name *home*, by argument or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            described = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if str(home).encode() in described and state != "Z":
            found.append(f"{process.name}: {described[:200]!r}")
    return found


@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
def test_an_interrupt_in_any_step_leaves_no_process_and_no_file(number: int, home: Path) -> None:
    demo = _start(home)
    try:
        _await(demo, "… 1/")
        assert _processes(home)  # control: the list is not always empty
        if number > 1:
            _await(demo, f"… {number}/")
        demo.send_signal(signal.SIGINT)  # at once: the last step takes a tenth of a second
        assert demo.stderr is not None
        demo.stderr.read()
        assert demo.wait(60) == 130
    finally:
        demo.kill()
        demo.wait()
    assert _processes(home) == []
    assert list(home.iterdir()) == []


def test_a_killed_demo_leaves_no_process(home: Path) -> None:
    """After SIGKILL only the kernel can clean up: each server ends with its parent."""
    demo = _start(home)
    try:
        _await(demo, "… 6/")
    finally:
        demo.kill()
        demo.wait()
    deadline = time.monotonic() + 60
    while _processes(home) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes(home) == []
