"""Names: reversible, distinct, and what Secrets Manager takes."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from replicator.names import decode, encode, taken_as_it_is

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


def test_an_empty_name_is_not_taken() -> None:
    assert not taken_as_it_is("")
    assert taken_as_it_is("a=b/c")
    assert not taken_as_it_is("a b")
