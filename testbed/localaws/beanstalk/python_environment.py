"""The interpreter of an instance, and the virtual environment with its bundle's requirements."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .bundle import BundleRejected
from .processes import ManagedProcess, tail


def find_uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise BundleRejected("uv, which installs requirements.txt, is neither beside Python nor on PATH.")
    return found


def find_python(version: str) -> str | None:
    """Return an interpreter of the platform branch's version (3.14), or None if this machine has none."""
    found = subprocess.run(
        [find_uv(), "python", "find", "--no-python-downloads", "--no-project", "--system", version],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return found.stdout.strip() or None if found.returncode == 0 else None


def virtual_environment(requirements: Path, python: str, cache: Path, log: Path) -> Path:
    """Return an environment of *python* with *requirements* (a file that may be missing) installed.

    Environments with the same requirements and interpreter are shared, also between servers: the first one
    builds it under a file lock, which the kernel releases if the builder dies.

    Raises:
        BundleRejected: uv failed
    """
    text = requirements.read_bytes() if requirements.is_file() else b""
    target = cache / hashlib.sha256(python.encode() + b"\0" + text).hexdigest()[:20]
    cache.mkdir(parents=True, exist_ok=True)
    uv = find_uv()
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (target / "complete").exists():
            return target
        shutil.rmtree(target, ignore_errors=True)
        steps = [[uv, "venv", "--no-project", "--python", python, str(target)]]
        if text:
            hashes = ["--require-hashes"] if b"--hash=" in text else []
            install = [uv, "pip", "install", "--python", str(target / "bin/python")]
            steps.append([*install, *hashes, "-r", str(requirements)])
        for step in steps:
            status = ManagedProcess(
                step, cwd=cache, env={**os.environ, "UV_SYSTEM_CERTS": "1"}, log=log
            ).wait(600)
            if status:
                raise BundleRejected(
                    f"Fail to install application dependencies: uv {step[1]} ended with status {status}.\n"
                    f"{tail(log, 10)}"
                )
        (target / "complete").touch()
    return target
