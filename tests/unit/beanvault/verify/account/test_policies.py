"""How policies are parsed, and what the checks of roles, buckets and function conclude from a statement."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beanvault.verify.account.edge import ListenerRule
from beanvault.verify.account.policies import PolicyStatement, plain_http_denied, statements
from beanvault.verify.checks.edge import matches_any_host
from beanvault.verify.checks.roles import trusts_services_only
from beanvault.verify.checks.storage import allows_other_accounts

OURS, THEIRS = "111111111111", "999999999999"
TRUST = {"Service": "elasticbeanstalk.amazonaws.com"}


def statement(**elements: Any) -> PolicyStatement:
    (parsed,) = statements({"Statement": {"Effect": "Allow", **elements}})
    return parsed


def test_a_single_value_and_a_list_of_one_are_the_same() -> None:
    single = statement(Action="s3:Get*", Principal={"AWS": "a"}, Condition={"Bool": {"K": "true"}})
    assert single == statement(
        Action=["S3:get*"], Principal={"AWS": ["a"]}, Condition={"Bool": {"k": ["true"]}}
    )
    assert statements(json.dumps({"Statement": [{"Effect": "Allow"}]})) == (statement(),)
    assert statements(None) == ()


def test_a_statement_about_all_but_a_few_is_about_all() -> None:
    found = statement(NotAction="iam:*", NotResource="arn:aws:s3:::one")
    assert (found.actions, found.resources, found.excepted_resources) == (
        ("*",),
        ("*",),
        ("arn:aws:s3:::one",),
    )


BALANCERS = {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}


@pytest.mark.parametrize(("principal", "anyone"), [("*", True), ({"AWS": "*"}, True), ({"AWS": OURS}, False)])
def test_any_principal_is_written_in_two_ways(principal: object, anyone: bool) -> None:
    assert statement(Principal=principal).for_anyone is anyone


@pytest.mark.parametrize(
    ("effect", "value", "denied"),
    [("Deny", "false", True), ("Deny", "true", False), ("Allow", "false", False)],
)
def test_only_a_denial_keeps_plain_http_out(effect: str, value: str, denied: bool) -> None:
    found = statement(Effect=effect, Condition={"Bool": {"aws:SecureTransport": value}})
    assert plain_http_denied([found]) is denied


@pytest.mark.parametrize(
    ("elements", "allows"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": f"arn:aws:iam::{THEIRS}:root"}}, True),
        ({"Principal": {"AWS": [f"arn:aws:iam::{OURS}:root", f"arn:aws:iam::{THEIRS}:root"]}}, True),
        ({"Principal": {"Service": "logs.amazonaws.com"}}, True),
        ({"Principal": {"AWS": f"arn:aws:iam::{OURS}:role/app"}}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:sourceAccount": OURS}}}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": OURS}}}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:SourceAccount": THEIRS}}}, True),
        ({"Principal": "*", "Condition": {"StringNotEquals": {"aws:SourceAccount": OURS}}}, True),
        ({"Principal": "*", "Effect": "Deny"}, False),
        ({"Principal": {"AWS": ["AROAEXAMPLEEXAMPLE123", f"arn:aws:iam::{OURS}:role/app"]}}, False),
        ({"Principal": BALANCERS, "Resource": f"arn:aws:s3:::log/lb/AWSLogs/{OURS}/*"}, False),
        ({"Principal": BALANCERS, "Resource": f"arn:aws:s3:::log/lb/AWSLogs/{THEIRS}/*"}, True),
        ({"Principal": BALANCERS, "Resource": "arn:aws:s3:::log/*"}, True),
        ({"Principal": "*", "Resource": f"arn:aws:s3:::log/lb/AWSLogs/{OURS}/*"}, True),
    ],
)
def test_a_bucket_policy_is_for_this_account_only_if_it_names_this_account(
    elements: dict[str, Any], allows: bool
) -> None:
    """The name of the condition's key alone proves nothing: it may require another account."""
    assert allows_other_accounts(statement(**elements), OURS) is allows


@pytest.mark.parametrize(
    ("elements", "trusted"),
    [
        ({"Principal": {"Service": "lambda.amazonaws.com"}}, True),
        ({"Principal": {"Service": "lambda.amazonaws.com", "AWS": OURS}}, False),
        ({"Principal": "*"}, False),
        ({"Principal": TRUST}, False),
        ({"Principal": TRUST, "Condition": {"StringEquals": {"sts:ExternalId": "elasticbeanstalk"}}}, True),
        ({"Principal": TRUST, "Condition": {"StringNotEquals": {"sts:ExternalId": "x"}}}, False),
    ],
)
def test_beanstalk_is_trusted_with_its_external_id_only(elements: dict[str, Any], trusted: bool) -> None:
    assert trusts_services_only(statement(**elements)) is trusted


@pytest.mark.parametrize(
    ("host_names", "any_host"),
    [
        ((), True),
        (("*",), True),
        (("*.?",), True),
        (("a.example.com",), False),
        (("a.example.com", "*"), True),
    ],
)
def test_a_pattern_of_wildcards_matches_any_host(host_names: tuple[str, ...], any_host: bool) -> None:
    assert matches_any_host(ListenerRule(host_names, ())) is any_host
