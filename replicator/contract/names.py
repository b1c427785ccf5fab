"""Names: one reversible rule from Vault's paths to what Secrets Manager accepts."""

from __future__ import annotations

import re

MAX_NAME = 512
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""

# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html: ASCII letters,
# digits and /_+=.@- ; the equals sign is left out because it begins an escape.
_PLAIN = re.compile(r"[A-Za-z0-9/_+.@-]*")
_ESCAPE = re.compile(r"=([0-9A-F]{2})")
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_+.@-")


def encode(path: str) -> str:
    """Return *path* with each byte of UTF-8 that is not allowed in a name, and `=` itself, as `=XX`.

    Most paths are returned unchanged. No two paths become the same name.
    """
    if _PLAIN.fullmatch(path):
        return path
    return "".join(chr(byte) if byte in _SAFE else f"={byte:02X}" for byte in path.encode())


def decode(name: str) -> str | None:
    """Return the path that `encode` made *name* from, or None where it can't have made it."""
    if _PLAIN.fullmatch(name):
        return name
    try:
        path = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name).encode("latin-1").decode()
    except UnicodeError:
        return None
    return path if encode(path) == name else None


def secret_name(prefix: str, path: str) -> str:
    """Return the name of the secret that *path*, without its mount, becomes below *prefix*."""
    return f"{prefix}/{encode(path)}"


def is_valid_name(name: str) -> bool:
    """Whether Secrets Manager accepts *name* literally, length aside."""
    return bool(name) and _PLAIN.fullmatch(name.replace("=", "")) is not None


def is_addressable(path: str) -> bool:
    """Whether *path* stays the same in a URL, where `..` would lead out of a mount and `//` be one slash."""
    return not {"", ".", ".."}.intersection(path.split("/"))
