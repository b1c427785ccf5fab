"""Checks of the availability zones: there are enough, and they have the instance types and the class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from templates.deployment import Deployment
from templates.deployment_sections import VaultHost

from ...aws import Aws
from ...cloudformation.stacks import Stacks
from ...ui import NullUi
from ..availability_zones import TooFewZones, network_zones
from .result import Check, PreflightResult, Verdict

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

STORAGE_TYPE = "gp3"


def check_zones(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    try:
        zones = _zones(deployment, aws)
    except TooFewZones as error:
        yield PreflightResult("zones", Verdict.BAD, str(error), error.remedy)
        return
    yield PreflightResult("zones", Verdict.GOOD, ", ".join(zones))


def check_instance_types(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Check that EC2 has the types of the app, and of the Vault host, in the network's zones."""
    types = dict.fromkeys(deployment.app.instance_types)
    if isinstance(deployment.vault, VaultHost):
        types |= {deployment.vault.instance_type: None}
    filters: list[FilterTypeDef] = [{"Name": "instance-type", "Values": list(types)}]
    pages = aws.client("ec2").get_paginator("describe_instance_type_offerings")
    offered = {
        (offer.get("InstanceType"), offer.get("Location"))
        for page in pages.paginate(LocationType="availability-zone", Filters=filters)
        for offer in page["InstanceTypeOfferings"]
    }
    zones = _zones_or_none(deployment, aws)
    missing = [f"{each} in {zone}" for each in types for zone in zones if (each, zone) not in offered]
    nowhere = [each for each in types if zones and all((each, zone) not in offered for zone in zones)]
    if not missing:
        yield PreflightResult("instance types", Verdict.GOOD, f"{', '.join(types)}: in each zone")
        return
    yield PreflightResult(
        "instance types",
        Verdict.BAD if nowhere else Verdict.WARNING,
        f"EC2 doesn't offer {', '.join(missing)}",
        "set [app] instance_types and [vault] instance_type to types that these zones have: "
        f"aws ec2 describe-instance-type-offerings --location-type availability-zone --region {aws.region}",
    )


def check_instance_class(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Check that RDS has the database's class, for the engine's default version, in the network's zones."""
    database, client = deployment.database, aws.client("rds")
    series = database.engine_version
    minors = client.describe_db_engine_versions(Engine="mysql", EngineVersion=series, DefaultOnly=True)
    for minor in minors["DBEngineVersions"][:1]:
        version = minor.get("EngineVersion", series)
        pages = client.get_paginator("describe_orderable_db_instance_options").paginate(
            Engine="mysql", EngineVersion=version, DBInstanceClass=database.instance_class
        )
        offered = {
            zone.get("Name")
            for page in pages
            for option in page["OrderableDBInstanceOptions"]
            if option.get("StorageType", STORAGE_TYPE) == STORAGE_TYPE
            for zone in option.get("AvailabilityZones", ())
        }
        zones = _zones_or_none(deployment, aws)
        usable = [zone for zone in zones if zone in offered]
        required = 2 if database.multi_az else 1
        what = f"{database.instance_class} with MySQL {version}"
        if len(usable) >= required:
            yield PreflightResult("instance class", Verdict.GOOD, f"{what}: in {', '.join(usable)}")
            return
        yield PreflightResult(
            "instance class",
            Verdict.BAD,
            f"RDS offers {what} in {len(usable)} of the network's zones, and {required} are needed",
            "set [database] instance_class to one that is offered: aws rds "
            f"describe-orderable-db-instance-options --region {aws.region} --engine mysql "
            f"--engine-version {version} "
            "--query 'OrderableDBInstanceOptions[].[DBInstanceClass,AvailabilityZones[].Name]'",
        )


def _zones(deployment: Deployment, aws: Aws) -> Sequence[str]:
    return network_zones(aws, Stacks(aws.client("cloudformation"), NullUi()), deployment)


def _zones_or_none(deployment: Deployment, aws: Aws) -> Sequence[str]:
    """Return the network's zones; none where `check_zones` reports that there are too few."""
    try:
        return _zones(deployment, aws)
    except TooFewZones:
        return ()


ZONE_CHECKS: tuple[tuple[str, Check], ...] = (
    ("zones", check_zones),
    ("instance types", check_instance_types),
    ("instance class", check_instance_class),
)
