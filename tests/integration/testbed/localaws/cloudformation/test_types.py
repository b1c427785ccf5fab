"""Every resource type once, connected as in a deployment: created, changed, rolled back, deleted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

from testbed.localaws.cloudformation import template
from testbed.localaws.cloudformation.types import REGISTRY
from tests.polling import until
from tests.project import ROOT
from tests.unit.templates.renders import CONFIGURATIONS, layers

EVERYTHING = (ROOT / "tests/integration/testbed/localaws/stacks/everything.yaml").read_text()
ELSEWHERE = {
    "AWS::CloudFormation::CustomResource",  # test_custom_resources.py
    "AWS::CloudFormation::WaitCondition",  # test_waiting.py
    "AWS::CloudFormation::WaitConditionHandle",
    "AWS::ElasticBeanstalk::ApplicationVersion",  # test_beanstalk.py
    "AWS::ElasticBeanstalk::Environment",
}


def test_the_template_of_everything_has_every_type() -> None:
    used = {definition["Type"] for definition in template.parse(EVERYTHING)["Resources"].values()}
    assert used == REGISTRY.keys() - ELSEWHERE


def test_every_type_is_one_that_a_template_renders() -> None:
    """A type that no template uses is not needed here."""
    rendered = {
        definition["Type"]
        for configuration in CONFIGURATIONS
        for layer in layers(configuration).values()
        for definition in layer["Resources"].values()
    }
    assert REGISTRY.keys() - rendered == {"AWS::CloudFormation::CustomResource"}  # theirs are Custom::…
    vpn = {f"AWS::EC2::{name}" for name in ("CustomerGateway", "VPNConnection", "VPNConnectionRoute")}
    assert {kind for kind in rendered - REGISTRY.keys() if not kind.startswith("Custom::")} == vpn


def test_every_type_is_created_updated_rolled_back_and_deleted(stacks: Any) -> None:
    name = stacks.name()
    gateway = stacks.aws.client("ec2").create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    everything = EVERYTHING.replace("tgw-0123456789abcdef0", gateway)
    created = stacks.deploy(name, everything)
    assert created["StackStatus"] == "CREATE_COMPLETE", stacks.failures(name)
    document = template.parse(everything)
    resources = stacks.api.describe_stack_resources(StackName=name)["StackResources"]
    assert {resource["LogicalResourceId"] for resource in resources} == set(document["Resources"])
    outputs = {output["OutputKey"]: output["OutputValue"] for output in created["Outputs"]}
    assert outputs["Full"].startswith("app/")
    assert stacks.change_set(name, everything)["Status"] == "FAILED"  # the same again changes nothing
    _check_services(stacks, name)

    changed = _changed(document)
    assert stacks.deploy(name, changed)["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(name)
    _check_changes(stacks, name)

    broken = copy.deepcopy(document)
    broken["Resources"]["Broken"] = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {"TopicArn": "arn:aws:sns:eu-central-1:1:none", "Protocol": "email", "Endpoint": "x"},
        "DependsOn": [key for key in document["Resources"] if key != "PeerRoute"],
    }
    assert stacks.deploy(name, broken)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert set(stacks.failures(name)) == {"Broken"}
    _check_changes(stacks, name)

    _empty(stacks, name)
    assert stacks.delete(name)["StackStatus"] == "DELETE_FAILED"  # the function's interfaces outlive it
    _delete_interfaces(stacks, name)
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"
    made = {r["PhysicalResourceId"] for r in resources if r["ResourceType"] == "AWS::EC2::VPC"}
    assert len(made) == 2
    assert made.isdisjoint(vpc["VpcId"] for vpc in stacks.aws.client("ec2").describe_vpcs()["Vpcs"])


def _delete_interfaces(stacks: Any, name: str) -> None:
    """Delete the interfaces that block the subnets, once they are released."""
    ec2 = stacks.aws.client("ec2")
    resources = stacks.api.list_stack_resources(StackName=name)["StackResourceSummaries"]
    blocked = [each for each in resources if each["ResourceStatus"] == "DELETE_FAILED"]
    assert {each["ResourceType"] for each in blocked} <= {"AWS::EC2::Subnet", "AWS::EC2::SecurityGroup"}
    for each in blocked:
        kind = "subnet-id" if each["ResourceType"] == "AWS::EC2::Subnet" else "group-id"
        filters = [{"Name": kind, "Values": [each["PhysicalResourceId"]]}]

        def in_use(filters: Any = filters) -> list[Any]:
            found = ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
            return [one for one in found if (one["InterfaceType"], one["Status"]) == ("lambda", "in-use")]

        until(partial(_none, in_use))
        for one in ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]:
            if one["InterfaceType"] == "lambda":
                ec2.delete_network_interface(NetworkInterfaceId=one["NetworkInterfaceId"])


def _none(found: Callable[[], list[Any]]) -> bool:
    return not found()


def _changed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the template with a change in place for most services, two replacements and a removal."""
    changed = copy.deepcopy(document)
    resources = changed["Resources"]

    def put(name: str, **properties: Any) -> None:
        resources[name]["Properties"] |= properties

    put("Priv1", CidrBlock="10.0.9.0/24")
    put("Vpc", Tags=[{"Key": "Name", "Value": "new"}])
    put("Fn", Timeout=90)
    put("Db", AllocatedStorage=30, EnableCloudwatchLogsExports=["error", "audit"])
    put("Key", Description="other", EnableKeyRotation=False)
    put("Https", SslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-2021-06")
    put("Alarm", Threshold=80)
    put("Topic", DisplayName="x")
    put("Logs", RetentionInDays=90)
    put("Dlq", MessageRetentionPeriod=60)
    put("FnRole", Description="new")
    put("Application", Description="two")
    resources["Rule"]["Properties"]["Targets"][0]["Id"] = "other"
    resources["Waf"]["Properties"]["Rules"].pop()
    resources["LogBucket"]["Properties"]["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] = 30
    resources["AppSg"]["Properties"]["SecurityGroupIngress"].append(
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "10.0.0.0/8"}
    )
    del resources["PeerRoute"]
    return changed


def _check_services(stacks: Any, name: str) -> None:
    """Check the stack's resources by the services' own APIs."""
    aws, found = stacks.aws, partial(stacks.physical_id, name)
    encryption = aws.client("s3").get_bucket_encryption(Bucket=found("Bucket"))
    rule = encryption["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    ec2 = aws.client("ec2")
    group = ec2.describe_security_groups(GroupIds=[found("AppSg")])["SecurityGroups"][0]
    assert {(p["IpProtocol"], p["FromPort"]) for p in group["IpPermissionsEgress"]} == {
        ("tcp", 443),
        ("tcp", 3306),
    }
    zones = [
        ec2.describe_subnets(SubnetIds=[found(key)])["Subnets"][0]["AvailabilityZone"]
        for key in ("Pub0", "Pub1")
    ]
    assert zones == ["eu-central-1a", "eu-central-1b"]
    instance = aws.client("rds").describe_db_instances(DBInstanceIdentifier=found("Db"))["DBInstances"][0]
    assert instance["StorageEncrypted"]
    assert instance["MultiAZ"]
    assert instance["VpcSecurityGroups"][0]["VpcSecurityGroupId"] == found("DbSg")
    function = aws.client("lambda").get_function(FunctionName=found("Fn"))
    assert function["Concurrency"]["ReservedConcurrentExecutions"] == 1
    assert function["Configuration"]["KMSKeyArn"].endswith(found("Key"))
    attached = aws.client("iam").list_attached_role_policies(RoleName=found("FlowRole"))["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AWSElasticBeanstalkWebTier"]


def _check_changes(stacks: Any, name: str) -> None:
    """Check the update's changes; a rolled back update must leave them as they are."""
    aws, found = stacks.aws, partial(stacks.physical_id, name)
    ec2 = aws.client("ec2")
    assert ec2.describe_subnets(SubnetIds=[found("Priv1")])["Subnets"][0]["CidrBlock"] == "10.0.9.0/24"
    group = ec2.describe_security_groups(GroupIds=[found("AppSg")])["SecurityGroups"][0]
    assert {permission["FromPort"] for permission in group["IpPermissions"]} == {443, 80}
    assert aws.client("lambda").get_function_configuration(FunctionName=found("Fn"))["Timeout"] == 90
    assert not aws.client("kms").get_key_rotation_status(KeyId=found("Key"))["KeyRotationEnabled"]
    bucket = aws.client("s3").get_bucket_lifecycle_configuration(Bucket=found("LogBucket"))
    assert bucket["Rules"][0]["Expiration"]["Days"] == 30
    acl = found("Waf").split("|")
    rules = aws.client("wafv2").get_web_acl(Name=acl[0], Id=acl[1], Scope=acl[2])["WebACL"]["Rules"]
    assert [rule["Name"] for rule in rules] == ["common"]


def _empty(stacks: Any, name: str) -> None:
    """Remove the access logs that S3 wrote, and stop them: a bucket with objects cannot be deleted."""
    s3 = stacks.aws.client("s3")
    s3.put_bucket_logging(Bucket=stacks.physical_id(name, "Bucket"), BucketLoggingStatus={})
    bucket = stacks.physical_id(name, "LogBucket")
    for version in s3.list_object_versions(Bucket=bucket).get("Versions", []):
        s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
