"""Vault's answers are checked where they are read; an error names the field and never a value."""

from __future__ import annotations

import pytest

from beanvault.vault.answers import Answer
from beanvault.vault.errors import VaultError

CANARY = "canary-51f0"
RAW = {
    "data": {
        "name": CANARY,
        "version": 3,
        "sealed": False,
        "keys": ["a", "b"],
        "none": None,
        "part": {"a": 1},
    }
}


def test_fields_are_returned_with_their_type() -> None:
    answer = Answer.of(RAW, "a read of x")
    assert (answer.text("name"), answer.number("version"), answer.flag("sealed")) == (CANARY, 3, False)
    assert (answer.texts("keys"), answer.texts("none"), answer.texts("missing")) == (("a", "b"), (), ())
    assert (answer.text_map("part"), answer.text_map("none")) == ({"a": "1"}, {})
    assert list(answer.parts()) == ["part"]
    assert CANARY not in repr(answer)


@pytest.mark.parametrize("raw", [None, "text", [], {}, {"data": None}, {"data": "text"}])
def test_an_answer_of_another_shape_is_an_error_with_a_remedy(raw: object) -> None:
    """A captive portal or a proxy can answer with anything."""
    with pytest.raises(VaultError, match="answer to a read of x has no") as raised:
        Answer.of(raw, "a read of x")
    assert raised.value.remedy


def test_a_field_of_another_type_is_an_error_without_its_value() -> None:
    answer = Answer.of(RAW, "a read of x")
    with pytest.raises(VaultError, match="no name of type int") as raised:
        answer.number("name")
    assert CANARY not in str(raised.value)
