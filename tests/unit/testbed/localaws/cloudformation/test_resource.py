"""The rules that turn a type's data into calls, and a difference into a change."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.localaws.cloudformation.api_parameters import fit, input_shape
from testbed.localaws.cloudformation.changes import difference
from testbed.localaws.cloudformation.errors import ResourceFailed
from testbed.localaws.cloudformation.intrinsics import UNKNOWN
from testbed.localaws.cloudformation.resource import Resource, ResourceScope
from testbed.localaws.cloudformation.types import REGISTRY, type_of

PLACE = ResourceScope("eu-central-1", "123456789012", "stack", "arn:stack")


def _resource(type_name: str, **properties: Any) -> Resource:
    return Resource(type_of(type_name), type_name, "It", PLACE, properties, physical_id="id-1")


def _change(resource: Resource, new: dict[str, Any], **aspects: Any) -> dict[str, Any] | None:
    definition = {"Type": resource.type_name, **aspects}
    found = difference(resource, {"Type": resource.type_name}, resource.type, definition, new)
    return found.described()["ResourceChange"] if found else None


def test_every_type_declares_existing_operations_and_parameters() -> None:
    """A misspelt operation or parameter would otherwise show only when a template uses it."""
    for kind in REGISTRY.values():
        for operation in (kind.create, kind.update, kind.delete):
            if isinstance(operation, str) and operation:
                input_shape(kind.service, operation)
        if isinstance(kind.delete, str) and kind.delete_with:
            assert kind.delete_with.keys() <= set(input_shape(kind.service, kind.delete).members), kind.name
        if isinstance(kind.create, str):
            members = set(input_shape(kind.service, kind.create).members)
            assert {*kind.constants} <= members, kind.name
            assert set(kind.rename.values()) <= members, kind.name


def test_template_values_become_the_apis_types() -> None:
    shape = input_shape("rds", "create_db_instance")
    given = {"DBInstanceIdentifier": "a", "AllocatedStorage": "20", "MultiAZ": "true", "Tags": {"k": "v"}}
    assert fit(shape, given) == {
        "DBInstanceIdentifier": "a",
        "AllocatedStorage": 20,
        "MultiAZ": True,
        "Tags": [{"Key": "k", "Value": "v"}],
    }


def test_documents_become_text_and_letter_case_does_not_matter() -> None:
    shape = input_shape("logs", "put_resource_policy")
    assert fit(shape, {"PolicyDocument": {"Version": "1"}}) == {"policyDocument": '{"Version": "1"}'}


def test_a_property_that_the_api_does_not_know_is_refused_with_its_path() -> None:
    shape = input_shape("ec2", "create_launch_template")
    with pytest.raises(ResourceFailed, match=r"extraneous key \[LaunchTemplateData\.Nonsense\]"):
        fit(shape, {"LaunchTemplateData": {"Nonsense": 1}})


def test_a_type_that_reads_some_properties_refuses_the_others() -> None:
    for kind, properties in (
        ("AWS::SNS::Topic", {"DisplayNam": "x"}),
        ("AWS::S3::Bucket", {"Encryption": {}}),
        ("AWS::IAM::Role", {"Policy": []}),
        ("AWS::SNS::TopicPolicy", {"Tags": []}),
    ):
        with pytest.raises(ResourceFailed, match="extraneous key"):
            type_of(kind).check(properties)


def test_a_generated_name_keeps_its_types_limit() -> None:
    balancer = Resource(
        type_of("AWS::ElasticLoadBalancingV2::LoadBalancer"), "", "LoadBalancer" * 5, PLACE, {}
    )
    bucket = Resource(type_of("AWS::S3::Bucket"), "", "Logs", PLACE, {})
    assert len(balancer.name) <= 32
    assert bucket.name.startswith("stack-logs-")
    assert bucket.name == bucket.name.lower()


def test_equal_properties_are_no_change() -> None:
    assert _change(_resource("AWS::EC2::VPC", CidrBlock="10.0.0.0/16"), {"CidrBlock": "10.0.0.0/16"}) is None


def test_a_property_that_an_update_has_changes_in_place() -> None:
    change = _change(_resource("AWS::SQS::Queue", DelaySeconds=1), {"DelaySeconds": 2})
    assert change is not None
    assert (change["Action"], change["Replacement"], change["Scope"]) == ("Modify", "False", ["Properties"])
    assert change["PhysicalResourceId"] == "id-1"


def test_a_property_that_no_update_has_replaces_the_resource() -> None:
    change = _change(_resource("AWS::EC2::Subnet", CidrBlock="10.0.0.0/24"), {"CidrBlock": "10.0.1.0/24"})
    assert change is not None
    assert change["Replacement"] == "True"
    assert change["Details"][0]["Target"] == {
        "Attribute": "Properties",
        "Name": "CidrBlock",
        "RequiresRecreation": "Always",
    }


def test_a_replacement_that_depends_on_an_unknown_value_is_conditional() -> None:
    change = _change(_resource("AWS::EC2::Subnet", VpcId="vpc-1"), {"VpcId": UNKNOWN})
    assert change is not None
    assert change["Replacement"] == "Conditional"
    assert change["Details"][0]["Evaluation"] == "Dynamic"


def test_tags_and_policies_are_scopes_of_their_own() -> None:
    resource = _resource("AWS::EC2::VPC", Tags=[{"Key": "a", "Value": "1"}])
    change = _change(resource, {"Tags": [{"Key": "a", "Value": "2"}]}, DeletionPolicy="Retain")
    assert change is not None
    assert change["Scope"] == ["Tags", "DeletionPolicy"]
    assert change["Replacement"] == "False"


def test_a_name_or_another_type_replaces() -> None:
    queue = _resource("AWS::SQS::Queue", QueueName="a")
    renamed = _change(queue, {"QueueName": "b"})
    assert renamed is not None
    assert renamed["Replacement"] == "True"
    retyped = difference(queue, {}, type_of("AWS::SNS::Topic"), {"Type": "AWS::SNS::Topic"}, {})
    assert retyped is not None
    assert retyped.replacement == "True"


def test_a_resource_does_not_show_its_properties() -> None:
    assert "canary" not in repr(_resource("AWS::SecretsManager::Secret", SecretString="canary"))
