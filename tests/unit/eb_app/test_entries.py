"""Which input is a valid entry."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eb_app.entries import MAX_TEXT_LENGTH, InvalidEntry, parse_request_key, parse_text


@given(st.text())
def test_accepted_text_is_short_visible_and_normalised(raw: str) -> None:
    """And it stays the same when it is parsed again."""
    try:
        text = parse_text(raw)
    except InvalidEntry:
        return
    assert 1 <= len(text) <= MAX_TEXT_LENGTH
    assert text == unicodedata.normalize("NFC", text).strip() == parse_text(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)
    text.encode("utf-8")  # a lone surrogate would fail in the database's driver


@pytest.mark.parametrize(
    "raw",
    [
        "Grüße, 你好, שלום, مرحبا",
        "👩‍👩‍👧 family",
        "'; DROP TABLE entries; --",
        "<script>alert(1)</script>",
        "x" * MAX_TEXT_LENGTH,
        "עברית\u200f!",
    ],
)
def test_text_in_any_language_or_syntax_is_accepted(raw: str) -> None:
    """SQL and HTML are stored and shown as text."""
    assert parse_text(raw) == raw


@pytest.mark.parametrize(
    "raw",
    [
        None,
        7,
        ["text"],
        "",
        "   \n",
        "x" * (MAX_TEXT_LENGTH + 1),
        "bell\x07",
        "null\x00byte",
        "two\nlines",
        "lone \ud800 surrogate",
        "line\u2028separator",
        "\u200b",
        "\u200f\u061c \ufe0f",
        "\u3164",
        "reversed \u202e txt",
        "isolated \u2066 txt",
    ],
)
def test_invisible_and_control_characters_are_refused(raw: object) -> None:
    """And lone surrogates, marks that override the direction of text, and values that are not strings."""
    with pytest.raises(InvalidEntry):
        parse_text(raw)


@pytest.mark.parametrize("raw", [None, "", "1", "g" * 32, 5])
def test_a_request_key_is_a_uuid(raw: object) -> None:
    """Anything else is refused."""
    with pytest.raises(InvalidEntry, match="UUID"):
        parse_request_key(raw)


def test_one_request_key_has_one_spelling() -> None:
    """Upper case and braces don't make another key."""
    assert (
        parse_request_key("{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}") == "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    )
