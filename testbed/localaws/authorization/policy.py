"""IAM's decision, as a pure function of policies and one request.

Follows https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html within
one account: calls across accounts, organisations' policies and VPC endpoint policies are not evaluated.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any

Document = Mapping[str, Any]
"""A policy document as `json.loads` gives it."""

ContextValue = str | tuple[str, ...]


class PolicyError(ValueError):
    """A policy is malformed, for example by an unknown operator; IAM would not have stored it."""


class Decision(Enum):
    ALLOWED = "allowed"
    IMPLICITLY_DENIED = "implicitDeny"
    EXPLICITLY_DENIED = "explicitDeny"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One action on one resource."""

    action: str
    """As IAM writes it: `secretsmanager:GetSecretValue`."""
    resource: str
    """An ARN, or `*` for an action without resources."""
    principal: str
    """ARN of user, role or role session; a service (`lambda.amazonaws.com`); `*` for an anonymous caller."""
    context: Mapping[str, ContextValue] = field(default_factory=dict)
    """Condition keys, in upper or lower case. `aws:PrincipalArn` and `aws:PrincipalAccount` default to the
    principal's."""


def evaluate(
    policies: Iterable[Document],
    request: AccessRequest,
    *,
    limits: Iterable[Document] = (),
    resource_policy: Document | None = None,
    resource_decides: bool = False,
) -> Decision:
    """Decide *request*.

    *policies* are the principal's identity-based policies; *limits* its permissions boundary and session
    policy, each of which must allow it too. *resource_decides* is for keys and roles: identity-based policies
    count only if the *resource_policy* (key policy, trust policy) delegates to the principal's account.

    Raises:
        PolicyError: a statement is malformed
    """
    facts = _Facts.of(request)
    identity = [_effect(policy, facts) for policy in policies]
    bounds = [_effect(limit, facts) for limit in limits]
    direct = _effect(resource_policy, facts, _names_principal) if resource_policy else None
    delegated = _effect(resource_policy, facts, _names_account) if resource_policy else None
    if "Deny" in (*identity, *bounds, direct, delegated):
        return Decision.EXPLICITLY_DENIED
    by_identity = "Allow" in identity and (delegated == "Allow" or not resource_decides)
    allowed = (direct == "Allow" or by_identity) and all(bound == "Allow" for bound in bounds)
    return Decision.ALLOWED if allowed else Decision.IMPLICITLY_DENIED


@lru_cache(maxsize=4096)
def parse(text: str) -> Document:
    """Return a policy's text as a document; each text is parsed once."""
    document: Document = json.loads(text)
    return document


@dataclass(frozen=True, slots=True)
class _Facts:
    """A request with its condition keys in lower case."""

    action: str
    resource: str
    principals: frozenset[str]
    account: str
    context: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, request: AccessRequest) -> _Facts:
        context = {key.lower(): _values(value) for key, value in request.context.items()}
        if request.principal.startswith("arn:"):
            context.setdefault("aws:principalarn", (request.principal,))
            context.setdefault("aws:principalaccount", (request.principal.split(":")[4],))
        arns = context.get("aws:principalarn", ())
        account = "".join(context.get("aws:principalaccount", ()))
        return cls(request.action, request.resource, frozenset({request.principal, *arns}), account, context)


def _values(value: Any) -> tuple[str, ...]:
    """Return one value or several as text, as IAM compares them: true and false in lower case."""
    several = value if isinstance(value, list | tuple) else (value,)
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in several)


Matcher = Callable[[Any, _Facts], bool]


def _effect(policy: Document, facts: _Facts, names: Matcher | None = None) -> str | None:
    """Return the combined effect of the statements that apply: `Deny`, `Allow` or None."""
    statements = policy["Statement"]
    statements = statements if isinstance(statements, list) else [statements]
    variables = policy.get("Version") == "2012-10-17"
    effects = {
        statement["Effect"] for statement in statements if _applies(statement, facts, names, variables)
    }
    return "Deny" if "Deny" in effects else "Allow" if "Allow" in effects else None


def _applies(statement: Document, facts: _Facts, names: Matcher | None, variables: bool) -> bool:
    """Return whether the statement applies; *names* matches its principal, None if it can't have one."""

    def read(element: Any) -> tuple[str, ...]:
        return _resolved(_values(element), facts.context) if variables else _values(element)

    def matches(element: str, found: Callable[[Any], bool], *, absent: bool = False) -> bool:
        if element in statement:
            return found(statement[element])
        return not found(statement["Not" + element]) if "Not" + element in statement else absent

    def is_action(element: Any) -> bool:
        return any(_like(one.lower(), facts.action.lower()) for one in _values(element))

    def is_resource(element: Any) -> bool:
        return any(_arn_like(one, facts.resource) for one in read(element))

    def is_principal() -> bool:
        if names is None or "Principal" in statement:
            return names is None or names(statement["Principal"], facts)
        # NotPrincipal excludes principals by name, not by account.
        return names is _names_principal and not names(statement["NotPrincipal"], facts)

    return (
        matches("Action", is_action)
        and matches("Resource", is_resource, absent=names is not None)  # a trust policy has none
        and is_principal()
        and all(
            _condition_holds(operator, read(expected), facts.context.get(key.lower(), ()))
            for operator, pairs in statement.get("Condition", {}).items()
            for key, expected in pairs.items()
        )
    )


def _names_principal(element: Any, facts: _Facts) -> bool:
    """Return whether the principal itself, or everybody, is named; an account's root names only itself."""
    named = (
        {one for value in element.values() for one in _values(value)} if isinstance(element, dict) else {"*"}
    )
    return "*" in named or bool(named & facts.principals)


def _names_account(element: Any, facts: _Facts) -> bool:
    named = _values(element.get("AWS", ())) if isinstance(element, dict) else ()
    return any(
        re.fullmatch(rf"(arn:[^:]+:iam::)?{facts.account}(:root)?", one) for one in named if facts.account
    )


# --- patterns -----------------------------------------------------------------------------------------------

_LITERAL = str.maketrans("*?", "\ue000\ue001")
"""Wildcards in a policy variable's value are literal: they are replaced until the comparison."""
_LITERAL_BACK = str.maketrans("\ue000\ue001", "*?")


def _resolved(texts: Iterable[str], context: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Replace `${key}` and `${key, 'default'}`; drop texts whose variable has no single value."""

    def value(match: re.Match[str]) -> str:
        key, _, default = (part.strip() for part in match[1].partition(","))
        found = (key,) if key in ("*", "?", "$") else context.get(key.lower(), ())
        if len(found) != 1 and not default:
            raise LookupError(key)
        return (found[0] if len(found) == 1 else default.strip("'")).translate(_LITERAL)

    resolved = []
    for text in texts:
        try:
            resolved.append(re.sub(r"\$\{([^}]*)\}", value, text))
        except LookupError:
            continue
    return tuple(resolved)


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    tokens = re.split(r"(\*|\?)", pattern)
    return re.compile(
        "".join(wild.get(one) or re.escape(one.translate(_LITERAL_BACK)) for one in tokens), re.DOTALL
    )


def _like(pattern: str, value: str) -> bool:
    return _expression(pattern).fullmatch(value) is not None


def _arn_like(pattern: str, value: str) -> bool:
    """Match an ARN part by part: a wildcard does not cross one of the first five colons."""
    parts, actual = pattern.split(":", 5), value.split(":", 5)
    return pattern == "*" or (len(parts) == len(actual) and all(map(_like, parts, actual)))


# --- conditions ---------------------------------------------------------------------------------------------


def _date(text: str) -> datetime:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Comparison = Callable[[str, str], bool]
"""Compares the policy's value with the request's."""


def _ordered(name: str, read: Callable[[str], Any]) -> dict[str, Comparison]:
    return {
        f"{name}Equals": lambda expected, actual: bool(read(actual) == read(expected)),
        f"{name}LessThan": lambda expected, actual: bool(read(actual) < read(expected)),
        f"{name}LessThanEquals": lambda expected, actual: bool(read(actual) <= read(expected)),
        f"{name}GreaterThan": lambda expected, actual: bool(read(actual) > read(expected)),
        f"{name}GreaterThanEquals": lambda expected, actual: bool(read(actual) >= read(expected)),
    }


_COMPARISONS: dict[str, Comparison] = {
    "StringEquals": lambda expected, actual: expected.translate(_LITERAL_BACK) == actual,
    "StringEqualsIgnoreCase": lambda expected, actual: (
        expected.translate(_LITERAL_BACK).lower() == actual.lower()
    ),
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "BinaryEquals": lambda expected, actual: expected == actual,
    "Bool": lambda expected, actual: expected.lower() == actual.lower(),
    "IpAddress": lambda expected, actual: (
        ipaddress.ip_address(actual) in ipaddress.ip_network(expected, strict=False)
    ),
    **_ordered("Numeric", float),
    **_ordered("Date", _date),
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}


def _condition_holds(operator: str, expected: tuple[str, ...], values: tuple[str, ...]) -> bool:
    over, _, bare = operator.rpartition(":")
    name = bare.removesuffix("IfExists")
    if name == "Null":
        return str(not values).lower() in (one.lower() for one in expected)
    negated = name in _NEGATED
    compare = _COMPARISONS.get(_NEGATED.get(name, name))
    if compare is None or over not in ("", "ForAllValues", "ForAnyValue"):
        raise PolicyError(f"IAM has no condition operator {operator!r}")
    if not values:
        return bare.endswith("IfExists") or over == "ForAllValues" or (negated and not over)
    hits = (any(_compares(compare, each, actual) for each in expected) != negated for actual in values)
    return all(hits) if over == "ForAllValues" or (negated and not over) else any(hits)


def _compares(compare: Comparison, expected: str, actual: str) -> bool:
    try:
        return compare(expected, actual)
    except ValueError:  # a value that is not a number, date or address matches nothing
        return False
