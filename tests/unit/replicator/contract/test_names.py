"""Names: reversible, distinct, and what Secrets Manager takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.contract.names import decode, encode, is_valid_name

PATHS = st.text(st.characters(exclude_categories=["Cs"]))


@given(PATHS)
def test_every_path_comes_back_from_its_name(path: str) -> None:
    assert decode(encode(path)) == path


@given(PATHS)
def test_every_name_is_made_of_what_secrets_manager_takes(path: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9/_+=.@-]*", encode(path))


@given(PATHS, PATHS)
def test_no_two_paths_become_one_name(one: str, other: str) -> None:
    assert (encode(one) == encode(other)) == (one == other)


def test_usual_paths_stay_as_they_are() -> None:
    assert encode("team-a/app_1/db.main@eu+x") == "team-a/app_1/db.main@eu+x"


def test_what_a_name_cannot_have_is_escaped_byte_by_byte() -> None:
    assert encode("my app=é") == "my=20app=3D=C3=A9"


@pytest.mark.parametrize("name", ["=FF", "é", "=41", "日", "a=", "a=2f"])
def test_a_name_that_encode_cannot_have_made_has_no_path(name: str) -> None:
    assert decode(name) is None


def test_an_empty_name_is_not_valid() -> None:
    assert not is_valid_name("")
    assert is_valid_name("a=b/c")
    assert not is_valid_name("a b")
