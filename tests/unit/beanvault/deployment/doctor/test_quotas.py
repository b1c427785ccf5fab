"""Quotas, with answers that the local AWS doesn't give."""

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from beanvault.aws import Aws
from beanvault.deployment.doctor.quotas import check_concurrency
from beanvault.deployment.doctor.result import Verdict
from templates.deployment_file import read
from tests.project import ROOT

FILE = read(ROOT / "config" / "dev.toml")


@pytest.mark.parametrize(
    ("limit", "free", "verdict"),
    [(1000, 1000, Verdict.GOOD), (1000, 100, Verdict.BAD), (10, 10, Verdict.BAD), (50, 50, Verdict.GOOD)],
)
def test_a_new_account_cannot_reserve_the_functions_one_execution(
    limit: int, free: int, verdict: Verdict
) -> None:
    """It would be found when the function is created, half an hour into the deployment."""
    aws = Aws(boto3.session.Session("x", "x", region_name="eu-central-1"))
    stubber = Stubber(aws.client("lambda"))
    stubber.add_client_error("get_function_concurrency", "ResourceNotFoundException")
    limits = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": free}
    stubber.add_response("get_account_settings", {"AccountLimit": limits})
    with stubber:
        (result,) = check_concurrency(FILE, aws)
    assert result.verdict is verdict
    assert bool(result.remedy) == (verdict is Verdict.BAD)
