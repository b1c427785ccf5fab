"""The self-signed certificate, made by `certificates.py` and `parameters.py`, on the local AWS."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import pytest

from beanvault.aws import Aws
from beanvault.deployment import certificates
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.deployment.parameters import values
from beanvault.ui import NullUi
from templates.deployment_file import parse
from testbed.servers.localaws import LocalAws


@pytest.fixture
def aws(local_aws: LocalAws) -> Aws:
    return Aws(local_aws.session(), local_aws.endpoint)


def serial(aws: Aws, arn: str) -> str:
    return str(aws.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]["Serial"])


@pytest.mark.parametrize("host", ["app.example.com", f"{'app' * 20}.{'platform' * 5}.example.com"])
def test_the_certificate_is_found_again_while_it_is_good(aws: Aws, host: str) -> None:
    """Also that of a host name which is too long for a common name."""
    name, now = f"c{uuid.uuid4().hex[:8]}", dt.datetime.now(dt.UTC)
    arn = certificates.self_signed(aws, name, host, now)
    made = serial(aws, arn)
    assert certificates.self_signed(aws, name, host, now) == arn
    assert serial(aws, arn) == made
    assert certificates.find(aws, f"{name}x") is None
    assert certificates.find(aws, name) == arn


@pytest.mark.parametrize(("host", "days"), [("app.example.com", 10), ("other.example.com", 300)])
def test_a_certificate_that_ends_soon_or_has_another_host_is_renewed_under_its_arn(
    aws: Aws, host: str, days: int
) -> None:
    name, now = f"c{uuid.uuid4().hex[:8]}", dt.datetime.now(dt.UTC)
    made_at = now - certificates.LIFETIME + dt.timedelta(days=days)
    arn = certificates.self_signed(aws, name, "app.example.com", made_at)
    before = serial(aws, arn)
    assert certificates.self_signed(aws, name, host, now) == arn
    assert serial(aws, arn) != before


def test_a_plan_leaves_the_certificate_of_the_listener_alone(aws: Aws) -> None:
    """One that a deployment would renew, and none at all."""
    tables: dict[str, Any] = {
        "name": f"c{uuid.uuid4().hex[:8]}",
        "region": aws.region,
        "vault": {"where": "host"},
    }
    context = DeploymentContext(parse(tables), aws, NullUi(), Path())

    def certificate(*, plan_only: bool) -> str:
        return values(context, ["CertificateArn"], plan_only=plan_only)["CertificateArn"]

    assert certificate(plan_only=True).startswith("arn:aws:acm:")
    assert certificates.find(aws, tables["name"]) is None
    host = f"{tables['name']}.beanvault.internal"
    ending = dt.datetime.now(dt.UTC) - certificates.LIFETIME + dt.timedelta(days=10)
    arn = certificates.self_signed(aws, tables["name"], host, ending)
    before = serial(aws, arn)
    assert (certificate(plan_only=True), serial(aws, arn)) == (arn, before)
    assert (certificate(plan_only=False), serial(aws, arn) == before) == (arn, False)
