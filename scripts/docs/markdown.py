"""Markdown helpers of the generated pages, and the descriptions that aren't in the code."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTIONS: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("descriptions.toml").read_text()
)
TEXT: dict[str, str] = DESCRIPTIONS["text"]


def page(title: str, source: str, *parts: str) -> str:
    """Return a page with a note that it is generated, and from what."""
    note = f"<!-- Generated from {source} by `python -m scripts.docs`; edit that, not this. -->"
    return "\n\n".join([f"# {title}", note, *(part.strip("\n") for part in parts)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def block(text: str, language: str = "") -> str:
    return f"```{language}\n{text.rstrip()}\n```"
