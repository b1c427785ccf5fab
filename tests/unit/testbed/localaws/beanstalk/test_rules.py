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


def test_a_stack_and_its_platform_arn_name_each_other() -> None:
    platforms.add_newer_stacks()
    arn = "arn:aws:elasticbeanstalk:eu-west-1::platform/Python 3.14 running on 64bit Amazon Linux 2023/4.9.2"
    assert platforms.platform_arn(platforms.DEFAULT_STACK, "eu-west-1") == arn
    assert platforms.stack_of(arn, "eu-west-1") == platforms.DEFAULT_STACK
    assert platforms.python_version(platforms.DEFAULT_STACK) == "3.14"


def test_the_platforms_have_pythons_branches_once() -> None:
    platforms.add_newer_stacks()
    platforms.add_newer_stacks()
    names = [each["PlatformBranchName"] for each in platforms.summaries("eu-west-1")]
    for version in ("3.11", "3.12", "3.13", "3.14"):
        assert names.count(f"Python {version} running on 64bit Amazon Linux 2023") == 1


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
