"""The availability zones of the network: asked for once, then kept.

The order of `Fn::GetAZs` and of DescribeAvailabilityZones is not a promise, and a zone can be closed to new
accounts. So a new network takes the first zones by name that are available now, and an existing one keeps
those that its stack was created with: another zone would replace its subnets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from templates.deployment import Deployment
from templates.network_layer import zone_parameter

from ..aws import Aws
from ..cloudformation.stacks import Stacks
from ..errors import Refused

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

LAYER = "network"


class TooFewZones(Refused):
    """The region shows fewer availability zones than the deployment file asks for; nothing was changed."""


def network_zones(aws: Aws, stacks: Stacks, deployment: Deployment) -> tuple[str, ...]:
    """Return the names of the network's zones, in the order of its subnets.

    Raises:
        TooFewZones: there are fewer than the deployment file asks for
    """
    return choose(_kept(stacks, deployment), available_zones(aws), deployment)


def available_zones(aws: Aws) -> tuple[str, ...]:
    """Return the names of the zones that the account can use now, sorted; no Local or Wavelength Zones.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html
    """
    filters: list[FilterTypeDef] = [
        {"Name": "state", "Values": ["available"]},
        {"Name": "zone-type", "Values": ["availability-zone"]},
        {"Name": "opt-in-status", "Values": ["opt-in-not-required", "opted-in"]},
    ]
    found = aws.client("ec2").describe_availability_zones(Filters=filters)["AvailabilityZones"]
    return tuple(sorted(zone["ZoneName"] for zone in found))


def choose(kept: Sequence[str], available: Sequence[str], deployment: Deployment) -> tuple[str, ...]:
    """Return *kept*, and as many of the *available* as are missing.

    Raises:
        TooFewZones: there are fewer than the deployment file asks for
    """
    required = deployment.network.availability_zones
    zones = (*kept, *(zone for zone in available if zone not in kept))[:required]
    if len(zones) < required:
        raise TooFewZones(
            f"nothing was changed: [network] availability_zones is {required}, and {deployment.region} shows "
            f"this account {len(zones)}: {', '.join(zones) or 'none'}",
            f"set it to {len(zones)}, or choose another region"
            if len(zones) > 1
            else "choose another region, or ask AWS Support why its zones are closed to this account",
        )
    return zones


def _kept(stacks: Stacks, deployment: Deployment) -> tuple[str, ...]:
    """Return the zones that the network's stack was created with; none where it would be created."""
    name = deployment.stack_name(LAYER)
    described = stacks.describe(name)
    if described is None or stacks.is_new(name):
        return ()
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in described.get("Parameters", ())}
    names = (zone_parameter(index) for index in range(len(parameters)))
    return tuple(parameters[name] for name in names if name in parameters)
