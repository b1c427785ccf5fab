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
    """A policy holds something that IAM would have refused as malformed, such as an unknown operator."""


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
    """An ARN, or `*` for an action that knows no resource."""
    principal: str
    """ARN of user, role or role session; a service (`lambda.amazonaws.com`); `*` for nobody known."""
    context: Mapping[str, ContextValue] = field(default_factory=dict)
    """Condition keys in any spelling of case. `aws:PrincipalArn` and `aws:PrincipalAccount` follow from
    the principal where they are not given."""


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
    policy, each of which must allow as well. *resource_decides* is for keys and roles: no identity-based
    policy helps unless the *resource_policy* (key policy, trust policy) allows the principal, or hands the
    decision to its account.
    Raises PolicyError for a statement that IAM would not have stored.
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
    """Return a policy's text as a document; the same text is read once."""
    document: Document = json.loads(text)
    return document


@dataclass(frozen=True, slots=True)
class _Facts:
    """A request with its condition keys in lower case, ready to be compared."""

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
    """One value or several, as IAM compares them: text, with true and false in lower case."""
    several = value if isinstance(value, list | tuple) else (value,)
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in several)


Matcher = Callable[[Any, _Facts], bool]


def _effect(policy: Document, facts: _Facts, names: Matcher | None = None) -> str | None:
    """`Deny`, `Allow` or None: what the statements that apply amount to."""
    statements = policy["Statement"]
    statements = statements if isinstance(statements, list) else [statements]
    variables = policy.get("Version") == "2012-10-17"
    effects = {
        statement["Effect"] for statement in statements if _applies(statement, facts, names, variables)
    }
    return "Deny" if "Deny" in effects else "Allow" if "Allow" in effects else None


def _applies(statement: Document, facts: _Facts, names: Matcher | None, variables: bool) -> bool:
    """Does the statement speak of this request? *names* reads its principal, None where it can't have one."""

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
        # Whom a NotPrincipal leaves out is told by name, not by account.
        return names is _names_principal and not names(statement["NotPrincipal"], facts)

    return (
        matches("Action", is_action)
        and matches("Resource", is_resource, absent=names is not None)  # a trust policy has none
        and is_principal()
        and all(
            _condition_holds(operator, read(wanted), facts.context.get(key.lower(), ()))
            for operator, pairs in statement.get("Condition", {}).items()
            for key, wanted in pairs.items()
        )
    )


def _names_principal(element: Any, facts: _Facts) -> bool:
    """Is the principal itself, or everybody, named? The account's root names only the account."""
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
"""What a policy variable stands for is taken literally: its wildcards are set aside until compared."""
_LITERAL_BACK = str.maketrans("\ue000\ue001", "*?")


def _resolved(texts: Iterable[str], context: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Replace `${key}` and `${key, 'default'}`; a text whose variable has no single value is left out."""

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
    """Match an ARN part by part: a wildcard does not reach over one of the first five colons."""
    parts, actual = pattern.split(":", 5), value.split(":", 5)
    return pattern == "*" or (len(parts) == len(actual) and all(map(_like, parts, actual)))


# --- conditions ---------------------------------------------------------------------------------------------


def _date(text: str) -> datetime:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Comparison = Callable[[str, str], bool]
"""Of the policy's value and the request's."""


def _ordered(name: str, read: Callable[[str], Any]) -> dict[str, Comparison]:
    return {
        f"{name}Equals": lambda want, got: bool(read(got) == read(want)),
        f"{name}LessThan": lambda want, got: bool(read(got) < read(want)),
        f"{name}LessThanEquals": lambda want, got: bool(read(got) <= read(want)),
        f"{name}GreaterThan": lambda want, got: bool(read(got) > read(want)),
        f"{name}GreaterThanEquals": lambda want, got: bool(read(got) >= read(want)),
    }


_COMPARISONS: dict[str, Comparison] = {
    "StringEquals": lambda want, got: want.translate(_LITERAL_BACK) == got,
    "StringEqualsIgnoreCase": lambda want, got: want.translate(_LITERAL_BACK).lower() == got.lower(),
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "BinaryEquals": lambda want, got: want == got,
    "Bool": lambda want, got: want.lower() == got.lower(),
    "IpAddress": lambda want, got: ipaddress.ip_address(got) in ipaddress.ip_network(want, strict=False),
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


def _condition_holds(operator: str, wanted: tuple[str, ...], actual: tuple[str, ...]) -> bool:
    over, _, bare = operator.rpartition(":")
    name = bare.removesuffix("IfExists")
    if name == "Null":
        return str(not actual).lower() in (one.lower() for one in wanted)
    negated = name in _NEGATED
    compare = _COMPARISONS.get(_NEGATED.get(name, name))
    if compare is None or over not in ("", "ForAllValues", "ForAnyValue"):
        raise PolicyError(f"condition operator {operator!r} is not one that IAM knows")
    if not actual:
        return bare.endswith("IfExists") or over == "ForAllValues" or (negated and not over)
    hits = (any(_compares(compare, want, got) for want in wanted) != negated for got in actual)
    return all(hits) if over == "ForAllValues" or (negated and not over) else any(hits)


def _compares(compare: Comparison, want: str, got: str) -> bool:
    try:
        return compare(want, got)
    except ValueError:  # a value that is no number, date or address matches none
        return False
