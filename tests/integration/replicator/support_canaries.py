"""Canaries: values that are recognised wherever they turn up, in whatever spelling."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
import uuid
from collections.abc import Iterable, Iterator, Mapping

TOKEN = re.compile(rb"\b(?:hvs|hvb|s|b)\.[A-Za-z0-9_-]{24,}")
"""A token of Vault's or OpenBao's, also one that is not known to the test."""


def canary(kind: str) -> str:
    """Return a new value with all that an escape may change."""
    return f'canary {kind}/{uuid.uuid4().hex}+"\\é\u2028=&%\n{uuid.uuid4().hex[:8]}'


def spellings(value: str) -> Iterator[tuple[str, bytes]]:
    """Yield the ways in which *value* can be written, each with its name.

    Of base64, whatever stands before the value: what depends on its neighbours is left out on both sides.
    """
    raw = value.encode()
    yield "plain", raw
    for part in re.findall(r"[0-9a-f]{32,}", value):
        yield "a part", part.encode()
    once = json.dumps(value)[1:-1]
    yield "JSON", once.encode()
    yield "JSON with letters kept", json.dumps(value, ensure_ascii=False)[1:-1].encode()
    yield "JSON in JSON", json.dumps(once)[1:-1].encode()
    yield "repr", repr(value)[1:-1].encode()
    yield "repr of bytes", repr(raw)[2:-1].encode()
    yield "URL", urllib.parse.quote(value, safe="").encode()
    yield "URL with slashes kept", urllib.parse.quote(value).encode()
    yield "form", urllib.parse.quote_plus(value).encode()
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        core = encoded[(0, 4, 4)[shift] : len(encoded) // 4 * 4 - 4]
        yield f"base64 at {shift}", core
        yield f"base64url at {shift}", core.replace(b"+", b"-").replace(b"/", b"_")


def leaks(texts: Mapping[str, bytes], values: Iterable[str]) -> list[str]:
    """Return where a value was found: the names of text and spelling, never the value."""
    spelled = {(name, spelling) for value in values for name, spelling in spellings(value)}
    found = {
        f"{where}: {name}" for where, text in texts.items() for name, spelling in spelled if spelling in text
    }
    return sorted(found | {f"{where}: a token" for where, text in texts.items() if TOKEN.search(text)})
