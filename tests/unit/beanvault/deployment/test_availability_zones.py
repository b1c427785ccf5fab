"""The network's zones: the first that are available, then always the same."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from beanvault.aws import Aws
from beanvault.deployment.availability_zones import TooFewZones, available_zones, choose, network_zones
from templates.deployment import Deployment
from templates.deployment_file import parse

from ..cloudformation_answers import NOW, STACK, Answers, played_answers

__all__ = ["played_answers"]

ABC = ("eu-central-1a", "eu-central-1b", "eu-central-1c")


def _file(zones: int) -> Deployment:
    return parse(
        {
            "name": "shop",
            "region": "eu-central-1",
            "vault": {"where": "host"},
            "network": {"availability_zones": zones},
        }
    )


def _account(*zones: str) -> Aws:
    session = boto3.session.Session("x", "x", region_name="eu-central-1")
    aws = Aws(session)
    ec2 = aws.client("ec2")
    stubber = Stubber(ec2)
    stubber.add_response(
        "describe_availability_zones", {"AvailabilityZones": [{"ZoneName": zone} for zone in zones]}
    )
    stubber.activate()
    return Aws(session, None, {"ec2": ec2})


def _parameters(answers: Answers, status: str, **values: str) -> None:
    """The network's stack exists, with these parameters; it is described twice."""
    described = {
        "StackId": STACK,
        "StackName": "shop-network",
        "CreationTime": NOW,
        "StackStatus": status,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
    }
    for _ in range(2):
        answers.add("describe_stacks", Stacks=[described])


def test_the_order_of_the_answer_does_not_count() -> None:
    assert available_zones(_account(*reversed(ABC))) == ABC


def test_a_new_network_takes_the_first_zones(answers: Answers) -> None:
    answers.nothing()
    assert network_zones(_account("eu-central-1c", "eu-central-1a"), answers.stacks, _file(2)) == (
        "eu-central-1a",
        "eu-central-1c",
    )


@pytest.mark.parametrize(
    ("required", "zones"),
    [(2, ("eu-central-1c", "eu-central-1b")), (3, ("eu-central-1c", "eu-central-1b", "eu-central-1a"))],
)
def test_an_existing_network_keeps_its_zones_and_adds_to_them(
    answers: Answers, required: int, zones: tuple[str, ...]
) -> None:
    """Also those that AWS no longer shows, because subnets are in them."""
    _parameters(
        answers,
        "UPDATE_COMPLETE",
        AvailabilityZone1="eu-central-1b",
        Other="x",
        AvailabilityZone0="eu-central-1c",
    )
    assert network_zones(_account("eu-central-1a", "eu-central-1b"), answers.stacks, _file(required)) == zones


def test_a_creation_that_was_rolled_back_chooses_again(answers: Answers) -> None:
    _parameters(answers, "ROLLBACK_COMPLETE", AvailabilityZone0="eu-central-1c")
    assert network_zones(_account(*ABC), answers.stacks, _file(2)) == ABC[:2]


@pytest.mark.parametrize(
    ("available", "remedy"),
    [
        (ABC[:2], "set it to 2, or choose another region"),
        (ABC[:1], "ask AWS Support"),
        ((), "ask AWS Support"),
    ],
)
def test_too_few_zones_are_refused_in_words(available: tuple[str, ...], remedy: str) -> None:
    with pytest.raises(TooFewZones, match=f"nothing was changed: .* is 3, .* {len(available)}") as error:
        choose((), available, _file(3))
    assert remedy in error.value.remedy


def test_only_open_availability_zones_are_asked_for() -> None:
    """Not Local Zones or Wavelength Zones, which an account can have opted in to."""
    asked: dict[str, Any] = {}
    aws = _account(*ABC)
    aws.client("ec2").meta.events.register(
        "provide-client-params.ec2.DescribeAvailabilityZones", lambda params, **_: asked.update(params)
    )
    available_zones(aws)
    assert {each["Name"]: each["Values"] for each in asked["Filters"]} == {
        "state": ["available"],
        "zone-type": ["availability-zone"],
        "opt-in-status": ["opt-in-not-required", "opted-in"],
    }
