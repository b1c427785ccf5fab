"""What an instance finds in a source bundle: files, `.ebextensions`, requirements, the Procfile."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .processes import ManagedProcess, tail

Options = Mapping[tuple[str, str], str]
"""Option settings: (namespace, option name) → value."""

PROPERTIES = "aws:elasticbeanstalk:application:environment"
PYTHON = "aws:elasticbeanstalk:container:python"


class BundleRejected(Exception):
    """An instance could not be brought up; the message is what the environment's events say."""


def sample_application() -> bytes:
    """The bundle of an environment without a version, like Beanstalk's own sample application."""
    source = (
        "import http.server, os\n\n\n"
        "class Hello(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        body = b'Congratulations! Your first application is now running.\\n'\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Length', str(len(body)))\n"
        "        self.end_headers()\n"
        "        self.wfile.write(body)\n\n\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Hello).serve_forever()\n"
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("application.py", source)
        archive.writestr("Procfile", "web: python application.py\n")
    return made.getvalue()


def unpack(bundle: bytes, target: Path) -> None:
    """Unpack a bundle's zip into *target*; raise DeploymentError for one that leads outside, or is no zip."""
    target.mkdir(parents=True)
    try:
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            for entry in archive.infolist():
                path = (target / entry.filename).resolve()
                mode = entry.external_attr >> 16
                if not path.is_relative_to(target.resolve()) or stat.S_ISLNK(mode):
                    raise BundleRejected(f"The source bundle has an unsafe path: {entry.filename}")
                archive.extract(entry, target)
                if mode and not entry.is_dir():
                    path.chmod(stat.S_IMODE(mode) & 0o755 | 0o600)
    except zipfile.BadZipFile as error:
        raise BundleRejected(f"The source bundle is not a zip file: {error}") from None


class _ExtensionLoader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, which only `Resources` has and nobody here reads."""


_ExtensionLoader.add_multi_constructor("!", lambda *_: None)


@dataclass(frozen=True, slots=True)
class Extension:
    """One `.ebextensions/*.config` file; the sections that an instance executes, as they stand."""

    name: str
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    commands: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    container_commands: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Options = field(default_factory=dict)


def extensions(staged: Path) -> list[Extension]:
    """Read `.ebextensions/*.config` in the order in which Beanstalk takes them; raise DeploymentError."""
    found = []
    for path in sorted((staged / ".ebextensions").glob("*.config")):
        try:
            document = yaml.load(path.read_text(), _ExtensionLoader) or {}  # noqa: S506 - made from SafeLoader
            sections = {
                name: document.get(name) or {} for name in ("files", "commands", "container_commands")
            }
            options = _option_settings(document.get("option_settings") or {})
        except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
            raise BundleRejected(
                f"The configuration file .ebextensions/{path.name} is invalid: {error}"
            ) from None
        found.append(Extension(path.name, options=options, **sections))
    return found


def _option_settings(settings: Any) -> dict[tuple[str, str], str]:
    """Both spellings: a list of namespace, option_name, value, or namespaces with their options."""
    if isinstance(settings, list):
        rows = [(row.get("namespace", PROPERTIES), row["option_name"], row["value"]) for row in settings]
    else:
        rows = [(space, name, value) for space, named in settings.items() for name, value in named.items()]
    return {
        (space, str(name)): str(value).lower() if isinstance(value, bool) else str(value)
        for space, name, value in rows
    }


def procfile(staged: Path, options: Options) -> dict[str, str]:
    """Return the process types and their commands; without a Procfile, the platform's own `web`."""
    path = staged / "Procfile"
    if not path.is_file():
        wsgi = options.get((PYTHON, "WSGIPath"), "application")
        wsgi = wsgi if ":" in wsgi else f"{wsgi.removesuffix('.py').replace('/', '.')}:application"
        workers, threads = options[PYTHON, "NumProcesses"], options[PYTHON, "NumThreads"]
        return {"web": f"gunicorn --bind 127.0.0.1:8000 --workers={workers} --threads={threads} {wsgi}"}
    processes = dict(re.findall(r"(?m)^([A-Za-z0-9_-]+):\s*(.+?)\s*$", path.read_text()))
    if "web" not in processes:
        raise BundleRejected("The Procfile names no web process.")
    return processes


def find_uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise BundleRejected("uv, which installs requirements.txt, is neither beside Python nor on PATH.")
    return found


def find_python(version: str) -> str | None:
    """Return an interpreter of the platform branch's version (3.14), or None when this machine has none."""
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

    Environments are shared by all with the same lock and interpreter, servers side by side too: the first
    builds it under a file lock, which the kernel releases if the builder dies. Raises DeploymentError.
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
