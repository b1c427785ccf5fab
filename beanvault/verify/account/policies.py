"""Policies of identities and of resources, parsed from their JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ANYONE = frozenset({"*"})
EQUALITY_OPERATORS = ("StringEquals", "StringLike", "ArnEquals", "ArnLike")


@dataclass(frozen=True, slots=True)
class PolicyStatement:
    """One statement of a policy; a single value and a list of one are the same."""

    sid: str
    allows: bool
    """Its effect: `Allow`, or else `Deny`."""
    actions: tuple[str, ...]
    """Patterns in lower case. `NotAction` allows all actions but a few, and is read as all."""
    resources: tuple[str, ...]
    """`NotResource` is read as all resources."""
    excepted_resources: tuple[str, ...]
    """Those of `NotResource`."""
    principals: Mapping[str, frozenset[str]]
    """Kind (`AWS`, `Service`, …) to principals."""
    conditions: Mapping[str, Mapping[str, frozenset[str]]]
    """Operator to key, in lower case, to values: IAM ignores the case of keys."""

    @property
    def name(self) -> str:
        return self.sid or "a statement without a Sid"

    @property
    def denies(self) -> bool:
        return not self.allows

    @property
    def for_anyone(self) -> bool:
        """Whether any principal of any account matches, as far as the principal element decides."""
        return self.principals.get("AWS") == ANYONE

    def required(self, key: str) -> frozenset[str]:
        """Return the values one of which the conditions require of *key*; none where they don't."""
        return frozenset(
            value
            for operator in EQUALITY_OPERATORS
            for value in self.conditions.get(operator, {}).get(key.lower(), ())
        )


def statements(policy: str | Mapping[str, Any] | None) -> tuple[PolicyStatement, ...]:
    """Return the statements of a policy, which some services return as text and others parsed.

    Raises:
        KeyError: a required element is missing
        ValueError: the text isn't JSON, or an element isn't what the policy language allows
    """
    document = json.loads(policy) if isinstance(policy, str) else policy
    if not document:
        return ()
    return tuple(_statement(_object(raw)) for raw in _listed(_object(document)["Statement"]))


def plain_http_denied(found: Iterable[PolicyStatement]) -> bool:
    """Whether a policy denies requests without TLS."""
    return any(
        statement.denies and {value.lower() for value in _transport(statement)} == {"false"}
        for statement in found
    )


def _transport(statement: PolicyStatement) -> frozenset[str]:
    return statement.conditions.get("Bool", {}).get("aws:securetransport", frozenset())


def _statement(raw: Mapping[str, Any]) -> PolicyStatement:
    principal = raw.get("Principal", {})
    return PolicyStatement(
        sid=raw.get("Sid", ""),
        allows=raw["Effect"] == "Allow",
        actions=tuple(str(action).lower() for action in _listed(raw.get("Action", "*"))),
        resources=tuple(map(str, _listed(raw.get("Resource", "*")))),
        excepted_resources=tuple(map(str, _listed(raw.get("NotResource", [])))),
        principals=_values({"AWS": principal} if isinstance(principal, str) else principal),
        conditions={
            operator: {key.lower(): values for key, values in _values(keys).items()}
            for operator, keys in _object(raw.get("Condition", {})).items()
        },
    )


def _values(element: Any) -> Mapping[str, frozenset[str]]:
    return {key: frozenset(map(str, _listed(value))) for key, value in _object(element).items()}


def _object(element: Any) -> Mapping[str, Any]:
    if not isinstance(element, Mapping):
        raise ValueError(f"a policy has {type(element).__name__} in the place of an object")  # noqa: TRY004 - of JSON
    return element


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
