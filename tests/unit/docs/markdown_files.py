"""The project's Markdown files, parsed for the tests."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.project import ROOT

FILES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ID = re.compile(r'<a id="([^"]+)"')
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


def blocks(text: str, language: str) -> Iterator[str]:
    """Yield the text of each fenced block in *language*."""
    yield from (found[2] for found in _FENCE.finditer(text) if found[1] == language)


def prose(text: str) -> str:
    """Return *text* without its fenced blocks."""
    return _FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """Return the anchors that a link can point to: headings as GitHub names them, and explicit ids."""
    names: set[str] = set(_ID.findall(text))
    for heading in _HEADING.findall(prose(text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (numbered := f"{name}-{number}" if number else name) in names:
            number += 1
        names.add(numbered)
    return names


def links(text: str) -> list[str]:
    """Return the targets of all links."""
    return [first or second for first, second in _LINK.findall(prose(text))]
