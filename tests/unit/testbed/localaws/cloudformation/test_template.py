"""Templates: reading, parameters, references, order."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.localaws.cloudformation import template
from testbed.localaws.cloudformation.errors import ValidationError
from testbed.localaws.cloudformation.types import REGISTRY

TOPIC = {"Type": "AWS::SNS::Topic"}


def _checked(resources: dict[str, Any], **sections: Any) -> None:
    template.check({"Resources": resources, **sections}, REGISTRY)


def test_yaml_short_forms_become_the_long_ones_and_dates_stay_text() -> None:
    body = """
    AWSTemplateFormatVersion: 2010-09-09
    Resources:
      Topic:
        Type: AWS::SNS::Topic
        Properties:
          DisplayName: !Sub "${AWS::StackName}-x"
          KmsMasterKeyId: !GetAtt Key.Arn
          TopicName: !Join ["-", [!Ref A, b]]
    """
    document = template.parse(body)
    assert document["AWSTemplateFormatVersion"] == "2010-09-09"
    assert document["Resources"]["Topic"]["Properties"] == {
        "DisplayName": {"Fn::Sub": "${AWS::StackName}-x"},
        "KmsMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]},
        "TopicName": {"Fn::Join": ["-", [{"Ref": "A"}, "b"]]},
    }


@pytest.mark.parametrize("body", ["{", "{}", "Resources: [", "Resources: {}"])
def test_a_body_without_resources_is_refused(body: str) -> None:
    with pytest.raises(ValidationError, match="Template format error"):
        template.parse(body)


def test_a_body_of_51200_bytes_is_accepted_and_one_more_is_refused() -> None:
    template.check_size("ä" * 25_600)
    with pytest.raises(ValidationError, match="Member must have length less than or equal to 51200"):
        template.check_size("ä" * 25_600 + "x")


@pytest.mark.parametrize(
    ("resources", "why"),
    [
        ({"A": {"Type": "AWS::No::Such"}}, r"Unrecognized resource types: \[AWS::No::Such\]"),
        ({"A": {"Properties": {}}}, "must contain a Type"),
        ({"A-b": TOPIC}, "non alphanumeric"),
        ({"A": {**TOPIC, "DependOn": "B"}}, "Invalid template resource property 'DependOn'"),
        ({"A": {**TOPIC, "DependsOn": "B"}}, r"Unresolved resource dependencies \[B\]"),
        ({"A": {**TOPIC, "Properties": {"X": {"Ref": "B"}}}}, r"Unresolved resource dependencies \[B\]"),
        ({"A": {**TOPIC, "Properties": {"X": {"Fn::Sub": "${B.Arn}"}}}}, r"dependencies \[B\]"),
        ({"A": TOPIC, "B": {**TOPIC, "Properties": {"X": {"Fn::GetAtt": ["A", "No"]}}}}, "attribute type No"),
        ({"A": {**TOPIC, "Condition": "C"}}, "Unresolved condition dependency C"),
    ],
)
def test_a_template_that_cannot_work_is_refused_before_anything_happens(
    resources: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        _checked(resources)


def test_an_output_cannot_name_what_the_template_lacks() -> None:
    with pytest.raises(ValidationError, match="in the Outputs block"):
        _checked({"A": TOPIC}, Outputs={"O": {"Value": {"Ref": "B"}}})


def test_a_circular_reference_is_refused_with_its_members() -> None:
    circle = {
        "A": {**TOPIC, "Properties": {"X": {"Ref": "B"}}},
        "B": {**TOPIC, "Properties": {"X": {"Fn::Sub": "${C}"}}},
        "C": {**TOPIC, "DependsOn": ["A"]},
        "D": TOPIC,
    }
    with pytest.raises(ValidationError, match=r"Circular dependency between resources: \[A, B, C\]"):
        _checked(circle)


def test_each_resource_comes_after_what_it_refers_to() -> None:
    definitions: dict[str, dict[str, Any]] = {
        "Last": {**TOPIC, "DependsOn": "Middle"},
        "Middle": {**TOPIC, "Properties": {"X": [{"Fn::GetAtt": "First.TopicArn"}]}},
        "First": TOPIC,
    }
    assert template.ordered(definitions) == ["First", "Middle", "Last"]


def test_names_defined_by_a_sub_are_no_references() -> None:
    text = {"Fn::Sub": ["${Own}-${Other.Arn}-${!Literal}-${AWS::Region}", {"Own": {"Ref": "Inner"}}]}
    assert template.names_used(text) == {"Other", "Inner", "AWS::Region"}


PARAMETERS = {
    "Parameters": {
        "Name": {"Type": "String"},
        "Size": {"Type": "String", "Default": 3},
        "Kind": {"Type": "String", "Default": "a", "AllowedValues": ["a", "b"]},
    }
}


def test_parameters_have_the_given_value_else_the_previous_one_else_the_default() -> None:
    given = {"Name": None, "Size": "4"}
    assert template.parameter_values(PARAMETERS, given, {"Name": "old", "Size": "8"}) == {
        "Name": "old",
        "Size": "4",
        "Kind": "a",
    }


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, r"Parameters: \[Name\] must have values"),
        ({"Name": "a", "Else": "b"}, r"Parameters: \[Else\] do not exist in the template"),
        ({"Name": "a", "Kind": "c"}, "must be one of AllowedValues"),
    ],
)
def test_a_parameter_that_breaks_its_constraint_is_refused(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        template.parameter_values(PARAMETERS, given)


def test_identities_need_a_capability_and_named_ones_the_stronger() -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {}}
    named = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r"}}
    assert template.needed_capability({"Resources": {"A": TOPIC}}) == ""
    assert template.needed_capability({"Resources": {"A": role}}) == "CAPABILITY_IAM"
    assert template.needed_capability({"Resources": {"A": role, "B": named}}) == "CAPABILITY_NAMED_IAM"
