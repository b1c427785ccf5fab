"""Checks of the app's domain: its certificate and its hosted zone."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from templates.deployment import Deployment
from templates.deployment_sections import ExistingCertificate, IssuedCertificate

from ...aws import Aws, code
from .result import PreflightResult, Verdict

REMEDY_PENDING = (
    "add the record that `aws acm describe-certificate --certificate-arn {arn}` shows to the domain's zone, "
    "and wait until it is ISSUED"
)


def check_certificate(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    match deployment.domain:
        case ExistingCertificate() as domain:
            yield _check_existing(domain.certificate_arn, aws)
        case IssuedCertificate() as domain:
            yield _check_zone(domain, aws)


def _check_existing(arn: str, aws: Aws) -> PreflightResult:
    try:
        found = aws.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    except ClientError as error:
        if code(error) != "ResourceNotFoundException":
            raise
        return PreflightResult(
            "certificate",
            Verdict.BAD,
            f"{arn} does not exist",
            "import or issue a certificate, and set [domain] certificate_arn",
        )
    detail = f"the certificate of {found['DomainName']} is {found['Status']}"
    match found["Status"]:
        case "ISSUED":
            return PreflightResult("certificate", Verdict.GOOD, detail)
        case "PENDING_VALIDATION":
            return PreflightResult("certificate", Verdict.BAD, detail, REMEDY_PENDING.format(arn=arn))
        case _:
            remedy = "import or issue another certificate, and set [domain] certificate_arn"
            return PreflightResult("certificate", Verdict.BAD, detail, remedy)


def _check_zone(domain: IssuedCertificate, aws: Aws) -> PreflightResult:
    remedy = (
        f"set [domain] hosted_zone_id to the public zone of {domain.name} (`aws route53 list-hosted-zones`)"
    )
    try:
        zone = aws.client("route53").get_hosted_zone(Id=domain.hosted_zone_id)["HostedZone"]
    except ClientError as error:
        if code(error) != "NoSuchHostedZone":
            raise
        return PreflightResult(
            "hosted zone", Verdict.BAD, f"the zone {domain.hosted_zone_id} does not exist", remedy
        )
    host = zone["Name"].rstrip(".")
    if domain.name != host and not domain.name.endswith(f".{host}"):
        return PreflightResult("hosted zone", Verdict.BAD, f"{domain.name} is not in the zone {host}", remedy)
    if zone.get("Config", {}).get("PrivateZone"):
        detail = f"{host} is a private zone; ACM and visitors query public zones"
        return PreflightResult("hosted zone", Verdict.BAD, detail, remedy)
    return PreflightResult("hosted zone", Verdict.GOOD, f"{domain.name} is in the zone {host}")
