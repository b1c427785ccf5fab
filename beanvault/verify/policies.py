"""How policies are read, of identities and of resources alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


def statements(policy: str | Raw | None) -> list[Any]:
    """Return the statements of a policy, which some services answer as text and others parsed."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    found = document["Statement"] if document else []
    return found if isinstance(found, list) else [found]


def listed(value: Any) -> list[Any]:
    """Return a policy's element as a list: one thing may stand there without its brackets."""
    return value if isinstance(value, list) else [value]


def required(statement: Raw, key: str) -> frozenset[str]:
    """Return the values one of which a statement's condition requires of *key*; none where it doesn't.

    IAM takes the names of keys in any case.
    """
    return frozenset(
        str(value)
        for operator in ("StringEquals", "StringLike", "ArnEquals", "ArnLike")
        for name, values in statement.get("Condition", {}).get(operator, {}).items()
        if name.lower() == key.lower()
        for value in listed(values)
    )


def plain_http_denied(found: list[Any]) -> bool:
    """Whether a policy denies requests without TLS."""
    return any(
        statement["Effect"] == "Deny"
        and str(statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport", "")).lower()
        == "false"
        for statement in found
    )
