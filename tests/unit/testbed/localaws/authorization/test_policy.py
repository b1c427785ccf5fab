"""IAM's decision on one request, by the policies of the principal and of the resource."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.localaws.authorization.policy import AccessRequest, Decision, PolicyError, evaluate

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/function"
SECRET = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:app/database-AbCdEf"
READ = "secretsmanager:GetSecretValue"

ALLOWED, IMPLICIT, EXPLICIT = Decision.ALLOWED, Decision.IMPLICITLY_DENIED, Decision.EXPLICITLY_DENIED


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}


def request(
    action: str = READ, resource: str = SECRET, principal: str = ROLE, **context: Any
) -> AccessRequest:
    return AccessRequest(
        action, resource, principal, {name.replace("__", ":"): value for name, value in context.items()}
    )


def test_an_action_that_no_policy_mentions_is_denied() -> None:
    """Without an allow the answer is an implicit denial."""
    assert evaluate([], request()) is IMPLICIT


@pytest.mark.parametrize(
    ("statement", "decision"),
    [
        ({"Action": "secretsmanager:GetSecretValue", "Resource": "*"}, ALLOWED),
        ({"Action": "SECRETSMANAGER:get*", "Resource": SECRET}, ALLOWED),
        ({"Action": ["kms:Decrypt", "secretsmanager:Get?ecretValue"], "Resource": [SECRET]}, ALLOWED),
        ({"Action": "secretsmanager:PutSecretValue", "Resource": "*"}, IMPLICIT),
        ({"NotAction": "secretsmanager:Put*", "Resource": "*"}, ALLOWED),
        ({"NotAction": "secretsmanager:*", "Resource": "*"}, IMPLICIT),
        ({"Action": "*", "Resource": SECRET.replace("database-AbCdEf", "*")}, ALLOWED),
        ({"Action": "*", "Resource": SECRET.replace("app/", "other/")}, IMPLICIT),
        ({"Action": "*", "NotResource": SECRET.replace("app/", "other/")}, ALLOWED),
        ({"Action": "*", "NotResource": SECRET}, IMPLICIT),
        # A wildcard does not cross the colons of an ARN's first parts.
        ({"Action": "*", "Resource": "arn:aws:secretsmanager:*:secret:app/database-AbCdEf"}, IMPLICIT),
        ({"Action": "*", "Resource": f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:app/*"}, ALLOWED),
    ],
)
def test_a_statement_applies_by_action_and_resource(statement: dict[str, Any], decision: Decision) -> None:
    """Patterns, lists and their negations, on both elements."""
    assert evaluate([policy(statement)], request()) is decision


def test_an_explicit_deny_wins_over_every_allow() -> None:
    """In any policy: identity policy, boundary, resource policy."""
    allow = policy({"Action": "*", "Resource": "*"})
    deny = policy({"Effect": "Deny", "Action": "secretsmanager:*", "NotResource": "arn:aws:s3:::none"})
    of_resource = policy({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"})
    assert evaluate([allow, deny], request()) is EXPLICIT
    assert evaluate([allow], request(), limits=[deny]) is EXPLICIT
    assert evaluate([allow], request(), resource_policy=of_resource) is EXPLICIT


def test_a_boundary_limits_what_the_other_policies_allow() -> None:
    """Both must allow."""
    allow = policy({"Action": "*", "Resource": "*"})
    assert evaluate([allow], request(), limits=[policy({"Action": "kms:*", "Resource": "*"})]) is IMPLICIT
    assert evaluate([allow], request(), limits=[policy({"Action": READ, "Resource": "*"})]) is ALLOWED


CONDITIONS = [
    # operator, expected, actual (None: the key is absent), whether it holds
    ("StringEquals", "a", "a", True),
    ("StringEquals", ["b", "a"], "a", True),
    ("StringEquals", "A", "a", False),
    ("StringEquals", "*", "a", False),
    ("StringEquals", "a", None, False),
    ("StringEqualsIfExists", "a", None, True),
    ("StringNotEquals", "a", "b", True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", "a", None, True),
    ("StringEqualsIgnoreCase", "A", "a", True),
    ("StringNotEqualsIgnoreCase", "A", "a", False),
    ("StringLike", "a*c", "abc", True),
    ("StringNotLike", "a*c", "abc", False),
    ("ArnLike", "arn:aws:iam::*:role/f*", ROLE, True),
    ("ArnEquals", "arn:aws:iam::*:role/f*", ROLE, True),
    ("ArnNotLike", "arn:aws:iam::*:role/f*", ROLE, False),
    ("ArnNotEquals", "arn:aws:iam::*:role/g*", ROLE, True),
    ("Bool", "true", "true", True),
    ("Bool", False, "true", False),
    ("Bool", True, None, False),
    ("NumericLessThan", "10", "9", True),
    ("NumericLessThanEquals", 10, "10", True),
    ("NumericGreaterThan", "10", "9", False),
    ("NumericGreaterThanEquals", "10", "10", True),
    ("NumericEquals", "10", "10.0", True),
    ("NumericNotEquals", "10", "10.0", False),
    ("NumericEquals", "10", "ten", False),
    ("DateLessThan", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", True),
    ("DateGreaterThan", "2026-01-02T00:00:00Z", "1767225600", False),
    ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
    ("NotIpAddress", "10.0.0.0/8", "10.1.2.3", False),
    ("IpAddress", ["::/0", "127.0.0.1"], "127.0.0.1", True),
    ("Null", "true", None, True),
    ("Null", "true", "a", False),
    ("Null", False, "a", True),
    ("BinaryEquals", "YQ==", "YQ==", True),
    ("ForAllValues:StringEquals", ["a", "b"], ("a", "b"), True),
    ("ForAllValues:StringEquals", ["a"], ("a", "b"), False),
    ("ForAllValues:StringEquals", ["a"], None, True),
    ("ForAnyValue:StringEquals", ["a"], ("a", "b"), True),
    ("ForAnyValue:StringEquals", ["c"], ("a", "b"), False),
    ("ForAnyValue:StringEquals", ["a"], None, False),
    ("ForAllValues:StringNotLike", ["x*"], ("a", "b"), True),
    ("ForAnyValue:StringNotEquals", ["a"], None, False),
]


@pytest.mark.parametrize(("operator", "expected", "actual", "holds"), CONDITIONS)
def test_condition_operators(operator: str, expected: Any, actual: Any, holds: bool) -> None:
    """Each operator with a value that satisfies it, one that doesn't, and no value."""
    statement = {"Action": "*", "Resource": "*", "Condition": {operator: {"test:Key": expected}}}
    context = {} if actual is None else {"TEST__key": actual}  # keys know no case
    assert evaluate([policy(statement)], request(**context)) is (ALLOWED if holds else IMPLICIT)


def test_all_conditions_of_a_statement_must_hold() -> None:
    """Operators and keys are joined by and, values of one key by or."""
    condition = {"StringEquals": {"a:x": "1", "a:y": ["2", "3"]}, "Bool": {"a:z": "true"}}
    statement = {"Action": "*", "Resource": "*", "Condition": condition}
    assert evaluate([policy(statement)], request(a__x="1", a__y="3", a__z="true")) is ALLOWED
    assert evaluate([policy(statement)], request(a__x="1", a__y="3", a__z="false")) is IMPLICIT


def test_an_unknown_operator_is_an_error_not_a_decision() -> None:
    """A misspelt operator would be refused by IAM when the policy is stored."""
    statement = {"Action": "*", "Resource": "*", "Condition": {"StringIs": {"a": "b"}}}
    with pytest.raises(PolicyError, match="StringIs"):
        evaluate([policy(statement)], request(a="b"))


@pytest.mark.parametrize(
    ("pattern", "decision"),
    [
        ("${aws:PrincipalTag/team}/*", ALLOWED),
        ("${aws:PrincipalTag/none}/*", IMPLICIT),
        ("${aws:PrincipalTag/none, 'app'}/*", ALLOWED),
        ("${aws:PrincipalTag/star}", IMPLICIT),  # its value is an asterisk, which is taken literally
        ("${*}", IMPLICIT),
    ],
)
def test_policy_variables(pattern: str, decision: Decision) -> None:
    """A variable's value is literal; without value or default it matches nothing."""
    resource = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:{pattern}"
    access = request(**{"aws__PrincipalTag/team": "app", "aws__PrincipalTag/star": "*"})
    assert evaluate([policy({"Action": "*", "Resource": resource})], access) is decision


def test_a_variable_in_a_condition() -> None:
    """Exact operators resolve variables too."""
    condition = {"StringEquals": {"aws:ResourceTag/owner": "${aws:PrincipalTag/owner}"}}
    statement = {"Action": "*", "Resource": "*", "Condition": condition}
    same = {"aws__ResourceTag/owner": "a", "aws__PrincipalTag/owner": "a"}
    assert evaluate([policy(statement)], request(**same)) is ALLOWED
    assert evaluate([policy(statement)], request(**same | {"aws__ResourceTag/owner": "b"})) is IMPLICIT


def test_an_old_policy_has_no_variables() -> None:
    """Before version 2012-10-17 the text is literal."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    condition = {"StringEquals": {"aws:PrincipalTag/a": "${aws:PrincipalTag/a}"}}
    old = {"Statement": statement | {"Condition": condition}}
    assert evaluate([old], request(**{"aws__PrincipalTag/a": "x"})) is IMPLICIT
    assert evaluate([old], request(**{"aws__PrincipalTag/a": "${aws:PrincipalTag/a}"})) is ALLOWED


ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


@pytest.mark.parametrize(
    ("principal", "decision"),
    [
        ({"AWS": ROLE}, ALLOWED),
        ({"AWS": [ROLE + "x", ROLE]}, ALLOWED),
        ("*", ALLOWED),
        ({"AWS": "*"}, ALLOWED),
        ({"AWS": ROLE + "x"}, IMPLICIT),
        (ROOT, IMPLICIT),  # only hands the decision to the account
        ({"AWS": ACCOUNT}, IMPLICIT),
        ({"Service": "lambda.amazonaws.com"}, IMPLICIT),
    ],
)
def test_a_resource_policy_allows_whom_it_names(principal: Any, decision: Decision) -> None:
    """Within an account a resource policy suffices for a principal it names itself."""
    of_resource = policy({"Principal": principal, "Action": READ, "Resource": "*"})
    assert evaluate([], request(), resource_policy=of_resource) is decision


def test_a_resource_policy_can_deny_all_but_some() -> None:
    """NotPrincipal with a deny."""
    allow = policy({"Action": "*", "Resource": "*"})
    others = policy({"Effect": "Deny", "NotPrincipal": {"AWS": ROLE}, "Action": "*", "Resource": "*"})
    assert evaluate([allow], request(), resource_policy=others) is ALLOWED
    assert evaluate([allow], request(principal=ROLE + "x"), resource_policy=others) is EXPLICIT


def test_a_role_session_counts_as_its_role() -> None:
    """A policy that names the role matches its sessions, by aws:PrincipalArn."""
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/function/one"
    of_resource = policy({"Principal": {"AWS": ROLE}, "Action": "*", "Resource": "*"})
    access = request(principal=session, aws__PrincipalArn=ROLE)
    assert evaluate([], access, resource_policy=of_resource) is ALLOWED


def test_a_key_policy_decides_unless_it_delegates() -> None:
    """An IAM policy counts for a key only if the key policy delegates to the account."""
    allow = policy({"Action": "kms:*", "Resource": "*"})
    access = request("kms:Decrypt", f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1")
    other = policy({"Principal": {"AWS": ROLE + "x"}, "Action": "kms:*", "Resource": "*"})
    delegating = policy({"Principal": ROOT, "Action": "kms:*", "Resource": "*"})
    assert evaluate([allow], access, resource_policy=other, resource_decides=True) is IMPLICIT
    assert evaluate([allow], access, resource_policy=delegating, resource_decides=True) is ALLOWED
    assert evaluate([], access, resource_policy=delegating, resource_decides=True) is IMPLICIT
    assert evaluate([allow], access, resource_decides=True) is IMPLICIT


def test_a_trust_policy_names_services_and_conditions() -> None:
    """A trust policy has no Resource; its conditions bind the service too."""
    condition = {"StringEquals": {"sts:ExternalId": "elasticbeanstalk"}}
    service = "elasticbeanstalk.amazonaws.com"
    trust = policy({"Principal": {"Service": service}, "Action": "sts:AssumeRole", "Condition": condition})
    access = request("sts:AssumeRole", ROLE, service, sts__ExternalId="elasticbeanstalk")
    assert evaluate([], access, resource_policy=trust, resource_decides=True) is ALLOWED
    without = request("sts:AssumeRole", ROLE, service)
    assert evaluate([], without, resource_policy=trust, resource_decides=True) is IMPLICIT
