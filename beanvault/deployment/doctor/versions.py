"""Checks of what AWS changes with time: platform branch, engine series, authority, runtime, TLS policy.

`templates/aws_versions.py` names them; AWS is asked whether it still offers them, and until when.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from templates.aws_versions import (
    DATABASE_CERTIFICATE_AUTHORITY,
    DATABASE_ENGINE_VERSION,
    FUNCTION_RUNTIME,
    LOAD_BALANCER_TLS_POLICY,
)
from templates.deployment import Deployment

from ...aws import Aws, code
from ..platform_version import LIST_BRANCHES, NoPlatformVersion, platform_arn
from .result import Check, PreflightResult, Verdict

if TYPE_CHECKING:
    from mypy_boto3_elasticbeanstalk.type_defs import SearchFilterTypeDef

SOON = dt.timedelta(days=180)
"""How long before its end something is warned about: time for two quarterly maintenance windows."""
UPDATE = "update beanvault: templates/aws_versions.py names {} ({})"
STANDARD_SUPPORT = "open-source-rds-standard-support"


def ending(check: str, what: str, ends: dt.date | None, today: dt.date, remedy: str) -> PreflightResult:
    """Return whether *what*, which AWS offers today, ends within `SOON`."""
    if ends is None:
        return PreflightResult(check, Verdict.GOOD, f"{what} is offered; AWS names no day of its end")
    if ends < today:
        return PreflightResult(check, Verdict.BAD, f"AWS ended its support of {what} on {ends}", remedy)
    if ends - today <= SOON:
        days = (ends - today).days
        return PreflightResult(
            check, Verdict.WARNING, f"AWS ends its support of {what} in {days} days, on {ends}", remedy
        )
    return PreflightResult(check, Verdict.GOOD, f"AWS supports {what} until {ends}")


def check_platform(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Check the platform branch: its lifecycle state, and that it has a version to start with."""
    branch, client = deployment.platform_branch, aws.client("elasticbeanstalk")
    remedy = f"set [app] platform to a branch that Elastic Beanstalk supports: {LIST_BRANCHES}"
    only: SearchFilterTypeDef = {"Attribute": "BranchName", "Operator": "=", "Values": [branch]}
    found = client.list_platform_branches(Filters=[only])["PlatformBranchSummaryList"]
    state = found[0].get("LifecycleState", "").casefold() if found else ""
    if state in ("", "retired"):
        detail = f"{branch} is {state or 'unknown to Elastic Beanstalk in ' + aws.region}"
        yield PreflightResult("platform", Verdict.BAD, detail, remedy)
        return
    try:
        arn = platform_arn(aws, deployment, creating=False)
    except NoPlatformVersion as error:
        yield PreflightResult("platform", Verdict.BAD, str(error), error.remedy)
        return
    version = f"version {arn.rpartition('/')[2]} is recommended" if arn else "the environment runs it"
    verdict = Verdict.GOOD if state == "supported" else Verdict.WARNING
    yield PreflightResult("platform", verdict, f"{branch} is {state}, {version}", remedy)


def check_engine(deployment: Deployment, aws: Aws, today: dt.date) -> Iterator[PreflightResult]:
    """Check the engine's series: its default minor version, which RDS chooses, and its standard support.

    Extended Support is off, so RDS upgrades the series by itself when standard support ends:
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/extended-support-viewing-support-dates.html
    """
    series, client = deployment.database.engine_version, aws.client("rds")
    others = sorted(DATABASE_ENGINE_VERSION.supported - {series})
    remedy = f"set [database] engine_version to {' or '.join(others)} ({DATABASE_ENGINE_VERSION.source})"
    minors = client.describe_db_engine_versions(Engine="mysql", EngineVersion=series, DefaultOnly=True)
    default = [each.get("EngineVersion", "") for each in minors["DBEngineVersions"]]
    if not default:
        detail = f"RDS offers no version of MySQL {series} in {aws.region}"
        yield PreflightResult("database engine", Verdict.BAD, detail, remedy)
        return
    majors = client.describe_db_major_engine_versions(Engine="mysql", MajorEngineVersion=series)
    ends = [
        lifecycle["LifecycleSupportEndDate"].date()
        for major in majors["DBMajorEngineVersions"]
        for lifecycle in major.get("SupportedEngineLifecycles", ())
        if lifecycle["LifecycleSupportName"] == STANDARD_SUPPORT
    ]
    what = f"MySQL {series} (a new database runs {default[0]})"
    yield ending("database engine", what, min(ends, default=None), today, remedy)


def check_authority(
    deployment: Deployment,  # noqa: ARG001 - a check's parameters
    aws: Aws,
    today: dt.date,
) -> Iterator[PreflightResult]:
    """Check the authority that signs the database's certificate."""
    name = DATABASE_CERTIFICATE_AUTHORITY.in_use
    remedy = UPDATE.format("RDS's certificate authority", DATABASE_CERTIFICATE_AUTHORITY.source)
    try:
        found = aws.client("rds").describe_certificates(CertificateIdentifier=name)["Certificates"]
    except ClientError as error:
        if code(error) not in ("CertificateNotFound", "CertificateNotFoundFault"):
            raise
        found = []
    if not found:
        detail = f"RDS doesn't offer {name} in {aws.region}"
        yield PreflightResult("certificate authority", Verdict.BAD, detail, remedy)
        return
    ends = found[0].get("ValidTill")
    yield ending("certificate authority", name, ends.date() if ends else None, today, remedy)


def check_runtime(
    deployment: Deployment,  # noqa: ARG001 - a check's parameters
    aws: Aws,  # noqa: ARG001
    today: dt.date,
) -> Iterator[PreflightResult]:
    """Check the functions' runtime against the table: Lambda has no API that names the day of its end."""
    runtime = FUNCTION_RUNTIME
    remedy = UPDATE.format("Lambda's runtime", runtime.source)
    what = f"Lambda's {runtime.in_use} (as of {runtime.checked})"
    yield ending("function runtime", what, runtime.ends.get(runtime.in_use), today, remedy)


def check_tls_policy(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:  # noqa: ARG001 - a check's parameters
    """Check the TLS policy of the load balancer."""
    name = LOAD_BALANCER_TLS_POLICY.in_use
    try:
        found = aws.client("elbv2").describe_ssl_policies(Names=[name])["SslPolicies"]
    except ClientError as error:
        if code(error) not in ("SSLPolicyNotFound", "SSLPolicyNotFoundException"):
            raise
        found = []
    if found:
        yield PreflightResult("TLS policy", Verdict.GOOD, f"{name} is offered")
        return
    detail = f"Elastic Load Balancing doesn't offer {name} in {aws.region}"
    remedy = UPDATE.format("the listener's TLS policy", LOAD_BALANCER_TLS_POLICY.source)
    yield PreflightResult("TLS policy", Verdict.BAD, detail, remedy)


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


VERSION_CHECKS: tuple[tuple[str, Check], ...] = (
    ("platform", check_platform),
    ("database engine", lambda deployment, aws: check_engine(deployment, aws, _today())),
    ("certificate authority", lambda deployment, aws: check_authority(deployment, aws, _today())),
    ("function runtime", lambda deployment, aws: check_runtime(deployment, aws, _today())),
    ("TLS policy", check_tls_policy),
)
