"""Values: none is changed on the way, none that is empty or too large is written, none is in a repr."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import ValueRefused
from replicator.model import SecretValue
from replicator.value import MAX_BYTES, parse_json, render

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def rendered(text: str, *, plain: bool = False) -> str:
    return render(SecretValue(parse_json(text.encode())), plain=plain)


@given(st.dictionaries(st.text(), JSON, min_size=1))
def test_the_secret_has_exactly_the_values_of_vault(data: dict[str, object]) -> None:
    if all(each is None or each == "" for each in data.values()):
        return
    assert json.loads(rendered(json.dumps(data))) == data


def test_numbers_keep_exactly_the_characters_that_vault_sent() -> None:
    text = '{"a":12345678901234567000,"b":1.10,"c":1E+2,"d":[0.1],"e":-0}'
    assert rendered(text) == text


def test_keys_come_in_one_order_whatever_order_they_were_sent_in() -> None:
    assert rendered('{"b":{"y":1,"x":2},"a":"é"}') == '{"a":"é","b":{"x":2,"y":1}}'


def test_a_single_key_becomes_its_plain_text_where_requested() -> None:
    assert rendered('{"token":"canary\\nline"}', plain=True) == "canary\nline"
    assert rendered('{"port":3306}', plain=True) == "3306"
    with pytest.raises(ValueRefused, match="exactly one key, and the value has 2"):
        rendered('{"a":"x","b":"y"}', plain=True)


@pytest.mark.parametrize("text", ["{}", '{"password":""}', '{"a":null,"b":""}'])
def test_an_empty_value_is_refused(text: str) -> None:
    with pytest.raises(ValueRefused, match="empty"):
        rendered(text)


def test_zero_and_false_are_not_empty() -> None:
    assert rendered('{"retries":0}') == '{"retries":0}'
    assert rendered('{"enabled":false}') == '{"enabled":false}'


def test_a_value_can_have_65536_bytes_of_utf8_and_not_one_more() -> None:
    frame = len('{"a":""}')
    assert len(rendered(json.dumps({"a": "x" * (MAX_BYTES - frame)}))) == MAX_BYTES
    with pytest.raises(ValueRefused, match="65537 bytes"):
        rendered(json.dumps({"a": "x" * (MAX_BYTES - frame + 1)}))
    with pytest.raises(ValueRefused, match="bytes"):
        rendered(json.dumps({"a": "é" * (MAX_BYTES // 2)}))


def test_half_a_surrogate_pair_is_refused_without_the_value() -> None:
    with pytest.raises(ValueRefused) as caught:
        rendered('{"a":"canary\\ud800"}')
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_value_is_hidden_from_every_representation() -> None:
    value = SecretValue({"password": "canary-repr"})
    assert "canary" not in f"{value!r} {value}"


@pytest.mark.parametrize("text", ['{"password": "canary', '["canary"]', "canary"])
def test_an_answer_that_is_not_an_object_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="the answer is not") as caught:
        parse_json(text.encode())
    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
