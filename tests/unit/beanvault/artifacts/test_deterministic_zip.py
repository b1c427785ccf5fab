"""A zip's bytes depend on its entries and on nothing else."""

from __future__ import annotations

import stat
import time
import zipfile
from pathlib import Path

import pytest

from beanvault.artifacts import deterministic_zip

ENTRIES = [("b/script.sh", b"#!/bin/sh\n"), ("a.txt", b"a" * 5000)]


def test_the_same_entries_make_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the order in which entries come, nor the time, nor the time zone shows."""
    deterministic_zip.write(tmp_path / "one.zip", ENTRIES)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    deterministic_zip.write(tmp_path / "two.zip", reversed(ENTRIES))
    monkeypatch.undo()
    time.tzset()
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_another_content_makes_other_bytes(tmp_path: Path) -> None:
    """The comparison above can fail."""
    deterministic_zip.write(tmp_path / "one.zip", ENTRIES)
    deterministic_zip.write(tmp_path / "two.zip", [*ENTRIES[:1], ("a.txt", b"b" * 5000)])
    assert (tmp_path / "one.zip").read_bytes() != (tmp_path / "two.zip").read_bytes()


def test_modes_are_kept_and_content_comes_back(tmp_path: Path) -> None:
    """Only what is named executable can be executed."""
    deterministic_zip.write(tmp_path / "made.zip", ENTRIES, {"b/script.sh"})
    with zipfile.ZipFile(tmp_path / "made.zip") as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        assert modes == {"a.txt": stat.S_IFREG | 0o644, "b/script.sh": stat.S_IFREG | 0o755}
        assert archive.read("a.txt") == b"a" * 5000
        assert archive.testzip() is None


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../outside", "a.txt"])
def test_a_name_that_is_unsafe_or_taken_is_refused(tmp_path: Path, name: str) -> None:
    """An absolute name, one that leads outside, or one that comes twice would unpack to a surprise."""
    with pytest.raises(ValueError, match="can't be an entry"):
        deterministic_zip.write(tmp_path / "made.zip", [("a.txt", b""), (name, b"")])
