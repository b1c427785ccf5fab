"""Secret values: parsing Vault's answer without loss, and the text for Secrets Manager."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .errors import ValueRefused
from .model import SecretValue

MAX_BYTES = 65_536
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""


class Number(str):
    """A JSON number in exactly the characters that Vault sent; parsing it to a float could change it."""

    __slots__ = ()


def parse_json(text: bytes) -> dict[str, Any]:
    """Parse an answer of Vault.

    Raises:
        ValueError: it is not a JSON object; the message never contains the text.
    """
    try:
        parsed = json.loads(text, parse_int=Number, parse_float=Number)
    except ValueError:
        raise ValueError("the answer is not JSON") from None
    if not isinstance(parsed, dict):
        raise ValueError("the answer is not a JSON object")  # noqa: TRY004 - it is bad text, as above
    return parsed


def render(value: SecretValue, *, plain: bool) -> str:
    """Return the secret string: a JSON object with sorted keys, or the one key's plain text.

    Raises:
        ValueRefused: the value is empty, longer than `MAX_BYTES` of UTF-8, or does not have exactly one
            key where plain text was requested.
    """
    if all(each is None or each == "" for each in value.data.values()):
        raise ValueRefused("the value is empty; an empty value never replaces a secret")
    if plain and len(value.data) != 1:
        raise ValueRefused(f"aws-format=plain takes exactly one key, and the value has {len(value.data)}")
    text = _plain(next(iter(value.data.values()))) if plain else canonical(value.data)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        # The original exception contains the whole text.
        raise ValueRefused("the value contains half of a surrogate pair, which is not text") from None
    if size > MAX_BYTES:
        raise ValueRefused(f"the value is {size} bytes long; Secrets Manager takes {MAX_BYTES}")
    return text


def canonical(data: Mapping[str, object]) -> str:
    """Return the text that equal data always has."""
    return _json(dict(data))


def _plain(value: object) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    match value:
        case Number():
            return str(value)
        case dict():
            return "{" + ",".join(f"{_json(str(key))}:{_json(value[key])}" for key in sorted(value)) + "}"
        case list():
            return "[" + ",".join(_json(each) for each in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)
