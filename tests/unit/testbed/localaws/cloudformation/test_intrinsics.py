"""Each intrinsic function, over resources that are plain values."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest

from testbed.localaws.cloudformation.errors import ValidationError
from testbed.localaws.cloudformation.intrinsics import UNKNOWN, NotYetCreated, Resolver, dereferenced


@dataclass(frozen=True)
class Made:
    physical_id: str
    attributes: dict[str, Any] = field(default_factory=dict)

    def attribute(self, name: str) -> Any:
        return self.attributes[name]


DOCUMENT = {
    "Conditions": {
        "IsDev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]},
        "IsProduction": {"Fn::Equals": [{"Ref": "Stage"}, "production"]},
    },
}


def _resolver(region: str = "eu-central-1") -> Resolver:
    def imported(name: str) -> str:
        if name != "network-Vpc":
            raise ValidationError(f"No export named {name} found.")
        return "vpc-1"

    parameters = {"Stage": "dev", "Zones": ["x", "y"], "AWS::Region": region, "AWS::StackName": "s"}
    vpc = Made("vpc-9", {"CidrBlock": "10.0.0.0/16", "Endpoint.Address": "host"})
    return Resolver(DOCUMENT, parameters, {"Vpc": vpc, "New": NotYetCreated()}, imported)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Ref": "Stage"}, "dev"),
        ({"Ref": "Vpc"}, "vpc-9"),
        ({"Fn::GetAtt": ["Vpc", "CidrBlock"]}, "10.0.0.0/16"),
        ({"Fn::GetAtt": "Vpc.Endpoint.Address"}, "host"),
        ({"Fn::Sub": "${AWS::StackName}-${Vpc.Endpoint.Address}-${!Kept}"}, "s-host-${Kept}"),
        ({"Fn::Sub": ["${Own}/${Vpc}", {"Own": {"Ref": "Stage"}}]}, "dev/vpc-9"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Stage"}, 3]]}, "a-dev-3"),
        ({"Fn::Select": ["1", {"Ref": "Zones"}]}, "y"),
        ({"Fn::Select": [0, {"Fn::Split": ["/", "a/b"]}]}, "a"),
        ({"Fn::If": ["IsDev", "yes", "no"]}, "yes"),
        ({"Fn::If": ["IsProduction", "yes", "no"]}, "no"),
        ({"Fn::ImportValue": {"Fn::Sub": "network-Vpc"}}, "vpc-1"),
        ({"Fn::Base64": "text"}, base64.b64encode(b"text").decode()),
        ([{"Ref": "AWS::NoValue"}, "a"], ["a"]),
        ({"A": {"Fn::If": ["IsProduction", 1, {"Ref": "AWS::NoValue"}]}, "B": 2}, {"B": 2}),
    ],
)
def test_an_expression_has_its_value(expression: Any, value: Any) -> None:
    assert _resolver().resolve(expression) == value


@pytest.mark.parametrize(
    ("region", "zones"),
    [("eu-central-1", "abc"), ("us-east-1", "abcdef"), ("us-west-1", "ac")],
)
def test_zones_are_those_of_the_region(region: str, zones: str) -> None:
    assert _resolver(region).resolve({"Fn::GetAZs": ""}) == [region + zone for zone in zones]
    assert _resolver().resolve({"Fn::GetAZs": region}) == [region + zone for zone in zones]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ({"Fn::Select": [2, {"Ref": "Zones"}]}, "nonexistent value at index 2"),
        ({"Fn::ImportValue": "none"}, "No export named none found"),
        ({"Fn::Transform": {}}, "isn't supported"),
        ({"Fn::If": ["Nope", 1, 2]}, "unresolved condition dependency Nope"),
    ],
)
def test_an_expression_without_a_value_is_an_error(expression: Any, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        _resolver().resolve(expression)


def test_a_value_known_only_after_execution_stays_unknown_through_every_function() -> None:
    resolver = _resolver()
    assert resolver.resolve({"Fn::GetAtt": ["New", "Anything"]}) == UNKNOWN
    assert resolver.resolve({"Fn::Select": [3, {"Fn::GetAtt": ["New", "List"]}]}) == UNKNOWN
    assert UNKNOWN in resolver.resolve({"Fn::Sub": "arn:${New}"})


class _Store:
    """A Parameter Store in which each parameter has its name as value."""

    def get_parameter(self, **parameters: str) -> dict[str, Any]:
        return {"Parameter": {"Value": parameters["Name"]}}


def test_a_dynamic_reference_is_read_only_on_request() -> None:
    resolved = _resolver().resolve({"Fn::Sub": "<{{resolve:ssm:/a/b:2}}>"})
    assert resolved == "<{{resolve:ssm:/a/b:2}}>"
    assert dereferenced({"deep": [resolved]}, lambda _: _Store()) == {"deep": ["</a/b:2>"]}
