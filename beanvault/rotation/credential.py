"""A database credential, and how its password is generated."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field

ALPHABET = string.ascii_letters + string.digits
"""No character that has a meaning in a shell, a URL, SQL or YAML."""
LENGTH = 40
"""238 bits. MySQL's limit of 32 characters holds for replication users only."""


@dataclass(frozen=True, slots=True)
class DatabaseCredential:
    username: str
    password: str = field(repr=False)


def generate_password() -> str:
    """Return a password with a lower-case letter, a capital and a digit, as password policies require."""
    while True:
        password = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        if all(
            any(character in required for character in password)
            for required in (string.ascii_lowercase, string.ascii_uppercase, string.digits)
        ):
            return password
