"""Drift-aware change sets: what they find, restore and, as in AWS, ignore."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beanvault.cloudformation.changes import ChangeAction
from beanvault.cloudformation.stack import StackOutcome, StackResult, StackSpec, TemplateSource
from beanvault.cloudformation.stacks import Stacks
from beanvault.ui import NullUi

BLOCK = dict.fromkeys(
    ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
)
NOTHING = {"CidrIp": "127.0.0.1/32", "IpProtocol": "-1", "Description": "nothing by default"}
RULE = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "192.0.2.0/24"}
RESOURCES: dict[str, Any] = {
    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}},
    "Group": {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {
            "GroupDescription": "a group",
            "VpcId": {"Ref": "Vpc"},
            "SecurityGroupEgress": [NOTHING],
        },
    },
    "In": {
        "Type": "AWS::EC2::SecurityGroupIngress",
        "Properties": {"GroupId": {"Fn::GetAtt": ["Group", "GroupId"]}, **RULE},
    },
    "Out": {
        "Type": "AWS::EC2::SecurityGroupEgress",
        "Properties": {"GroupId": {"Fn::GetAtt": ["Group", "GroupId"]}, **RULE},
    },
    "Bucket": {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "PublicAccessBlockConfiguration": BLOCK,
            "VersioningConfiguration": {"Status": "Enabled"},
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}
                ]
            },
        },
    },
    "Key": {
        "Type": "AWS::KMS::Key",
        "Properties": {
            "EnableKeyRotation": True,
            "KeyPolicy": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}},
                        "Action": "kms:*",
                        "Resource": "*",
                    }
                ],
            },
        },
    },
    "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 30}},
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 1}},
}
DEPLOYED = TemplateSource(json.dumps({"Resources": RESOURCES}))


class Deployed:
    """The stack, and its resources as a person changes them."""

    def __init__(self, stacks: Any) -> None:
        self.name = stacks.name()
        stacks.made.append(self.name)
        self._stacks = stacks
        self.client = stacks.aws.client
        self.deploy()
        self.group, self.bucket, self.key, self.logs = (
            stacks.physical_id(self.name, logical_id) for logical_id in ("Group", "Bucket", "Key", "Logs")
        )

    def deploy(self, **how: bool) -> StackResult:
        return Stacks(self._stacks.api, NullUi(agrees=True)).deploy(StackSpec(self.name, DEPLOYED), **how)

    def state(self) -> dict[str, Any]:
        """The properties, read from the services."""
        s3, where = self.client("s3"), {"Bucket": self.bucket}
        rules = self.client("ec2").describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": [self.group]}]
        )["SecurityGroupRules"]
        groups = self.client("logs").describe_log_groups(logGroupNamePrefix=self.logs)["logGroups"]
        return {
            "rules": sorted((r["IsEgress"], r["FromPort"], r["CidrIpv4"]) for r in rules),
            "block": s3.get_public_access_block(**where)["PublicAccessBlockConfiguration"],
            "encryption": s3.get_bucket_encryption(**where)["ServerSideEncryptionConfiguration"],
            "versioning": s3.get_bucket_versioning(**where)["Status"],
            "rotation": self.client("kms").get_key_rotation_status(KeyId=self.key)["KeyRotationEnabled"],
            "retention": [group.get("retentionInDays") for group in groups],
        }

    def open(self, way: str) -> None:
        """Open a port to or from everywhere."""
        permission = {
            "IpProtocol": "tcp",
            "FromPort": 22,
            "ToPort": 22,
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        }
        call = getattr(self.client("ec2"), f"authorize_security_group_{way}")
        call(GroupId=self.group, IpPermissions=[permission])


@pytest.fixture
def deployed(stacks: Any) -> Deployed:
    return Deployed(stacks)


def test_manual_changes_are_shown_and_reverted(deployed: Deployed) -> None:
    before = deployed.state()
    assert deployed.deploy(revert_drift=True).outcome is StackOutcome.UNCHANGED

    deployed.open("egress")
    ec2, s3 = deployed.client("ec2"), deployed.client("s3")
    ec2.revoke_security_group_ingress(
        GroupId=deployed.group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
        ],
    )
    s3.delete_public_access_block(Bucket=deployed.bucket)
    s3.delete_bucket_encryption(Bucket=deployed.bucket)
    s3.put_bucket_versioning(Bucket=deployed.bucket, VersioningConfiguration={"Status": "Suspended"})
    deployed.client("kms").disable_key_rotation(KeyId=deployed.key)
    deployed.client("logs").put_retention_policy(logGroupName=deployed.logs, retentionInDays=1)

    assert deployed.deploy().outcome is StackOutcome.UNCHANGED  # CloudFormation compares templates
    planned = deployed.deploy(revert_drift=True, plan_only=True)
    assert {change.logical_id: (change.action, change.properties) for change in planned.changes} == {
        "Group": (ChangeAction.MODIFY, ("SecurityGroupEgress",)),
        "In": (ChangeAction.ADD, ()),
        "Bucket": (
            ChangeAction.MODIFY,
            ("BucketEncryption", "PublicAccessBlockConfiguration", "VersioningConfiguration"),
        ),
        "Key": (ChangeAction.MODIFY, ("EnableKeyRotation",)),
        "Logs": (ChangeAction.MODIFY, ("RetentionInDays",)),
    }
    assert not any(change.endangers_data for change in planned.changes)
    assert deployed.deploy(revert_drift=True).outcome is StackOutcome.UPDATED
    assert deployed.state() == before
    assert deployed.deploy(revert_drift=True).outcome is StackOutcome.UNCHANGED


def test_properties_that_the_template_does_not_name_are_ignored(deployed: Deployed) -> None:
    """The group's ingress rules are resources of their own: the group itself names none."""
    deployed.open("ingress")
    assert deployed.deploy(revert_drift=True).outcome is StackOutcome.UNCHANGED


def test_a_change_set_shows_the_drift_of_each_resource(deployed: Deployed, stacks: Any) -> None:
    deployed.client("kms").disable_key_rotation(KeyId=deployed.key)
    changed = json.loads(DEPLOYED.body)
    changed["Resources"]["Queue"]["Properties"]["DelaySeconds"] = 2
    described = stacks.change_set(deployed.name, changed, DeploymentMode="REVERT_DRIFT")
    assert described["DeploymentMode"] == "REVERT_DRIFT"
    changes = [change["ResourceChange"] for change in described["Changes"]]
    assert {change["LogicalResourceId"]: change["ResourceDriftStatus"] for change in changes} == {
        "Key": "MODIFIED",
        "Queue": "IN_SYNC",
    }


def test_what_beanstalk_writes_is_drift_of_what_a_template_names(stacks: Any) -> None:
    """Its tag on a load balancer whose template has tags, its statement in a policy that is a resource."""
    zones = [{"Fn::Select": [n, {"Fn::GetAZs": ""}]} for n in (0, 1)]
    subnets: dict[str, Any] = {
        f"Subnet{n}": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": f"10.7.{n}.0/24",
                "AvailabilityZone": zone,
            },
        }
        for n, zone in enumerate(zones)
    }
    where = {"Subnets": [{"Ref": name} for name in subnets]}
    tags = [{"Key": "Name", "Value": "own"}]
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket"}
    own = {"Fn::GetAtt": ["Bucket", "Arn"]}
    document = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": own}]}
    balancer = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    template: dict[str, Any] = {
        "Resources": {
            "Vpc": RESOURCES["Vpc"],
            **subnets,
            "Tagged": {"Type": balancer, "Properties": {**where, "Tags": tags}},
            "Untagged": {"Type": balancer, "Properties": where},
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "Policy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document},
            },
        }
    }
    name = stacks.name()
    stacks.deploy(name, template, Tags=[{"Key": "team", "Value": "own"}])
    resources = stacks.api.describe_stack_resources(StackName=name)["StackResources"]
    ids = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
    elb, s3 = (stacks.aws.client(service, stacks.api.meta.region_name) for service in ("elbv2", "s3"))
    counted = [{"Key": "elasticbeanstalk:shared-elb-environment-count", "Value": "1"}]
    elb.add_tags(ResourceArns=[ids["Tagged"], ids["Untagged"]], Tags=counted)
    policy = json.loads(s3.get_bucket_policy(Bucket=ids["Bucket"])["Policy"])
    policy["Statement"].append({**policy["Statement"][0], "Sid": "eb-1"})
    s3.put_bucket_policy(Bucket=ids["Bucket"], Policy=json.dumps(policy))
    described = stacks.change_set(
        name, template, DeploymentMode="REVERT_DRIFT", Tags=[{"Key": "team", "Value": "own"}]
    )
    changed = {each["ResourceChange"]["LogicalResourceId"] for each in described["Changes"]}
    assert changed == {"Tagged", "Policy"}
