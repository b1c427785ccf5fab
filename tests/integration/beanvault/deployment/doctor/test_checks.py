"""Story of beanvault/deployment/doctor/ and beanvault/deployment/connectivity.py.

Results and remedies of the pre-flight checks of account, region, domain and tools, on the local AWS.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, get_args

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from beanvault.aws import Aws
from beanvault.deployment.deploy import deploy
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.deployment.doctor.account import check_bucket
from beanvault.deployment.doctor.domain import check_certificate
from beanvault.deployment.doctor.region import check_authorities, check_endpoints, check_vault_connection
from beanvault.deployment.doctor.result import PreflightResult, Verdict
from beanvault.deployment.doctor.tools import check_tools
from beanvault.errors import Refused
from beanvault.ui import NullUi
from eb_app.settings import RDS_AUTHORITIES
from templates.deployment import Deployment
from templates.deployment_file import parse
from templates.deployment_values import InterfaceEndpoint
from testbed.servers.authority import Authority
from testbed.servers.localaws import REGION, LocalAws
from tests.project import ROOT
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


def _described(**tables: Any) -> Deployment:
    return parse({"name": "shop", "region": REGION, "vault": {"where": "host"}} | tables)


def test_a_region_with_every_endpoint_is_good(aws: Aws) -> None:
    plenty = _described(network={"endpoints": list(get_args(InterfaceEndpoint))})
    assert [found.verdict for found in check_endpoints(plenty, aws)] == [Verdict.GOOD]
    assert not list(check_endpoints(_described(network={"endpoints": []}), aws))


def test_an_endpoint_that_the_region_lacks_is_named() -> None:
    service = f"com.amazonaws.{REGION}.kms"
    session = boto3.session.Session("x", "x", region_name=REGION)
    client = session.client("ec2")
    stubber = Stubber(client)
    stubber.add_response("describe_vpc_endpoint_services", {"ServiceNames": [service]})
    stubber.activate()
    deployment = _described(network={"endpoints": ["kms", "events"]})
    (found,) = check_endpoints(deployment, Aws(session, None, {"ec2": client}))
    assert (found.verdict, found.detail) == (Verdict.BAD, f"{REGION} has no com.amazonaws.{REGION}.events")
    assert found.remedy == "leave events out of [network] endpoints"


def test_the_databases_authorities_are_checked(aws: Aws, tmp_path: Path, authority: Authority) -> None:
    """The bundle's, those in a file, and a file that holds others, none, or isn't there."""

    def verdict(**database: Any) -> tuple[Verdict, str]:
        (found,) = check_authorities(_described(database=database), aws)
        return found.verdict, f"{found.detail} → {found.remedy}"

    assert verdict() == (Verdict.GOOD, f"those of {REGION} are in the app's bundle → ")
    assert verdict(ca_file=str(RDS_AUTHORITIES))[0] is Verdict.GOOD
    state, text = verdict(ca_file=str(authority.ca_file))
    assert state is Verdict.UNKNOWN
    assert f"https://truststore.pki.rds.amazonaws.com/{REGION}/{REGION}-bundle.pem" in text
    state, text = verdict(ca_file=str(tmp_path / "missing.pem"))
    assert (state, "missing.pem, can't be read: No such file" in text) == (Verdict.BAD, True)
    assert "[database] ca_file" in text


THEIRS = "210987654321"


def _gateway(aws: LocalAws, account: str, accepts: str) -> str:
    """Return a transit gateway of an account, which shares it with ours."""

    def client(service: str) -> Any:
        session: Any = aws.session()
        made = session.client(service, endpoint_url=aws.endpoint)
        made.meta.events.register(
            "before-sign", lambda request, **_: request.headers.add_header("x-moto-account-id", account)
        )
        return made

    options = {"AutoAcceptSharedAttachments": accepts}
    gateway = client("ec2").create_transit_gateway(Options=options)["TransitGateway"]
    client("ram").create_resource_share(
        name=f"share-{uuid.uuid4()}",
        resourceArns=[gateway["TransitGatewayArn"]],
        principals=["123456789012"],
    )
    return str(gateway["TransitGatewayId"])


def _through(gateway: str) -> Deployment:
    vault = {"where": "transit-gateway", "cidrs": ["10.90.0.0/24"], "transit_gateway_id": gateway}
    return _described(vault=vault)


def test_a_transit_gateway_whose_owner_has_to_accept_is_refused(aws: Aws, local_aws: LocalAws) -> None:
    """CloudFormation doesn't wait for the acceptance, and the routes are refused until then."""
    ours = str(local_aws.client("ec2").create_transit_gateway()["TransitGateway"]["TransitGatewayId"])
    for gateway, verdict, text in (
        (ours, Verdict.GOOD, "is this account's"),
        (_gateway(local_aws, THEIRS, "enable"), Verdict.GOOD, "accepts attachments by itself"),
        (_gateway(local_aws, THEIRS, "disable"), Verdict.BAD, f"belongs to account {THEIRS}"),
        ("tgw-00000000000000000", Verdict.BAD, "is not visible in 123456789012"),
    ):
        (found,) = check_vault_connection(_through(gateway), aws)
        assert (found.verdict, text in found.detail) == (verdict, True), found
    waiting = _through(_gateway(local_aws, THEIRS, "disable"))
    (found,) = check_vault_connection(waiting, aws)
    assert "AutoAcceptSharedAttachments=enable" in found.remedy
    assert not list(check_vault_connection(_described(), aws))


def test_a_deployment_waits_for_no_acceptance(aws: Aws, local_aws: LocalAws) -> None:
    """It is refused before the first stack is made."""
    deployment = _through(_gateway(local_aws, THEIRS, "disable"))
    context = DeploymentContext(deployment, aws, NullUi(), ROOT)
    with pytest.raises(Refused, match="would have to accept the attachment"):
        deploy(context)
    stacks = aws.client("cloudformation").describe_stacks()["Stacks"]
    assert not [each for each in stacks if each["StackName"].startswith("shop-")]


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
