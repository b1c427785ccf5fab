"""Story of testbed/localaws/beanstalk/platforms.py and testbed/localaws/beanstalk/balancer.py.

Small rules taken from AWS: TLS policies, health check codes, platform names.
"""

from __future__ import annotations

import pytest

from testbed.localaws.beanstalk import platforms
from testbed.localaws.beanstalk.balancer import ciphers, protocols
from testbed.localaws.beanstalk.health_check import matches


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", "TLSv1.3"),
        ("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", "TLSv1.2 TLSv1.3"),
        ("ELBSecurityPolicy-TLS13-1-0-2021-06", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"),
        ("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", "TLSv1.2"),
        ("ELBSecurityPolicy-FS-1-1-2019-08", "TLSv1.1 TLSv1.2"),
        ("ELBSecurityPolicy-2016-08", "TLSv1 TLSv1.1 TLSv1.2"),
        ("", "TLSv1 TLSv1.1 TLSv1.2"),
    ],
)
def test_a_security_policy_decides_the_tls_versions(policy: str, versions: str) -> None:
    assert protocols(policy) == versions


def test_a_restricted_policy_has_no_cbc() -> None:
    assert ciphers("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09") == "ECDHE+AESGCM"
    assert ciphers("ELBSecurityPolicy-TLS13-1-2-2021-06") != "ECDHE+AESGCM"


@pytest.mark.parametrize(
    ("status", "matcher", "fits"),
    [
        (200, "200", True),
        (204, "200", False),
        (302, "200, 302", True),
        (299, "200-299", True),
        (300, "200-299", False),
    ],
)
def test_health_check_codes_are_lists_and_ranges(status: int, matcher: str, fits: bool) -> None:
    assert matches(status, matcher) is fits


BRANCH = "Python 3.14 running on 64bit Amazon Linux 2023"


def _versions(branch: str, used: tuple[str, ...] = (), **releases: str) -> list[tuple[str, bool]]:
    found = platforms.offered(used, {BRANCH: releases["released"]} if releases else {})
    return [(each.version, each.recommended) for each in found if each.branch.name == branch]


def test_a_stack_and_its_platform_arn_name_each_other() -> None:
    (offered,) = [each for each in platforms.offered((), {}) if each.branch.name == BRANCH]
    arn = f"arn:aws:elasticbeanstalk:eu-west-1::platform/{BRANCH}/{offered.version}"
    assert offered.arn("eu-west-1") == platforms.platform_arn(offered.stack, "eu-west-1") == arn
    assert platforms.branch_and_version(offered.stack) == (BRANCH, offered.version)
    assert platforms.python_version(offered.stack) == "3.14"


def test_a_superseded_version_is_offered_only_to_an_account_that_used_it() -> None:
    """https://docs.aws.amazon.com/elasticbeanstalk/latest/platforms/welcome.html"""
    ((newest, recommended),) = _versions(BRANCH)
    assert recommended
    used = f"64bit Amazon Linux 2023 v{newest} running Python 3.14"
    assert _versions(BRANCH, (used,), released="4.99.0") == [(newest, False), ("4.99.0", True)]
    assert _versions(BRANCH, released="4.99.0") == [("4.99.0", True)]


def test_a_retired_branch_is_offered_to_no_new_environment() -> None:
    retired = "Python 3.9 running on 64bit Amazon Linux 2023"
    assert retired in {branch.name for branch in platforms.branches({})}
    assert _versions(retired) == []
    assert _versions(retired, ("64bit Amazon Linux 2023 v4.6.0 running Python 3.9",)) == [("4.6.0", False)]


def test_each_branch_is_there_once_and_the_lifecycle_states_are_all_there() -> None:
    every = platforms.branches({})
    assert len({branch.name for branch in every}) == len(every)
    assert {branch.state for branch in every} == {"Beta", "Supported", "Deprecated", "Retired"}


@pytest.mark.parametrize(
    ("test", "known"),
    [
        ({"Type": "PlatformBranchName", "Operator": "=", "Values": [BRANCH]}, True),
        ({"Type": "PlatformBranchName", "Operator": "=", "Values": [BRANCH, BRANCH]}, False),
        ({"Type": "PlatformBranchName", "Operator": "in", "Values": [BRANCH]}, False),
        ({"Type": "PlatformBranchLifecycleState", "Operator": "=", "Values": ["Supported"]}, False),
        ({"Attribute": "BranchName", "Operator": "=", "Values": [BRANCH]}, False),
    ],
)
def test_only_documented_filters_of_versions_are_known(test: dict[str, object], known: bool) -> None:
    assert platforms.is_version_filter(test) is known


@pytest.mark.parametrize(
    ("test", "known"),
    [
        ({"Attribute": "LifecycleState", "Operator": "!=", "Values": ["Retired"]}, True),
        ({"Attribute": "BranchName", "Operator": "in", "Values": [BRANCH, BRANCH]}, True),
        ({"Attribute": "LifecycleState", "Operator": "contains", "Values": ["etired"]}, False),
        ({"Attribute": "PlatformBranchName", "Operator": "=", "Values": [BRANCH]}, False),
    ],
)
def test_only_documented_filters_of_branches_are_known(test: dict[str, object], known: bool) -> None:
    assert platforms.is_branch_filter(test) is known


@pytest.mark.parametrize(
    ("operator", "values", "fits"),
    [
        ("=", ["Python"], True),
        ("!=", ["Python"], False),
        ("contains", ["yth"], True),
        ("begins_with", ["Py"], True),
    ],
)
def test_filters_compare_by_their_operator(operator: str, values: list[str], fits: bool) -> None:
    assert platforms.matches("Python", {"Operator": operator, "Values": values}) is fits
