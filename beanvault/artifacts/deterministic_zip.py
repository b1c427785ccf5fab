"""Zip files whose bytes depend on nothing but their entries."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can tell; a real one would make each build another file."""

_UNIX = 3


def write(path: Path, entries: Iterable[tuple[str, bytes]], executable: Collection[str] = ()) -> None:
    """Write a zip of *entries* (name, content) to *path*, in the order of their names.

    Files get mode 644; those named in *executable* 755. The same entries always make the same bytes on one
    version of zlib.

    Raises:
        ValueError: a name is absolute, leads outside, or comes twice
    """
    seen: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(entries):
            if name.startswith("/") or ".." in name.split("/") or name in seen:
                raise ValueError(f"{name!r} can't be an entry of {path.name}")
            seen.add(name)
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX  # else a build on Windows says otherwise, and modes are ignored
            entry.external_attr = (stat.S_IFREG | (0o755 if name in executable else 0o644)) << 16
            archive.writestr(entry, content, compresslevel=9)
