"""Zip files whose bytes depend only on their entries."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time of a zip entry; the real time would make each build differ."""

_UNIX = 3


def write(path: Path, entries: Iterable[tuple[str, bytes]], executable: Collection[str] = ()) -> None:
    """Write a zip of *entries* (name, content) to *path*, in the order of their names.

    Files get mode 644, those in *executable* mode 755. With one version of zlib, the same entries always
    give the same bytes.

    Raises:
        ValueError: a name is absolute, leads outside of the zip, or is there twice
    """
    names: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(entries):
            if name.startswith("/") or ".." in name.split("/") or name in names:
                raise ValueError(f"{name!r} can't be an entry of {path.name}")
            names.add(name)
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX  # otherwise modes are ignored, as in a zip made on Windows
            entry.external_attr = (stat.S_IFREG | (0o755 if name in executable else 0o644)) << 16
            archive.writestr(entry, content, compresslevel=9)
