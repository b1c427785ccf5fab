"""A change set in types and words."""

from __future__ import annotations

from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from beanvault.cloudformation.changes import (
    NEVER_REPLACED_BY,
    ChangeAction,
    Replacement,
    ResourceChange,
    parse,
)


def raw(action: str, type_: str, replacement: str | None = None, **more: Any) -> Any:
    change = {"Action": action, "LogicalResourceId": "Thing", "ResourceType": type_} | more
    return {
        "Type": "Resource",
        "ResourceChange": change | ({"Replacement": replacement} if replacement else {}),
    }


def test_properties_are_named_once_and_in_order() -> None:
    details = [
        {"Target": {"Attribute": "Properties", "Name": "MultiAZ"}},
        {"Target": {"Attribute": "Tags"}},
        {"Target": {"Attribute": "Properties", "Name": "MultiAZ"}},
    ]
    (change,) = parse([raw("Modify", "AWS::RDS::DBInstance", "False", Details=details)])
    assert change.properties == ("MultiAZ", "Tags")
    assert str(change) == "update Thing (AWS::RDS::DBInstance): MultiAZ, Tags"


def test_hooks_and_other_kinds_of_changes_are_left_out() -> None:
    hook: Any = {"Type": "Hook"}
    assert parse([hook]) == ()


@pytest.mark.parametrize(
    ("action", "type_", "replacement", "endangers"),
    [
        ("Modify", "AWS::RDS::DBInstance", "True", True),
        ("Modify", "AWS::RDS::DBInstance", "Conditional", True),
        ("Modify", "AWS::RDS::DBInstance", "False", False),
        ("Remove", "AWS::KMS::Key", None, True),
        ("Add", "AWS::S3::Bucket", None, False),
        ("Modify", "AWS::EC2::SecurityGroup", "True", False),
        ("Remove", "AWS::EC2::SecurityGroup", None, False),
    ],
)
def test_data_is_in_danger_when_what_holds_it_goes(
    action: str, type_: str, replacement: str | None, endangers: bool
) -> None:
    (change,) = parse([raw(action, type_, replacement)])
    assert change.endangers_data is endangers


@pytest.mark.parametrize(
    ("type_", "property_", "endangers"),
    [
        ("AWS::Logs::LogGroup", "RetentionInDays", False),
        ("AWS::Logs::LogGroup", "KmsKeyId", False),
        ("AWS::Logs::LogGroup", "LogGroupName", True),
        ("AWS::KMS::Key", "KeyPolicy", False),
        ("AWS::KMS::Key", "KeySpec", True),
        ("AWS::S3::Bucket", "LifecycleConfiguration", False),
        ("AWS::SQS::Queue", "KmsMasterKeyId", False),
        ("AWS::SecretsManager::Secret", "KmsKeyId", False),
        ("AWS::RDS::DBInstance", "MultiAZ", True),  # CloudFormation's schema: conditionally replaced
        ("AWS::RDS::DBInstance", "Tags", False),
        ("AWS::DynamoDB::Table", "BillingMode", True),  # a type of which nothing is known here
    ],
)
def test_a_possible_replacement_endangers_data_only_by_what_can_replace(
    type_: str, property_: str, endangers: bool
) -> None:
    """An engine that calls every change a possible replacement doesn't make people confirm all of them."""
    details = [{"Target": {"Attribute": "Properties", "Name": property_}}]
    if property_ == "Tags":
        details = [{"Target": {"Attribute": "Tags"}}]
    (change,) = parse([raw("Modify", type_, "Conditional", Details=details)])
    assert change.endangers_data is endangers


def test_without_details_a_possible_replacement_endangers_data() -> None:
    (change,) = parse([raw("Modify", "AWS::Logs::LogGroup", "Conditional")])
    assert change.endangers_data


@pytest.mark.parametrize("type_", sorted(NEVER_REPLACED_BY))
def test_what_never_replaces_is_known_from_cloudformations_schemas(type_: str) -> None:
    """None of these is create-only, in no region's schema, and each is a property."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("eu-central-1", type_).schema
    names = {
        path.removeprefix("/properties/").split("/")[0]
        for key in ("createOnlyProperties", "conditionalCreateOnlyProperties")
        for path in schema.get(key) or ()
    }
    assert names.isdisjoint(NEVER_REPLACED_BY[type_])
    assert schema["properties"].keys() >= NEVER_REPLACED_BY[type_]


def test_a_replacement_is_printed_in_capitals() -> None:
    change = ResourceChange(
        ChangeAction.MODIFY, "Database", "AWS::RDS::DBInstance", replacement=Replacement.YES
    )
    assert str(change).startswith("REPLACE Database")
