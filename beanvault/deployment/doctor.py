"""What has to be there before a deployment, looked for; each thing that isn't has its remedy."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import uv
from botocore.exceptions import ClientError

from templates.deployment import Deployment
from templates.deployment_sections import ExistingCertificate, IssuedCertificate

from ..aws import FAILURES, Aws, code, explained
from ..cloudformation.stacks import Stacks
from ..errors import BeanvaultError, Denied
from ..ui import NullUi
from ..vault.server import VaultServer, seal_status


class Verdict(Enum):
    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PreflightResult:
    what: str
    verdict: Verdict
    told: str
    remedy: str = ""


Check = Callable[[Deployment, Aws], Iterator[PreflightResult]]


def examine(deployment: Deployment, aws: Aws, vault: VaultServer | None) -> Iterator[PreflightResult]:
    """Yield one finding after the other; a check that can't be made is told as unknown, with AWS's words."""
    yield from _tools()
    try:
        account = aws.account()
    except FAILURES as error:
        known = explained(error)
        yield PreflightResult("credentials", Verdict.BAD, str(known), known.remedy)
        return  # nothing else can be asked without them
    yield PreflightResult("credentials", Verdict.GOOD, f"account {account}, {aws.region}")
    if aws.region != deployment.region:
        yield PreflightResult(
            "region", Verdict.BAD, f"{aws.region}, not {deployment.region}", "pass --region"
        )
    for what, check in CHECKS:
        try:
            yield from check(deployment, aws)
        except FAILURES as error:
            known = explained(error)
            # Who may not look at these can't make them either.
            verdict = Verdict.BAD if isinstance(known, Denied) else Verdict.UNKNOWN
            yield PreflightResult(what, verdict, str(known), known.remedy)
    if vault is not None:
        yield _vault(vault)


def _tools() -> Iterator[PreflightResult]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield PreflightResult("python", Verdict.GOOD, version)
    beside = Path(sys.executable).parent
    eb = shutil.which("eb", path=os.pathsep.join([str(beside), os.environ.get("PATH", "")]))
    if eb:
        yield PreflightResult("EB CLI", Verdict.GOOD, eb)
    else:
        yield PreflightResult(
            "EB CLI", Verdict.BAD, "not on PATH", "install awsebcli, or use the project's .venv"
        )
    yield PreflightResult("uv", Verdict.GOOD, uv.find_uv_bin())
    for what, command in (("AWS CLI", "aws"), ("Session Manager plugin", "session-manager-plugin")):
        if found := shutil.which(command):
            yield PreflightResult(what, Verdict.GOOD, found)
        else:
            yield PreflightResult(
                what,
                Verdict.UNKNOWN,
                f"{command} isn't on PATH; only tunnels to Vault's sample host and the database need it",
                TUNNELS,
            )


TUNNELS = (
    "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html (the AWS CLI: "
    "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html)"
)


def _permissions(_: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Ask IAM whether the caller may do what a deployment needs; a sample, one action a service."""
    arn = aws.client("sts").get_caller_identity()["Arn"]
    if ":assumed-role/" in arn:
        # The role's path, which those of IAM Identity Center have, isn't part of the session's ARN.
        arn = aws.client("iam").get_role(RoleName=arn.split("/")[1])["Role"]["Arn"]
    if arn.endswith(":root"):
        yield PreflightResult("permissions", Verdict.BAD, "these are the root user's", "use a role: CIS 2.7")
        return
    try:
        answer = aws.client("iam").simulate_principal_policy(PolicySourceArn=arn, ActionNames=list(ACTIONS))
    except FAILURES as error:
        # Asking IAM is a right of its own, which whoever deploys need not have.
        known = explained(error)
        yield PreflightResult(
            "permissions", Verdict.UNKNOWN, str(known), "`beanvault deploy --plan-only` tries them"
        )
        return
    denied = [r["EvalActionName"] for r in answer["EvaluationResults"] if r["EvalDecision"] != "allowed"]
    if denied:
        yield PreflightResult(
            "permissions", Verdict.BAD, f"not allowed: {', '.join(denied)}", "ask for these"
        )
    else:
        yield PreflightResult("permissions", Verdict.GOOD, f"{len(ACTIONS)} asked for, all allowed")


ACTIONS = (
    "acm:ImportCertificate",
    "cloudformation:CreateChangeSet",
    "cloudwatch:PutMetricAlarm",
    "ec2:CreateVpc",
    "elasticbeanstalk:CreateEnvironment",
    "elasticloadbalancing:CreateLoadBalancer",
    "events:PutRule",
    "iam:CreateRole",
    "iam:PassRole",
    "kms:CreateKey",
    "lambda:CreateFunction",
    "logs:CreateLogGroup",
    "rds:CreateDBInstance",
    "s3:CreateBucket",
    "secretsmanager:CreateSecret",
    "sns:CreateTopic",
    "sqs:CreateQueue",
    "wafv2:CreateWebACL",
)


def _quotas(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Compare what is left of the quotas that accounts run into with what the deployment takes."""
    ec2 = aws.client("ec2")
    zones = deployment.network.availability_zones
    gateways = zones if deployment.network.nat == "per-az" else 1
    ours = f"{deployment.name}-network"
    exists = any(
        tag["Value"] == ours
        for vpc in ec2.describe_vpcs()["Vpcs"]
        for tag in vpc.get("Tags") or ()
        if tag["Key"] == "aws:cloudformation:stack-name"
    )
    if exists:
        yield PreflightResult("quotas", Verdict.GOOD, f"{ours} is there already")
        return
    for what, quota, used, needed in (
        ("VPCs", "L-F678F1CE", len(ec2.describe_vpcs()["Vpcs"]), 1),
        ("Elastic IPs", "L-0263D0A3", len(ec2.describe_addresses()["Addresses"]), gateways),
    ):
        service = "vpc" if what == "VPCs" else "ec2"
        answer = aws.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=quota)
        limit = int(answer["Quota"]["Value"])
        told = f"{used} of {limit} {what} are used, {needed} more needed"
        if used + needed > limit:
            yield PreflightResult("quotas", Verdict.BAD, told, f"ask for more in Service Quotas ({quota})")
        else:
            yield PreflightResult("quotas", Verdict.GOOD, told)


def _concurrency(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Look whether the function's reserved concurrency of 1 leaves the account what Lambda keeps back.

    That is 100, in accounts with less than that 10, which is all that new ones have:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    client = aws.client("lambda")
    try:
        client.get_function_concurrency(FunctionName=deployment.function_name)
    except client.exceptions.ResourceNotFoundException:
        pass
    else:
        yield PreflightResult("function", Verdict.GOOD, f"{deployment.function_name} is there already")
        return
    limit = client.get_account_settings()["AccountLimit"]
    free, kept = limit["UnreservedConcurrentExecutions"], 100 if limit["ConcurrentExecutions"] > 100 else 10
    told = f"{free} concurrent executions are not reserved; the function takes 1, Lambda keeps {kept}"
    if free > kept:
        yield PreflightResult("function", Verdict.GOOD, told)
    else:
        yield PreflightResult(
            "function", Verdict.BAD, told, "ask for more in Service Quotas (lambda, L-B99A9384)"
        )


def _service_roles(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Look for the service-linked roles that a first environment, balancer and database need."""
    suffix = deployment.url_suffix.removesuffix(".cn")
    missing = [
        service
        for service in ("elasticbeanstalk", "elasticloadbalancing", "rds", "autoscaling")
        if not aws.client("iam").list_roles(PathPrefix=f"/aws-service-role/{service}.{suffix}/")["Roles"]
    ]
    if not missing:
        yield PreflightResult("service-linked roles", Verdict.GOOD, "all are there")
        return
    yield PreflightResult(
        "service-linked roles",
        Verdict.UNKNOWN,
        f"not there yet: {', '.join(missing)}; AWS makes each at its first use, if you may",
        "if you may not: aws iam create-service-linked-role --aws-service-name SERVICE.amazonaws.com",
    )


def _certificate(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    domain = deployment.domain
    if isinstance(domain, ExistingCertificate):
        try:
            found = aws.client("acm").describe_certificate(CertificateArn=domain.certificate_arn)[
                "Certificate"
            ]
        except ClientError as error:
            if code(error) != "ResourceNotFoundException":
                raise
            yield PreflightResult(
                "certificate", Verdict.BAD, f"{domain.certificate_arn} isn't there", "import or issue it"
            )
            return
        told = f"{found['DomainName']} is {found['Status']}"
        if found["Status"] == "ISSUED":
            yield PreflightResult("certificate", Verdict.GOOD, told)
        elif found["Status"] == "PENDING_VALIDATION":
            yield PreflightResult(
                "certificate", Verdict.BAD, told, PENDING.format(arn=domain.certificate_arn)
            )
        else:
            yield PreflightResult(
                "certificate", Verdict.BAD, told, "import or issue another, and name its ARN"
            )
    if isinstance(domain, IssuedCertificate):
        yield _zone(domain, aws)


PENDING = (
    "add the record that `aws acm describe-certificate --certificate-arn {arn}` shows to the domain's zone, "
    "and wait until it is ISSUED"
)


def _zone(domain: IssuedCertificate, aws: Aws) -> PreflightResult:
    name = f'name the public zone of {domain.name}: [domain] hosted_zone_id ("aws route53 list-hosted-zones")'
    try:
        zone = aws.client("route53").get_hosted_zone(Id=domain.hosted_zone_id)["HostedZone"]
    except ClientError as error:
        if code(error) != "NoSuchHostedZone":
            raise
        return PreflightResult("hosted zone", Verdict.BAD, f"there is no zone {domain.hosted_zone_id}", name)
    host = zone["Name"].rstrip(".")
    if domain.name != host and not domain.name.endswith(f".{host}"):
        return PreflightResult("hosted zone", Verdict.BAD, f"{host} doesn't hold {domain.name}", name)
    if zone.get("Config", {}).get("PrivateZone"):
        told = f"{host} is a private zone: ACM and visitors ask public ones"
        return PreflightResult("hosted zone", Verdict.BAD, told, name)
    return PreflightResult("hosted zone", Verdict.GOOD, f"{host} holds {domain.name}")


def _disks(_: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Beanstalk has no option for the encryption of root volumes: the account's default decides (EC2.7)."""
    if aws.client("ec2").get_ebs_encryption_by_default()["EbsEncryptionByDefault"]:
        yield PreflightResult("disks", Verdict.GOOD, "new volumes are encrypted by default")
    else:
        yield PreflightResult(
            "disks",
            Verdict.BAD,
            f"new volumes in {aws.region} are not encrypted, the instances' among them",
            f"aws ec2 enable-ebs-encryption-by-default --region {aws.region}",
        )


def _bucket(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Beanstalk's bucket: one a region; whoever has it already must say so in the deployment file."""
    name = f"elasticbeanstalk-{aws.region}-{aws.account()}"
    try:
        aws.client("s3").head_bucket(Bucket=name)
        there = True
    except ClientError as error:
        if code(error) not in ("404", "NoSuchBucket"):
            raise
        there = False
    stacks = Stacks(aws.client("cloudformation"), NullUi())
    ours = stacks.describe(deployment.stack_name("storage")) is not None
    creates = deployment.storage.beanstalk_bucket == "create"
    if there and creates and not ours:
        yield PreflightResult(
            "Beanstalk's bucket", Verdict.BAD, f"{name} exists", '[storage] beanstalk_bucket = "existing"'
        )
    elif not there and not creates:
        yield PreflightResult(
            "Beanstalk's bucket", Verdict.BAD, f"{name} isn't there", '[storage] beanstalk_bucket = "create"'
        )
    else:
        yield PreflightResult(
            "Beanstalk's bucket", Verdict.GOOD, f"{name} {'exists' if there else 'will be made'}"
        )


def _vault(server: VaultServer) -> PreflightResult:
    try:
        status = seal_status(server)
    except BeanvaultError as error:
        return PreflightResult("Vault", Verdict.BAD, str(error), error.remedy)
    if not status.initialized or status.sealed:
        return PreflightResult(
            "Vault", Verdict.BAD, f"{server.address} is sealed or empty", "beanvault vault init"
        )
    return PreflightResult("Vault", Verdict.GOOD, f"{server.address} answers, version {status.version}")


CHECKS: tuple[tuple[str, Check], ...] = (
    ("permissions", _permissions),
    ("quotas", _quotas),
    ("function", _concurrency),
    ("service-linked roles", _service_roles),
    ("certificate", _certificate),
    ("disks", _disks),
    ("Beanstalk's bucket", _bucket),
)
