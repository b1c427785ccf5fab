"""Checks of the account: permissions, service-linked roles, disk encryption, Beanstalk's bucket."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from templates.deployment import Deployment

from ...artifacts.store import beanstalk_bucket
from ...aws import FAILURES, Aws, code, explained
from ...cloudformation.stacks import Stacks
from ...ui import NullUi
from ..volumes import encrypted_by_default, remedy
from .result import PreflightResult, Verdict

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
"""A sample of what a deployment needs, one or two actions per service; the deployer's policy allows each."""


def check_permissions(_: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Simulate the caller's policies."""
    arn = aws.client("sts").get_caller_identity()["Arn"]
    if ":assumed-role/" in arn:
        # A session's ARN lacks the role's path, which roles of IAM Identity Center have.
        arn = aws.client("iam").get_role(RoleName=arn.split("/")[1])["Role"]["Arn"]
    if arn.endswith(":root"):
        yield PreflightResult(
            "permissions", Verdict.BAD, "the credentials are the root user's", "use a role (CIS 2.7)"
        )
        return
    try:
        simulated = aws.client("iam").simulate_principal_policy(PolicySourceArn=arn, ActionNames=ACTIONS)
    except FAILURES as error:
        # Simulating is a permission of its own, which a deployment doesn't need.
        yield PreflightResult(
            "permissions",
            Verdict.UNKNOWN,
            str(explained(error)),
            "`beanvault deploy --plan-only` tries the permissions",
        )
        return
    denied = [r["EvalActionName"] for r in simulated["EvaluationResults"] if r["EvalDecision"] != "allowed"]
    if denied:
        yield PreflightResult(
            "permissions",
            Verdict.BAD,
            f"not allowed: {', '.join(denied)}",
            "`beanvault render --deployer-policy` prints the policy of a role that can deploy",
        )
    else:
        yield PreflightResult("permissions", Verdict.GOOD, f"all {len(ACTIONS)} checked actions are allowed")


def check_service_roles(_: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Check for the service-linked roles that a first environment, load balancer and database need."""
    missing = [
        service
        for service in ("elasticbeanstalk", "elasticloadbalancing", "rds", "autoscaling")
        if not aws.client("iam").list_roles(PathPrefix=f"/aws-service-role/{service}.amazonaws.com/")["Roles"]
    ]
    if not missing:
        yield PreflightResult("service-linked roles", Verdict.GOOD, "all exist")
        return
    yield PreflightResult(
        "service-linked roles",
        Verdict.UNKNOWN,
        f"missing: {', '.join(missing)}; AWS creates each at its first use, with iam:CreateServiceLinkedRole",
        "without that permission, have them created: "
        "aws iam create-service-linked-role --aws-service-name SERVICE.amazonaws.com",
    )


def check_disks(_: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Check that root volumes are encrypted, for which Beanstalk has no option: EC2.7 is the region's."""
    if encrypted_by_default(aws):
        yield PreflightResult("disks", Verdict.GOOD, "new volumes are encrypted by default")
    else:
        yield PreflightResult(
            "disks",
            Verdict.BAD,
            f"new volumes in {aws.region} are not encrypted by default, including the instances' volumes",
            remedy(aws),
        )


def check_bucket(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Compare Beanstalk's bucket, one per account and region, with what the deployment file says of it."""
    name = beanstalk_bucket(aws)
    exists = _bucket_exists(aws, name)
    stacks = Stacks(aws.client("cloudformation"), NullUi())
    ours = stacks.describe(deployment.stack_name("storage")) is not None
    creates = deployment.storage.beanstalk_bucket == "create"
    if exists and creates and not ours:
        yield PreflightResult(
            "Beanstalk's bucket", Verdict.BAD, f"{name} exists", 'set [storage] beanstalk_bucket = "existing"'
        )
    elif not exists and not creates:
        yield PreflightResult(
            "Beanstalk's bucket",
            Verdict.BAD,
            f"{name} does not exist",
            'set [storage] beanstalk_bucket = "create"',
        )
    else:
        yield PreflightResult(
            "Beanstalk's bucket", Verdict.GOOD, f"{name} {'exists' if exists else 'will be created'}"
        )


def _bucket_exists(aws: Aws, name: str) -> bool:
    try:
        aws.client("s3").head_bucket(Bucket=name)
    except ClientError as error:
        if code(error) not in ("404", "NoSuchBucket"):
            raise
        return False
    return True
