"""Story of eb_app/requirements.txt.

The packages that an instance installs before it runs the app.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.project import ROOT

LOCK = ROOT / "eb_app" / "requirements.txt"


def install(cache: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [find_uv_bin(), "pip", "install", "--python", sys.executable, "--cache-dir", str(cache)]
    command += ["--target", str(target), "--require-hashes", "-r", str(LOCK), *options]
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_the_lock_is_complete(tmp_path: Path) -> None:
    """With its wheels cached it installs without a network, and the packages can be imported."""
    filled, first, second = tmp_path / "filled", tmp_path / "first", tmp_path / "second"
    fetched = install(filled, first)
    assert fetched.returncode == 0, fetched.stderr
    offline = install(filled, second, "--offline")
    assert offline.returncode == 0, offline.stderr
    names = "alembic, aws_secretsmanager_caching, boto3, flask, gunicorn, pymysql, sqlalchemy"
    program = f"import sys; sys.path.insert(0, {str(second)!r}); import {names}; print(flask.__file__)"
    run = [sys.executable, "-I", "-c", program]
    imported = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert imported.returncode == 0, imported.stderr
    assert imported.stdout.startswith(str(second))


def test_without_network_and_wheels_nothing_is_installed(tmp_path: Path) -> None:
    """The negative control: `--offline` uses no network."""
    refused = install(tmp_path / "empty", tmp_path / "target", "--offline")
    assert refused.returncode != 0
    with pytest.raises(FileNotFoundError):
        (tmp_path / "target" / "flask").stat()
