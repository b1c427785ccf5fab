"""The source bundle: what Elastic Beanstalk unpacks on each instance. The same files give the same bytes.

https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/applications-sourcebundle.html
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import BeanvaultError
from . import deterministic_zip
from .authorities import FILE as AUTHORITIES
from .project import require

LIMIT = 500 * 1024 * 1024
"""Bytes; what Elastic Beanstalk accepts."""

FOLDERS = ("eb_app", ".ebextensions", ".platform")
FILES = {"Procfile": "Procfile", "eb_app/requirements.txt": "requirements.txt"}
"""Path in the project to name in the bundle."""

_EXCLUDED = frozenset({"__pycache__", ".DS_Store", "requirements.txt", "py.typed"})
_CREDENTIAL_MARKS = (b"PRIVATE KEY-----", b"aws_secret_access_key")
"""Text of key and credentials files. This is no secret scanner; it prevents an accident."""


class BundleError(BeanvaultError):
    """The source bundle can't be built."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A source bundle on disk."""

    path: Path
    sha256: str
    """Of the zip's bytes, hexadecimal."""
    size: int
    """Bytes."""


def build(project: Path, destination: Path, authorities: bytes | None = None) -> Bundle:
    """Build the source bundle of *project* and write it to *destination*, a file name.

    The app trusts *authorities* for its database instead of the project's file, unless they are None.

    Raises:
        ConfigurationError: *project* lacks a part of the bundle
        BundleError: a file holds credentials or is a symbolic link, or the bundle is too large
    """
    require(project, [*FOLDERS, *FILES])
    files = {name: project / source for source, name in FILES.items()}
    for folder in FOLDERS:
        files |= {path.relative_to(project).as_posix(): path for path in _walk(project / folder)}
    replaced = {AUTHORITIES: authorities} if authorities is not None else {}
    entries = [(name, replaced.get(name) or path.read_bytes()) for name, path in files.items()]
    for name, content in entries:
        if any(mark in content for mark in _CREDENTIAL_MARKS):
            raise BundleError(
                f"{name} holds a private key or AWS credentials",
                "delete it: credentials belong into Secrets Manager",
            )
    executable = {name for name, path in files.items() if path.stat().st_mode & 0o100}
    destination.parent.mkdir(parents=True, exist_ok=True)
    unfinished = destination.with_name(f".{destination.name}.{os.getpid()}")
    try:
        deterministic_zip.write(unfinished, entries, executable)
        content = unfinished.read_bytes()
        if len(content) > LIMIT:
            raise BundleError(
                f"the bundle has {len(content):,} bytes, more than {LIMIT:,}",
                f"delete what is too large below {', '.join(FOLDERS)}",
            )
        unfinished.replace(destination)  # `eb deploy` must never find an incomplete zip
    finally:
        unfinished.unlink(missing_ok=True)
    return Bundle(destination, hashlib.sha256(content).hexdigest(), len(content))


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise BundleError(f"{path} is a symbolic link", "replace it by the file itself")
        if path.is_file() and not _EXCLUDED.intersection(path.relative_to(folder).parts):
            yield path
