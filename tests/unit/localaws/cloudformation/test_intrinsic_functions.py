"""Each intrinsic function, over resources that are plain values."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from localaws.cloudformation.errors import ValidationError
from localaws.cloudformation.intrinsics import UNKNOWN, Resolver, Unmade, dereferenced


@dataclass(frozen=True)
class Made:
    physical_id: str
    attributes: dict[str, Any] = field(default_factory=dict)

    def attribute(self, name: str) -> Any:
        return self.attributes[name]


DOCUMENT = {
    "Mappings": {"Sizes": {"dev": {"Class": "small"}}},
    "Conditions": {
        "IsDev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]},
        "IsProduction": {"Fn::Not": [{"Condition": "IsDev"}]},
        "Either": {"Fn::Or": [{"Condition": "IsDev"}, {"Condition": "IsProduction"}]},
        "Both": {"Fn::And": [{"Condition": "IsDev"}, {"Condition": "IsProduction"}]},
    },
}


def _resolver(region: str = "eu-central-1") -> Resolver:
    def imported(name: str) -> str:
        if name != "network-Vpc":
            raise ValidationError(f"No export named {name} found.")
        return "vpc-1"

    parameters = {"Stage": "dev", "Zones": ["x", "y"], "AWS::Region": region, "AWS::StackName": "s"}
    vpc = Made("vpc-9", {"CidrBlock": "10.0.0.0/16", "Endpoint.Address": "host"})
    return Resolver(DOCUMENT, parameters, {"Vpc": vpc, "New": Unmade()}, imported)


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
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "Class"]}, "small"),
        ({"Fn::FindInMap": ["Sizes", "none", "Class", {"DefaultValue": "big"}]}, "big"),
        ({"Fn::Cidr": [{"Fn::GetAtt": ["Vpc", "CidrBlock"]}, 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::If": ["IsDev", "yes", "no"]}, "yes"),
        ({"Fn::If": ["Both", "yes", "no"]}, "no"),
        ({"Fn::If": ["Either", "yes", "no"]}, "yes"),
        ({"Fn::ImportValue": {"Fn::Sub": "network-Vpc"}}, "vpc-1"),
        ({"Fn::Base64": "text"}, base64.b64encode(b"text").decode()),
        ({"Fn::Length": {"Ref": "Zones"}}, 2),
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
        ({"Fn::FindInMap": ["Sizes", "none", "Class"]}, "Unable to get mapping for Sizes::none::Class"),
        ({"Fn::Cidr": ["10.0.0.0/28", 3, 3]}, "can't take 3 blocks"),
        ({"Fn::Transform": {}}, "isn't supported"),
        ({"Fn::If": ["Nope", 1, 2]}, "unresolved condition dependency Nope"),
    ],
)
def test_an_expression_without_a_value_is_an_error(expression: Any, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        _resolver().resolve(expression)


def test_what_only_the_execution_can_tell_stays_unknown_through_every_function() -> None:
    resolver = _resolver()
    assert resolver.resolve({"Fn::GetAtt": ["New", "Anything"]}) == UNKNOWN
    assert resolver.resolve({"Fn::Select": [3, {"Fn::GetAtt": ["New", "List"]}]}) == UNKNOWN
    assert resolver.resolve({"Fn::Cidr": [{"Fn::GetAtt": ["New", "CidrBlock"]}, 9, 8]}) == UNKNOWN
    assert UNKNOWN in resolver.resolve({"Fn::Sub": "arn:${New}"})


class _Store:
    """Secrets Manager and Parameter Store with one value each."""

    def get_secret_value(self, **asked: str) -> dict[str, str]:
        assert asked["SecretId"] in ("app", "arn:aws:secretsmanager:eu-central-1:1:secret:app-Ab12Cd")
        return {"SecretString": json.dumps({"password": "canary", "stage": asked.get("VersionStage", "")})}

    def get_parameter(self, **asked: Any) -> dict[str, Any]:
        return {"Parameter": {"Value": f"{asked['Name']}:{asked['WithDecryption']}"}}


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("{{resolve:secretsmanager:app:SecretString:password}}", "canary"),
        ("{{resolve:secretsmanager:app:SecretString:stage:AWSPREVIOUS}}", "AWSPREVIOUS"),
        (
            "{{resolve:secretsmanager:arn:aws:secretsmanager:eu-central-1:1:secret:app-Ab12Cd:SecretString:password}}",
            "canary",
        ),
        ("{{resolve:ssm:/a/b:2}}", "/a/b:2:False"),
        ("{{resolve:ssm-secure:/a}}", "/a:True"),
    ],
)
def test_a_dynamic_reference_is_read_only_when_asked_for(reference: str, value: str) -> None:
    resolved = _resolver().resolve({"Fn::Sub": f"<{reference}>"})
    assert resolved == f"<{reference}>"
    assert dereferenced({"deep": [resolved]}, lambda _: _Store()) == {"deep": [f"<{value}>"]}
