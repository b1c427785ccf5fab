"""EC2: DescribeAvailabilityZones."""

from __future__ import annotations

import itertools
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.responses.availability_zones_and_regions import AvailabilityZonesAndRegions

_calls = itertools.count()


def install() -> None:
    """Show a Local Zone to those who don't filter, another order at each call, and the opt-in status.

    moto shows the same zones in the same order, and knows no filter `opt-in-status`. The order is no promise:
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html
    """

    def describe(self: Any) -> ActionResult:
        filters = self._filters_from_querystring()
        statuses = filters.pop("opt-in-status", ("opt-in-not-required", "opted-in"))
        kinds = filters.pop("zone-type", ("availability-zone", "local-zone"))
        names, ids = self._get_param("ZoneNames", []), self._get_param("ZoneIds", [])
        zones = self.ec2_backend.describe_availability_zones(filters, zone_names=names, zone_ids=ids)
        found = [
            *(
                _shown(zone)
                for zone in zones
                if {"opt-in-not-required", "availability-zone"} <= {*statuses, *kinds}
            ),
            *(_local_zone(zone) for zone in zones[:1] if {"opted-in", "local-zone"} <= {*statuses, *kinds}),
        ]
        turn = next(_calls) % len(found) if found else 0
        return ActionResult({"AvailabilityZones": found[turn:] + found[:turn]})

    responses: Any = AvailabilityZonesAndRegions
    responses.describe_availability_zones = describe


def _shown(zone: Any) -> dict[str, Any]:
    return {
        "State": zone.state,
        "OptInStatus": "opt-in-not-required",
        "RegionName": zone.region_name,
        "ZoneName": zone.name,
        "ZoneId": zone.zone_id,
        "ZoneType": zone.zone_type,
        "GroupName": zone.region_name,
    }


def _local_zone(zone: Any) -> dict[str, Any]:
    local = f"{zone.region_name}-ham-1"
    return {
        **_shown(zone),
        "OptInStatus": "opted-in",
        "ZoneName": f"{local}a",
        "ZoneId": "ham1-az1",
        "ZoneType": "local-zone",
        "GroupName": local,
    }
