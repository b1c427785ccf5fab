"""Checks of the account's quotas against what the deployment needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from templates.deployment import Deployment

from ...aws import Aws
from .result import PreflightResult, Verdict


@dataclass(frozen=True, slots=True)
class RequiredQuota:
    """A quota that accounts often exhaust."""

    what: str
    service: str
    code: str
    """Service Quotas' code."""
    used: int
    needed: int


def check_quotas(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    ec2 = aws.client("ec2")
    vpcs = ec2.describe_vpcs()["Vpcs"]
    stack = deployment.stack_name("network")
    stack_tag = {"Key": "aws:cloudformation:stack-name", "Value": stack}
    if any(stack_tag in vpc.get("Tags", ()) for vpc in vpcs):
        yield PreflightResult("quotas", Verdict.GOOD, f"{stack} is deployed already")
        return
    gateways = deployment.network.availability_zones if deployment.network.nat == "per-az" else 1
    addresses = ec2.describe_addresses()["Addresses"]
    for quota in (
        RequiredQuota("VPCs", "vpc", "L-F678F1CE", len(vpcs), 1),
        RequiredQuota("Elastic IPs", "ec2", "L-0263D0A3", len(addresses), gateways),
    ):
        yield _compare(quota, aws)


def _compare(quota: RequiredQuota, aws: Aws) -> PreflightResult:
    client = aws.client("service-quotas")
    described = client.get_service_quota(ServiceCode=quota.service, QuotaCode=quota.code)
    limit = int(described["Quota"]["Value"])
    detail = f"{quota.used} of {limit} {quota.what} are used, {quota.needed} more are needed"
    if quota.used + quota.needed <= limit:
        return PreflightResult("quotas", Verdict.GOOD, detail)
    remedy = f"request a higher quota in Service Quotas ({quota.service}, {quota.code})"
    return PreflightResult("quotas", Verdict.BAD, detail, remedy)


def check_concurrency(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Check that Lambda accepts the function's reserved concurrency of 1.

    It requires that 100 executions remain unreserved, in accounts with less than that 10, which is all that
    new accounts have: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    client = aws.client("lambda")
    try:
        client.get_function_concurrency(FunctionName=deployment.function_name)
    except client.exceptions.ResourceNotFoundException:
        pass
    else:
        yield PreflightResult("function", Verdict.GOOD, f"{deployment.function_name} is deployed already")
        return
    limit = client.get_account_settings()["AccountLimit"]
    free = limit["UnreservedConcurrentExecutions"]
    required = 100 if limit["ConcurrentExecutions"] > 100 else 10
    detail = f"{free} concurrent executions are unreserved; the function takes 1, {required} must remain"
    if free > required:
        yield PreflightResult("function", Verdict.GOOD, detail)
    else:
        yield PreflightResult(
            "function",
            Verdict.BAD,
            detail,
            "request a higher quota in Service Quotas (lambda, L-B99A9384)",
        )
