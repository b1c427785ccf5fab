"""Story of templates/policies/deployer.py, testbed/localaws/authorization/on_behalf.py and
testbed/localaws/authorization/passed_roles.py.

A whole trial is deployed and destroyed by a role with the documented permissions and no others.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from beanvault.aws import Aws
from beanvault.cloudformation.stack import StackError, StackOutcome
from beanvault.deployment.deploy import deploy
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.teardown.destroy import destroy
from beanvault.ui import NullUi
from templates.deployment import Deployment
from templates.deployment_file import parse
from templates.policies.deployer import BEANSTALK_POLICY, deployer_policy
from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws
from testbed.servers.mariadb import MariaDB
from tests.polling import until
from tests.project import ROOT

_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@pytest.fixture(scope="module", name="aws")
def _aws(tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDB) -> Iterator[LocalAws]:
    server = LocalAws.start(tmp_path_factory.mktemp("deployer"), mariadb, instances=True)
    yield server
    server.stop()


@pytest.fixture(scope="module", name="trial")
def _trial(authority: Authority, mariadb: MariaDB) -> Deployment:
    tables = tomllib.loads((ROOT / "config" / "dev.toml").read_text())
    tables["name"] = "trial"
    tables["database"] |= {"port": mariadb.port, "ca_file": str(authority.ca_file)}
    return parse(tables)


def deployer(aws: LocalAws, name: str, policy: dict[str, Any], deployment: Deployment) -> DeploymentContext:
    """Return the context of a session of a new role with *policy* and AWS's own for Beanstalk."""
    iam = aws.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_TRUST)["Role"]
    own = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(policy))["Policy"]["Arn"]
    for arn in (own, f"arn:aws:iam::aws:policy/{BEANSTALK_POLICY}"):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    issued = aws.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="deploy")["Credentials"]
    session = boto3.session.Session(
        issued["AccessKeyId"],
        issued["SecretAccessKey"],
        issued["SessionToken"],
        region_name=deployment.region,
    )
    ui = NullUi(agrees=True, accepts_loss=True)
    return DeploymentContext(deployment, Aws(session, aws.endpoint), ui, ROOT)


def without_alerts_key(policy: dict[str, Any]) -> dict[str, Any]:
    """Return the policy without the permission to encrypt messages to topics."""
    copied: dict[str, Any] = json.loads(json.dumps(policy))
    (statement,) = [each for each in copied["Statement"] if each["Sid"] == "EncryptThroughServices"]
    services = statement["Condition"]["StringEquals"]["kms:ViaService"]
    services.remove(next(each for each in services if each.startswith("sns.")))
    return copied


def test_the_documented_permissions_are_enough_and_needed(aws: LocalAws, trial: Deployment) -> None:
    """Without the topic's key the environment is refused; with all, everything is created, and deleted."""
    policy = deployer_policy(trial)
    limited = deployer(aws, "ci-limited", without_alerts_key(policy), trial)
    with pytest.raises(StackError, match=r"test notification.*kms:GenerateDataKey"):
        deploy(limited)
    full = deployer(aws, "ci-deployer", policy, trial)
    outcomes = {result.stack: result.outcome for result in deploy(full)}
    assert outcomes.pop("trial-environment") is StackOutcome.CREATED
    assert outcomes.pop("trial-keys") is StackOutcome.UNCHANGED
    assert {result.outcome for result in deploy(full)} == {StackOutcome.UNCHANGED}
    destroy(full)
    remaining = aws.client("cloudformation").describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in remaining] == []


def test_resources_of_others_are_out_of_reach(aws: LocalAws, trial: Deployment) -> None:
    """Neither read nor changed, also through CloudFormation."""
    others = aws.client("secretsmanager").create_secret(Name="payroll", SecretString="theirs")
    role = aws.client("iam").create_role(RoleName="payroll", AssumeRolePolicyDocument=_TRUST)["Role"]
    session = deployer(aws, "ci-visitor", deployer_policy(trial), trial).aws
    with pytest.raises(ClientError, match="AccessDenied"):
        session.client("secretsmanager").get_secret_value(SecretId=others["ARN"])
    with pytest.raises(ClientError, match="AccessDenied"):
        session.client("iam").delete_role(RoleName="payroll")
    template = {
        "Resources": {
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": "trial-visitor",
                    "Role": role["Arn"],
                    "Runtime": "python3.14",
                    "Handler": "index.handler",
                    "Code": {"ZipFile": "def handler(event, context): return None"},
                },
            }
        }
    }
    cloudformation = session.client("cloudformation")
    cloudformation.create_change_set(
        StackName="trial-visitor",
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(template),
    )
    cloudformation.execute_change_set(StackName="trial-visitor", ChangeSetName="first")
    events = until(
        lambda: [
            event
            for event in cloudformation.describe_stack_events(StackName="trial-visitor")["StackEvents"]
            if event["ResourceStatus"] == "CREATE_FAILED"
        ]
    )
    assert "iam:PassRole" in events[-1]["ResourceStatusReason"]
