"""A change set in types and words."""

from __future__ import annotations

from typing import Any

import pytest

from beanvault.cloudformation.changes import ChangeAction, Replacement, ResourceChange, parse


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


def test_a_replacement_is_printed_in_capitals() -> None:
    change = ResourceChange(
        ChangeAction.MODIFY, "Database", "AWS::RDS::DBInstance", replacement=Replacement.YES
    )
    assert str(change).startswith("REPLACE Database")
