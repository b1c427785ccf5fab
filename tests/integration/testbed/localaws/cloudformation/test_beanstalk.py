"""Story of testbed/localaws/cloudformation/types/beanstalk.py.

Beanstalk environments of stacks.
"""

from __future__ import annotations

import io
import time
import zipfile
from typing import Any

VARIABLES = "aws:elasticbeanstalk:application:environment"


def _option(namespace: str, name: str, value: Any) -> dict[str, Any]:
    return {"Namespace": namespace, "OptionName": name, "Value": value}


def _template(name: str, platform: str, value: str) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}}
    options = [
        _option("aws:autoscaling:launchconfiguration", "IamInstanceProfile", {"Ref": "Profile"}),
        _option("aws:elasticbeanstalk:environment", "EnvironmentType", "LoadBalanced"),
        _option(VARIABLES, "COLOUR", value),
    ]
    environment = {
        "ApplicationName": {"Ref": "Application"},
        "EnvironmentName": name,
        "SolutionStackName": platform,
        "OptionSettings": options,
    }
    return {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}},
            "Application": {"Type": "AWS::ElasticBeanstalk::Application", "Properties": {}},
            "Environment": {"Type": "AWS::ElasticBeanstalk::Environment", "Properties": environment},
        },
        "Outputs": {"Url": {"Value": {"Fn::GetAtt": "Environment.EndpointURL"}}},
    }


def _bundle() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Procfile", "web: sh -c 'exec python -m http.server $PORT --bind 127.0.0.1'\n")
    return packed.getvalue()


def _deploy(stacks: Any, application: str, environment: str) -> None:
    """Deploy a version outside the stack, as the EB CLI does."""
    s3, beanstalk = stacks.aws.client("s3"), stacks.aws.client("elasticbeanstalk")
    s3.create_bucket(Bucket=environment, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket=environment, Key="v2.zip", Body=_bundle())
    source = {"S3Bucket": environment, "S3Key": "v2.zip"}
    beanstalk.create_application_version(
        ApplicationName=application, VersionLabel="v2", SourceBundle=source, Process=True
    )
    beanstalk.update_environment(EnvironmentName=environment, VersionLabel="v2")
    deadline = time.monotonic() + 120
    while _environment(stacks, environment)["Status"] != "Ready":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    events = beanstalk.describe_events(EnvironmentName=environment, Severity="ERROR")["Events"]
    assert not events, [event["Message"] for event in events]


def _environment(stacks: Any, name: str) -> dict[str, Any]:
    found = stacks.aws.client("elasticbeanstalk").describe_environments(EnvironmentNames=[name])[
        "Environments"
    ]
    described: dict[str, Any] = found[0]
    return described


def test_a_stack_update_changes_options_and_keeps_the_version_deployed_meanwhile(stacks: Any) -> None:
    name, beanstalk = stacks.name(), stacks.aws.client("elasticbeanstalk")
    # The policy names the deleted roles of earlier tests' environments, and Beanstalk would have to put it.
    stacks.aws.client("s3").delete_bucket_policy(Bucket=beanstalk.create_storage_location()["S3Bucket"])
    available = beanstalk.list_available_solution_stacks()["SolutionStacks"]
    platform = next(p for p in available if "2023" in p and "running Python" in p)
    stack = stacks.deploy(name, _template(name, platform, "green"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(name)
    assert stack["Outputs"][0]["OutputValue"]
    assert _environment(stacks, name)["Status"] == "Ready"
    application = stacks.physical_id(name, "Application")
    _deploy(stacks, application, name)
    assert _environment(stacks, name)["VersionLabel"] == "v2"

    assert stacks.deploy(name, _template(name, platform, "blue"))["StackStatus"] == "UPDATE_COMPLETE", (
        stacks.failures(name)
    )
    assert _environment(stacks, name)["VersionLabel"] == "v2"
    settings = beanstalk.describe_configuration_settings(ApplicationName=application, EnvironmentName=name)[
        "ConfigurationSettings"
    ][0]["OptionSettings"]
    values = {(o["Namespace"], o["OptionName"]): o.get("Value") for o in settings}
    assert values[(VARIABLES, "COLOUR")] == "blue"
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


def test_a_version_of_a_stack_is_created_from_its_bundle_and_deleted_with_the_stack(stacks: Any) -> None:
    name, s3 = stacks.name(), stacks.aws.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket=name, Key="v.zip", Body=_bundle())
    version = {
        "ApplicationName": {"Ref": "Application"},
        "SourceBundle": {"S3Bucket": name, "S3Key": "v.zip"},
    }
    template = {
        "Resources": {
            "Application": {
                "Type": "AWS::ElasticBeanstalk::Application",
                "Properties": {"ApplicationName": name},
            },
            "Version": {"Type": "AWS::ElasticBeanstalk::ApplicationVersion", "Properties": version},
        }
    }
    assert stacks.deploy(name, template)["StackStatus"] == "CREATE_COMPLETE", stacks.failures(name)
    beanstalk = stacks.aws.client("elasticbeanstalk")
    found = beanstalk.describe_application_versions(ApplicationName=name)["ApplicationVersions"]
    assert [v["VersionLabel"] for v in found] == [stacks.physical_id(name, "Version")]
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"
