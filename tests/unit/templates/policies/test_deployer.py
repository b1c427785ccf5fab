"""What the deployer's policy allows, and what it leaves out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beanvault.deployment.doctor.account import ACTIONS
from templates.policies.deployer import deployer_policy
from testbed.localaws.authorization.policy import AccessRequest, Decision, evaluate, parse
from tests.unit.templates.renders import ACCOUNT, CONFIGURATIONS, REGION, deployment

LONGEST_POLICY = 6144
"""Characters of a managed policy, blanks not counted.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""


def decision(action: str, resource: str, **context: Any) -> Decision:
    policy = parse(json.dumps(deployer_policy(deployment("production"))))
    principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/pipeline/deploy"
    return evaluate(
        [policy], AccessRequest(action, resource, principal, {"aws:RequestedRegion": REGION, **context})
    )


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_it_fits_a_managed_policy(configuration: str) -> None:
    """Whatever the deployment is called."""
    longest = deployment(configuration).model_copy(update={"name": "x" * 20, "region": "ap-southeast-2"})
    assert len(json.dumps(deployer_policy(longest), separators=(",", ":"))) <= LONGEST_POLICY


def test_everything_that_doctor_samples_is_allowed() -> None:
    """On resources with the deployment's name; `doctor` simulates the same actions."""
    named = {
        "cloudformation": "cloudformation:{}:{}:stack/beanvault-data/1",
        "events": "events:{}:{}:rule/beanvault-schedule",
        "iam": "iam::{1}:role/beanvault-data-BootstrapRole-1",
        "lambda": "lambda:{}:{}:function:beanvault-replicator",
        "logs": "logs:{}:{}:log-group:/aws/lambda/beanvault-replicator",
        "rds": "rds:{}:{}:db:beanvault-database",
        "s3": "s3:::beanvault-storage-logbucket-1",
        "secretsmanager": "secretsmanager:{}:{}:secret:beanvault-connection-AbCdEf",
        "sns": "sns:{}:{}:beanvault-alerts",
        "sqs": "sqs:{}:{}:beanvault-replicator-failed",
    }
    for action in ACTIONS:
        service = action.partition(":")[0]
        if service == "elasticbeanstalk":
            continue  # AWS's own policy for Beanstalk
        resource = f"arn:aws:{named[service].format(REGION, ACCOUNT)}" if service in named else "*"
        context = {"iam:PassedToService": "lambda.amazonaws.com"} if action == "iam:PassRole" else {}
        assert decision(action, resource, **context) is Decision.ALLOWED, action


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("secretsmanager:GetSecretValue", "secretsmanager:{}:{}:secret:beanvault/app/database-AbCdEf"),
        ("secretsmanager:DeleteSecret", "secretsmanager:{}:{}:secret:payroll-AbCdEf"),
        ("iam:AttachRolePolicy", "iam::{1}:role/admin"),
        ("iam:CreateUser", "iam::{1}:user/beanvault-somebody"),
        ("lambda:UpdateFunctionCode", "lambda:{}:{}:function:payroll"),
        ("rds:DeleteDBInstance", "rds:{}:{}:db:payroll"),
        ("s3:GetObject", "s3:::payroll/file"),
        ("kms:Decrypt", "kms:{}:{}:key/1"),
    ],
)
def test_resources_and_values_of_others_are_not(action: str, resource: str) -> None:
    """Nor the values of the deployment's own secrets; a key only through the services that use it."""
    assert decision(action, f"arn:aws:{resource.format(REGION, ACCOUNT)}") is not Decision.ALLOWED


def test_roles_are_passed_to_the_services_that_run_with_them_only() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/beanvault-data-BootstrapRole-1"
    allowed = decision("iam:PassRole", role, **{"iam:PassedToService": "rds.amazonaws.com"})
    assert allowed is Decision.ALLOWED
    refused = decision("iam:PassRole", role, **{"iam:PassedToService": "glue.amazonaws.com"})
    assert refused is not Decision.ALLOWED


def test_nothing_is_managed_in_another_region() -> None:
    assert decision("ec2:CreateVpc", "*") is Decision.ALLOWED
    elsewhere = decision("ec2:CreateVpc", "*", **{"aws:RequestedRegion": "us-east-1"})
    assert elsewhere is not Decision.ALLOWED
