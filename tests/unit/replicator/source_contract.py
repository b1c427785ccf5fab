"""What every source has to do; the one in memory and KV version 2 of a real OpenBao pass the same tests."""

from __future__ import annotations

from typing import Protocol

import pytest

from replicator.errors import SourceChanged
from replicator.model import Absent, Entry, Revision
from replicator.source import Source


class Writer(Protocol):
    """What people do to the source meanwhile; paths are without the mount."""

    mount: str

    def write(self, path: str, data: dict[str, object]) -> None: ...
    def choose(self, path: str, **choices: str) -> None: ...
    def delete(self, path: str) -> None: ...
    def remove(self, path: str) -> None: ...


def revision(entry: Entry) -> Revision:
    assert isinstance(entry, Revision)
    return entry


class SourceContract:
    """Subclasses have fixtures `source`, empty, and `writer`."""

    def only(self, source: Source) -> Revision:
        (entry,) = source.list()
        return revision(entry)

    def test_what_was_written_is_listed_and_its_value_fetched(self, source: Source, writer: Writer) -> None:
        writer.write("app/db", {"password": "canary"})
        listed = self.only(source)
        assert listed.source == f"{writer.mount}/app/db"
        fetched, value = source.fetch(listed)
        assert fetched == listed
        assert value.data == {"password": "canary"}

    def test_listing_twice_shows_the_same(self, source: Source, writer: Writer) -> None:
        for path in ("one", "folder/two", "folder/folder/three"):
            writer.write(path, {"key": "canary"})
        once, again = (sorted(revision(each).source for each in source.list()) for _ in range(2))
        assert once == again
        assert len(once) == 3

    def test_a_write_is_another_revision_even_of_the_same_value(self, source: Source, writer: Writer) -> None:
        seen = set()
        for _ in range(3):
            writer.write("db", {"password": "canary"})
            seen.add(self.only(source))
        assert len(seen) == 3

    def test_a_path_removed_and_written_again_is_another_revision(
        self, source: Source, writer: Writer
    ) -> None:
        writer.write("db", {"password": "canary"})
        before = self.only(source)
        writer.remove("db")
        writer.write("db", {"password": "canary"})
        assert self.only(source) != before

    def test_what_was_deleted_is_absent_and_cannot_be_fetched(self, source: Source, writer: Writer) -> None:
        writer.write("db", {"password": "canary"})
        listed = self.only(source)
        writer.delete("db")
        (entry,) = source.list()
        assert isinstance(entry, Absent)
        assert "deleted" in entry.reason
        with pytest.raises(SourceChanged, match=f"{writer.mount}/db"):
            source.fetch(listed)

    def test_a_later_write_is_fetched_in_place_of_the_one_that_was_listed(
        self, source: Source, writer: Writer
    ) -> None:
        writer.write("db", {"password": "canary-1"})
        listed = self.only(source)
        writer.write("db", {"password": "canary-2"})
        fetched, value = source.fetch(listed)
        assert fetched == self.only(source) != listed
        assert value.data == {"password": "canary-2"}

    def test_choices_are_passed_on_and_make_no_new_version(self, source: Source, writer: Writer) -> None:
        writer.write("db", {"password": "canary"})
        before = self.only(source)
        writer.choose("db", **{"aws-name": "chosen"})
        after = self.only(source)
        assert after.custom == (("aws-name", "chosen"),)
        assert after.version_id("shop") == before.version_id("shop")

    def test_only_named_sources_are_read_and_missing_ones_are_absent(
        self, source: Source, writer: Writer
    ) -> None:
        for path in ("one", "two"):
            writer.write(path, {"key": "canary"})
        names = (f"{writer.mount}/one", f"{writer.mount}/missing")
        entries = {type(entry): entry.source for entry in source.list(names)}
        assert entries == {Revision: names[0], Absent: names[1]}
