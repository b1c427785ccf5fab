"""Story of beanvault/deployment/doctor/.

Results and remedies of the pre-flight checks of account, domain and tools, on the local AWS.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from beanvault.aws import Aws
from beanvault.deployment.doctor.account import check_bucket
from beanvault.deployment.doctor.domain import check_certificate
from beanvault.deployment.doctor.result import PreflightResult, Verdict
from beanvault.deployment.doctor.tools import check_tools
from templates.deployment_file import parse
from testbed.servers.localaws import REGION, LocalAws
from tests.unit.beanvault.answers import Answer, playing


@pytest.fixture
def aws(local_aws: LocalAws) -> Aws:
    return Aws(local_aws.session(), local_aws.endpoint)


def _found(aws: Aws, **domain: Any) -> PreflightResult:
    tables = {"name": "shop", "region": REGION, "vault": {"where": "host"}, "domain": domain}
    (result,) = check_certificate(parse(tables), aws)
    return result


def _zone(aws: Aws, name: str, **settings: Any) -> str:
    zone = aws.client("route53").create_hosted_zone(Name=name, CallerReference=uuid.uuid4().hex, **settings)[
        "HostedZone"
    ]
    return str(zone["Id"]).rpartition("/")[2]


def test_a_hosted_zone_has_to_exist_be_public_and_contain_the_name(aws: Aws) -> None:
    vpc = aws.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    private = _zone(
        aws,
        "private.example",
        VPC={"VPCRegion": REGION, "VPCId": vpc},
        HostedZoneConfig={"Comment": "", "PrivateZone": True},
    )
    public = _zone(aws, "public.example")
    for name, zone, verdict, detail in (
        ("app.public.example", public, Verdict.GOOD, "is in the zone"),
        ("app.other.example", public, Verdict.BAD, "is not in the zone"),
        ("app.private.example", private, Verdict.BAD, "is a private zone"),
        ("app.public.example", "Z0000000000000000000A", Verdict.BAD, "does not exist"),
    ):
        found = _found(aws, certificate="issued", name=name, hosted_zone_id=zone)
        assert (found.verdict, detail in found.detail) == (verdict, True), found
        assert verdict is Verdict.GOOD or f"the public zone of {name}" in found.remedy


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("PENDING_VALIDATION", "aws acm describe-certificate --certificate-arn arn:aws:acm:"),
        ("EXPIRED", "import or issue another certificate"),
        ("FAILED", "import or issue another certificate"),
    ],
)
def test_a_certificate_that_is_not_issued_has_a_remedy(status: str, remedy: str) -> None:
    described = Answer({"Certificate": {"DomainName": "app.example.com", "Status": status}})
    arn = f"arn:aws:acm:{REGION}:123456789012:certificate/{uuid.uuid4()}"
    found = _found(
        playing(acm_DescribeCertificate=[described]),
        certificate="existing",
        name="app.example.com",
        certificate_arn=arn,
    )
    assert (found.verdict, status in found.detail, remedy in found.remedy) == (Verdict.BAD, True, True), found


def test_the_tools_for_tunnels_are_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = {found.check: found for found in check_tools() if found.verdict is Verdict.UNKNOWN}
    assert missing.keys() == {"AWS CLI", "Session Manager plugin"}
    assert all("https://docs.aws.amazon.com/" in found.remedy for found in missing.values())
    for name in ("aws", "session-manager-plugin"):
        (tmp_path / name).touch(mode=0o755)
    assert not [found for found in check_tools() if found.verdict is Verdict.UNKNOWN]


def test_without_permission_to_read_the_stack_the_bucket_is_not_called_foreign() -> None:
    """The remedy for a foreign bucket would take it out of the stack."""
    session = boto3.session.Session("x", "x", region_name=REGION)
    clients = {name: session.client(name) for name in ("cloudformation", "s3", "sts")}  # type: ignore[call-overload]  # the stubs list each service by name
    stubbers = {name: Stubber(client) for name, client in clients.items()}
    stubbers["s3"].add_response("head_bucket", {})
    stubbers["sts"].add_response("get_caller_identity", {"Account": "123456789012"})
    stubbers["cloudformation"].add_client_error("describe_stacks", "AccessDenied", "no")
    for stubber in stubbers.values():
        stubber.activate()
    deployment = parse({"name": "shop", "region": REGION, "vault": {"where": "host"}})
    with pytest.raises(ClientError, match="AccessDenied"):
        list(check_bucket(deployment, Aws(session, None, clients)))
