"""What AWS ends or no longer offers, with answers that the local AWS doesn't give."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from beanvault.aws import Aws
from beanvault.deployment.doctor.result import PreflightResult, Verdict
from beanvault.deployment.doctor.versions import (
    SOON,
    check_authority,
    check_engine,
    check_platform,
    check_runtime,
    check_tls_policy,
    ending,
)
from templates.aws_versions import BY_PROPERTY, FUNCTION_RUNTIME
from templates.deployment_file import read
from tests.project import ROOT

FILE = read(ROOT / "config" / "dev.toml")
TODAY = dt.date(2026, 12, 1)
BRANCH = FILE.platform_branch


class _Account:
    """Plays the answers of one service, in order."""

    def __init__(self, service: str) -> None:
        session = boto3.session.Session("x", "x", region_name="eu-central-1")
        client = Aws(session).client(service)
        self.stubber = Stubber(client)
        self.aws = Aws(session, None, {service: client})

    def answers(self, operation: str, **answer: Any) -> _Account:
        self.stubber.add_response(operation, answer)
        return self

    def refuses(self, operation: str, error: str) -> _Account:
        self.stubber.add_client_error(operation, error)
        return self

    def one(self, check: Any, *more: Any) -> PreflightResult:
        with self.stubber:
            results: Iterator[PreflightResult] = check(FILE, self.aws, *more)
            (result,) = results
        self.stubber.assert_no_pending_responses()
        assert result.verdict is Verdict.GOOD or result.remedy
        return result


@pytest.mark.parametrize(
    ("days", "verdict"),
    [
        (-1, Verdict.BAD),
        (0, Verdict.WARNING),
        (SOON.days, Verdict.WARNING),
        (SOON.days + 1, Verdict.GOOD),
    ],
)
def test_an_end_is_warned_about_half_a_year_before(days: int, verdict: Verdict) -> None:
    ends = TODAY + dt.timedelta(days=days)
    result = ending("x", "it", ends, TODAY, "do")
    assert (result.verdict, str(ends) in result.detail, result.remedy in ("do", "")) == (verdict, True, True)


def test_without_a_day_of_its_end_what_is_offered_is_good() -> None:
    assert ending("x", "it", None, TODAY, "do").verdict is Verdict.GOOD


def _platform(state: str | None, *, recommended: bool = True) -> PreflightResult:
    account = _Account("elasticbeanstalk")
    branches = [{"BranchName": BRANCH, "LifecycleState": state}] if state else []
    account.answers("list_platform_branches", PlatformBranchSummaryList=branches)
    if state not in (None, "Retired", "retired"):
        account.answers("describe_environments", Environments=[])
        summary = {
            "PlatformArn": f"arn:aws:elasticbeanstalk:eu-central-1::platform/{BRANCH}/4.9.3",
            "PlatformLifecycleState": "Recommended",
        }
        account.answers("list_platform_versions", PlatformSummaryList=[summary] if recommended else [])
    return account.one(check_platform)


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("Supported", Verdict.GOOD),
        ("supported", Verdict.GOOD),
        ("Beta", Verdict.WARNING),
        ("Deprecated", Verdict.WARNING),
        ("Retired", Verdict.BAD),
        (None, Verdict.BAD),
    ],
)
def test_the_platforms_lifecycle_decides(state: str | None, verdict: Verdict) -> None:
    found = _platform(state)
    assert (found.verdict, BRANCH in found.detail) == (verdict, True)
    assert verdict is Verdict.BAD or "version 4.9.3 is recommended" in found.detail


def test_a_branch_without_a_recommended_version_is_bad() -> None:
    assert _platform("Supported", recommended=False).verdict is Verdict.BAD


def _engine(ends: dt.datetime | None, *minors: str) -> PreflightResult:
    account = _Account("rds")
    account.answers("describe_db_engine_versions", DBEngineVersions=[{"EngineVersion": v} for v in minors])
    if minors:
        start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
        lifecycles = [
            {
                "LifecycleSupportName": name,
                "LifecycleSupportStartDate": start,
                "LifecycleSupportEndDate": end,
            }
            for name, end in (
                ("open-source-rds-standard-support", ends),
                ("open-source-rds-extended-support", dt.datetime(2040, 1, 1, tzinfo=dt.UTC)),
            )
            if end
        ]
        major = {"Engine": "mysql", "SupportedEngineLifecycles": lifecycles if ends else []}
        account.answers("describe_db_major_engine_versions", DBMajorEngineVersions=[major])
    return account.one(check_engine, TODAY)


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        (dt.datetime(2029, 7, 31, tzinfo=dt.UTC), Verdict.GOOD),
        (dt.datetime(2027, 3, 1, tzinfo=dt.UTC), Verdict.WARNING),
        (dt.datetime(2026, 11, 30, tzinfo=dt.UTC), Verdict.BAD),
        (None, Verdict.GOOD),
    ],
)
def test_the_engines_standard_support_decides(ends: dt.datetime | None, verdict: Verdict) -> None:
    """Not its Extended Support, which a deployment doesn't buy."""
    found = _engine(ends, "8.4.8")
    assert (found.verdict, "8.4.8" in found.detail) == (verdict, True)


def test_a_series_that_rds_no_longer_offers_is_bad() -> None:
    assert _engine(None).verdict is Verdict.BAD


@pytest.mark.parametrize(
    ("year", "verdict"), [(2121, Verdict.GOOD), (2027, Verdict.WARNING), (2026, Verdict.BAD)]
)
def test_an_authority_that_expires_is_warned_about(year: int, verdict: Verdict) -> None:
    until = dt.datetime(year, 5, 1, tzinfo=dt.UTC)
    account = _Account("rds").answers("describe_certificates", Certificates=[{"ValidTill": until}])
    assert account.one(check_authority, TODAY).verdict is verdict


def test_an_authority_that_is_gone_is_bad() -> None:
    account = _Account("rds").refuses("describe_certificates", "CertificateNotFound")
    assert account.one(check_authority, TODAY).verdict is Verdict.BAD


def test_a_tls_policy_that_is_gone_is_bad() -> None:
    account = _Account("elbv2").refuses("describe_ssl_policies", "SSLPolicyNotFound")
    assert account.one(check_tls_policy).verdict is Verdict.BAD


@pytest.mark.parametrize(
    ("today", "verdict"),
    [
        (TODAY, Verdict.GOOD),
        (dt.date(2029, 2, 1), Verdict.WARNING),
        (dt.date(2029, 7, 1), Verdict.BAD),
    ],
)
def test_the_runtimes_end_is_in_the_table(today: dt.date, verdict: Verdict) -> None:
    assert FUNCTION_RUNTIME.in_use in FUNCTION_RUNTIME.ends
    assert _Account("lambda").one(check_runtime, today).verdict is verdict


def test_the_table_names_ends_of_names_that_it_has() -> None:
    assert all(version.ends.keys() <= version.supported for version in BY_PROPERTY.values())
