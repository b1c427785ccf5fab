"""The source bundle: what Elastic Beanstalk unpacks on each instance, the same bytes from the same tree.

https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/applications-sourcebundle.html
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import BeanvaultError, ConfigurationError
from . import deterministic_zip

LIMIT = 500 * 1024 * 1024
"""Bytes; what Elastic Beanstalk takes."""

FOLDERS = ("eb_app", ".ebextensions", ".platform")
MOVED = {"Procfile": "Procfile", "eb_app/requirements.txt": "requirements.txt"}
"""Where a file lies in the project, and its name in the bundle."""

_LEFT_OUT = frozenset({"__pycache__", ".DS_Store", "requirements.txt", "py.typed"})
_SUSPECT = (b"PRIVATE KEY-----", b"aws_secret_access_key")
"""What a forgotten key or credentials file would hold. It isn't a scanner; it stops an accident."""


class BundleError(BeanvaultError):
    """The source bundle couldn't be made as it must be."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A source bundle on disk."""

    path: Path
    sha256: str
    """Of the zip's bytes, hexadecimal."""
    size: int
    """Bytes."""


def build(root: Path, destination: Path) -> Bundle:
    """Make the source bundle of the project at *root* and put it at *destination*, a file name.

    Raises:
        ConfigurationError: *root* lacks a part of the bundle
        BundleError: a file must not leave this machine, or the bundle is too large
    """
    needed = [*FOLDERS, *MOVED]
    missing = [name for name in needed if not (root / name).exists()]
    if missing:
        raise ConfigurationError(f"{root} lacks {', '.join(missing)}", "run this in a clone of the project")
    files = {name: root / source for source, name in MOVED.items()}
    files.update(
        (path.relative_to(root).as_posix(), path) for folder in FOLDERS for path in _walk(root / folder)
    )
    entries = [(name, path.read_bytes()) for name, path in files.items()]
    for name, content in entries:
        if any(mark in content for mark in _SUSPECT):
            raise BundleError(
                f"{name} holds a private key or AWS credentials",
                "remove it: credentials live in Secrets Manager",
            )
    destination.parent.mkdir(parents=True, exist_ok=True)
    unfinished = destination.with_name(f".{destination.name}.{os.getpid()}")
    try:
        deterministic_zip.write(
            unfinished, entries, {name for name, path in files.items() if path.stat().st_mode & 0o100}
        )
        content = unfinished.read_bytes()
        if len(content) > LIMIT:
            raise BundleError(
                f"the bundle has {len(content):,} bytes, more than {LIMIT:,}", "look what it holds"
            )
        unfinished.replace(destination)  # whole or not at all: `eb deploy` never finds half a zip
    finally:
        unfinished.unlink(missing_ok=True)
    return Bundle(destination, hashlib.sha256(content).hexdigest(), len(content))


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise BundleError(f"{path} is a symbolic link", "put the file itself there")
        if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(folder).parts):
            yield path
