"""Names: one reversible rule from Vault's paths to what Secrets Manager takes."""

from __future__ import annotations

import re

MAX_NAME = 512
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""
MAX_TAG_VALUE = 256

# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html: ASCII letters,
# digits and /_+=.@- ; the equals sign is left out because it begins an escape.
_PLAIN = re.compile(r"[A-Za-z0-9/_+.@-]*")
_ESCAPE = re.compile(r"=([0-9A-F]{2})")
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_+.@-")


def encode(path: str) -> str:
    """Return *path* with each byte of UTF-8 that a name can't have, and `=` itself, as `=XX`.

    Most paths come back as they are. No two paths become the same name.
    """
    if _PLAIN.fullmatch(path):
        return path
    return "".join(chr(byte) if byte in _SAFE else f"={byte:02X}" for byte in path.encode())


def decode(name: str) -> str:
    """Return the path that `encode` made *name* from."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name).encode("latin-1").decode()


def is_encoded(name: str) -> bool:
    """Whether `encode` can have made *name*: a person may have edited it."""
    if _PLAIN.fullmatch(name):
        return True
    try:
        return encode(decode(name)) == name
    except UnicodeError:
        return False


def taken_as_it_is(name: str) -> bool:
    """Whether Secrets Manager takes *name* literally, length aside."""
    return bool(name) and _PLAIN.fullmatch(name.replace("=", "")) is not None


def can_be_addressed(path: str) -> bool:
    """Whether *path* stays the same in a URL, where `..` would lead out of a mount and `//` be one slash."""
    return not {"", ".", ".."}.intersection(path.split("/"))
