"""A database credential and how a password is made."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field

ALPHABET = string.ascii_letters + string.digits
"""No character that a shell, a URL, SQL or YAML takes for its own."""
LENGTH = 40
"""238 bits; MySQL takes 32 characters for a replication user only, and any length here."""


@dataclass(frozen=True, slots=True)
class DatabaseCredential:
    username: str
    password: str = field(repr=False)


def new_password() -> str:
    """Return a password that has a lower-case letter, a capital and a digit, as password policies ask."""
    while True:
        password = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        if all(
            any(c in kind for c in password)
            for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits)
        ):
            return password
