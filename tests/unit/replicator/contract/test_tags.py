"""Tags: a source is plain inside the program and encoded in AWS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.contract.tags import (
    TAG_OWNER,
    TAG_SOURCE,
    TAG_VERSION,
    ManagedTags,
    decode_tags,
    encode_tags,
    encoded_length,
    read_tags,
)

PATHS = st.text(st.characters(exclude_categories=["Cs"]))


@given(PATHS, PATHS)
def test_tags_are_read_as_they_were_written(source: str, other: str) -> None:
    tags = ((TAG_OWNER, "shop"), (TAG_SOURCE, source), ("team", other))
    assert decode_tags(encode_tags(tags)) == tags


def test_only_the_source_is_encoded() -> None:
    tags = encode_tags(((TAG_SOURCE, "kv/my app"), ("note", "my app")))
    assert tags == ((TAG_SOURCE, "kv/my=20app"), ("note", "my app"))
    assert encoded_length("kv/my app") == len("kv/my=20app")


def listed(**tags: str) -> list[dict[str, str]]:
    return [{"Key": f"beanvault:{key}", "Value": value} for key, value in tags.items()]


def test_the_tags_of_a_managed_secret_are_read_plain() -> None:
    tags = read_tags([*listed(owner="shop", source="kv/my=20app", version="3"), {"Key": "a", "Value": "b"}])
    assert tags == ManagedTags("shop", "kv/my app", "3")
    assert read_tags(None) == read_tags([]) == ManagedTags(None, None, None)


@pytest.mark.parametrize("source", ["kv/=FF", "kv/é", "kv/=41", "kv/日"])
def test_a_source_that_a_person_edited_counts_as_none(source: str) -> None:
    assert read_tags(listed(owner="shop", source=source)) == ManagedTags("shop", None, None)
    assert decode_tags(((TAG_SOURCE, source), (TAG_VERSION, "3"))) == ((TAG_VERSION, "3"),)
