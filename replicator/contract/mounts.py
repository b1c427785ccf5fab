"""Mounts and sources: how a deployment names what is replicated.

    MOUNT  = [ "kv:" ] PATH | "database:" PATH [ "?" KEY "=" VALUE { "&" KEY "=" VALUE } ]
    SOURCE = PATH of a mount "/" path below it

Spaces around a mount and slashes around its path are ignored. Text before the first colon is the kind, so a
KV mount with a colon in its path is written with its kind: `kv:a:b`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from .names import is_addressable

DATABASE_KEYS = ("engine", "host", "port", "dbname")
"""What a database mount may add to its credentials."""

MOUNT_FORMS = '"beanvault", "kv:PATH", "database:PATH" or "database:PATH?engine=…&host=…&port=…&dbname=…"'

# No white space, quote, backslash or `*`: the path is also written into policies and lists.
_PATH = re.compile(r"[A-Za-z0-9_.:=@~+-]+(/[A-Za-z0-9_.:=@~+-]+)*")
_VALUE = re.compile(r"[^&?,\s=]+")


class MountError(ValueError):
    """A text that names no mount, or mounts that exclude each other."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount to replicate from. *adds* are the keys that a database credential is completed with."""

    kind: Literal["kv", "database"]
    path: str
    adds: tuple[tuple[str, str], ...] = ()

    def holds(self, source: str) -> bool:
        """Whether *source* lies below this mount."""
        return source.startswith(f"{self.path}/")


def parse_mount(text: str) -> Mount:
    """Read one mount.

    Raises:
        MountError: *text* is not a mount.
    """
    head, colon, rest = text.strip().partition(":")
    kind, rest = (head, rest) if colon else ("kv", head)
    path, question_mark, query = rest.partition("?")
    path = path.strip("/")
    if kind not in ("kv", "database"):
        raise MountError(f"{text!r}: the kind is kv or database, not {kind!r}")
    if not path:
        raise MountError(f"{text!r} names no mount")
    # A policy reads a whole segment `+` as any segment.
    if not _PATH.fullmatch(path) or not is_addressable(path) or "+" in path.split("/"):
        raise MountError(f"{text!r}: a mount's path has ASCII letters, digits and _.:=@~+- between single /")
    if kind == "kv":
        if question_mark:
            raise MountError(f"{text!r}: only a database mount takes parameters")
        return Mount("kv", path)
    return Mount("database", path, _parse_adds(text, query) if question_mark else ())


def _parse_adds(text: str, query: str) -> tuple[tuple[str, str], ...]:
    adds = tuple(sorted(parse_qsl(query, keep_blank_values=True)))
    keys = [key for key, _ in adds]
    if not adds or not set(keys) <= set(DATABASE_KEYS):
        raise MountError(f"{text!r}: parameters are {', '.join(DATABASE_KEYS)}")
    for key, value in adds:
        if keys.count(key) > 1:
            raise MountError(f"{text!r}: {key} is given twice")
        if not _VALUE.fullmatch(value):
            raise MountError(f"{text!r}: {key} is empty or contains one of & ? , = or white space")
        if key == "port" and not value.isdecimal():
            raise MountError(f"{text!r}: the port is a number")
    return adds


def parse_mounts(texts: Iterable[str]) -> tuple[Mount, ...]:
    """Read several mounts, which must have different paths.

    Raises:
        MountError: one of *texts* is not a mount, or two name the same one.
    """
    mounts = tuple(map(parse_mount, texts))
    if twice := repeated(mounts):
        raise MountError(f"{', '.join(twice)}: named twice")
    return mounts


def repeated(mounts: Iterable[Mount]) -> tuple[str, ...]:
    """Return the paths that more than one of *mounts* has: a mount has one kind."""
    paths = [mount.path for mount in mounts]
    return tuple(sorted({path for path in paths if paths.count(path) > 1}))


def mount_of(source: str, mounts: Iterable[Mount]) -> Mount | None:
    """Return the one of *mounts* that holds *source*: the deepest, as one may lie below another."""
    return max(
        (mount for mount in mounts if mount.holds(source)), key=lambda each: len(each.path), default=None
    )


def parse_source(text: str) -> str:
    """Return a source as it is compared: without slashes around it.

    Raises:
        ValueError: it would be another path in a URL.
    """
    source = text.strip("/")
    if not is_addressable(source):
        raise ValueError(f"{source!r} has a segment that is empty or made of dots")
    return source
