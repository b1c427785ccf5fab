"""Reads a source bundle: files, `.ebextensions`, requirements, the Procfile."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Options = Mapping[tuple[str, str], str]
"""Option settings: (namespace, option name) → value."""

PROPERTIES = "aws:elasticbeanstalk:application:environment"
PYTHON = "aws:elasticbeanstalk:container:python"


class BundleRejected(Exception):
    """An instance could not be deployed; the message becomes the environment's event."""


def sample_application() -> bytes:
    """Return the bundle of an environment without a version, like Beanstalk's own sample application."""
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
    """Unpack a bundle's zip into *target*.

    Raises:
        BundleRejected: it is not a zip file, or a path leads outside of *target*
    """
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
    """YAML with CloudFormation's tags, which only `Resources` has; they are ignored."""


_ExtensionLoader.add_multi_constructor("!", lambda *_: None)


@dataclass(frozen=True, slots=True)
class Extension:
    """One `.ebextensions/*.config` file: the sections that an instance executes."""

    name: str
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    commands: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    container_commands: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Options = field(default_factory=dict)


def extensions(staged: Path) -> list[Extension]:
    """Return the `.ebextensions/*.config` files in Beanstalk's order.

    Raises:
        BundleRejected: a file is invalid
    """
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
    """Read both forms: a list of namespace, option_name and value, or a mapping of namespaces."""
    if isinstance(settings, list):
        rows = [(row.get("namespace", PROPERTIES), row["option_name"], row["value"]) for row in settings]
    else:
        rows = [(space, name, value) for space, named in settings.items() for name, value in named.items()]
    return {
        (space, str(name)): str(value).lower() if isinstance(value, bool) else str(value)
        for space, name, value in rows
    }


def procfile(staged: Path, options: Options) -> dict[str, str]:
    """Return the process types and their commands; without a Procfile, the platform's default `web`."""
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
