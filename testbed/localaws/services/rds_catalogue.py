"""RDS: what it offers. moto knows no engine versions, their lives and certificates, and no MySQL to order.

A database that is created with a series runs the series' default minor version, and none is taken back:
CloudFormation's schema of AWS::RDS::DBInstance compares `EngineVersion` as a prefix ($join([…, ".*"])), and
RDS refuses the older of two minor versions ("Cannot upgrade mysql from 8.4.8 to 8.4.7").
"""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.rds.exceptions import RDSClientError
from moto.rds.models import RDSBackend
from moto.rds.responses import RDSResponse

MINORS = {"8.0": ("8.0.44",), "8.4": ("8.4.7", "8.4.8"), "9.7": ("9.7.1",)}
"""Series of MySQL to its minor versions; the last is the default."""
STANDARD_SUPPORT_ENDS = {
    "8.0": datetime(2026, 7, 31, tzinfo=UTC),
    "8.4": datetime(2029, 7, 31, tzinfo=UTC),
    "9.7": datetime(2031, 7, 31, tzinfo=UTC),
}
"""https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/MySQL.Concepts.VersionMgmt.html; 9.7's day is not
published yet, so it is invented.
"""
AUTHORITIES = {
    "rds-ca-rsa2048-g1": datetime(2061, 5, 25, tzinfo=UTC),
    "rds-ca-rsa4096-g1": datetime(2121, 5, 25, tzinfo=UTC),
    "rds-ca-ecc384-g1": datetime(2121, 5, 25, tzinfo=UTC),
}
CLOSED_ZONE = "a"
"""The letter of the zone in which the newest family, m8g, can't be ordered: offers differ by zone."""


def install() -> None:
    """Answer what RDS offers, and let databases run minor versions."""
    responses: Any = RDSResponse
    responses.describe_db_engine_versions = _engine_versions
    responses.describe_db_major_engine_versions = _major_engine_versions
    responses.describe_certificates = _certificates
    responses.describe_orderable_db_instance_options = _orderable
    backend: Any = RDSBackend
    _run_minors(backend)


def _run_minors(backend: Any) -> None:
    created, modified = backend.create_db_instance, backend.modify_db_instance

    @functools.wraps(created)
    def create(self: Any, kwargs: dict[str, Any]) -> Any:
        instance = created(self, kwargs)
        if instance.engine == "mysql" and instance.engine_version in MINORS:
            instance.engine_version = MINORS[instance.engine_version][-1]
        return instance

    @functools.wraps(modified)
    def modify(self: Any, identifier: str, kwargs: dict[str, Any]) -> Any:
        desired = str(kwargs.get("engine_version") or "")
        running = self.describe_db_instances(identifier)[0].engine_version
        if desired and f"{running}.".startswith(f"{desired}."):
            kwargs = {name: value for name, value in kwargs.items() if name != "engine_version"}
        elif desired and _numbers(desired) < _numbers(running):
            message = f"Cannot upgrade mysql from {running} to {desired}"
            raise RDSClientError("InvalidParameterCombination", message)
        return modified(self, identifier, kwargs)

    backend.create_db_instance, backend.modify_db_instance = create, modify


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _engine_versions(self: Any) -> ActionResult:
    asked, only_default = self.params.get("EngineVersion"), self.params.get("DefaultOnly")
    found = [
        {
            "Engine": "mysql",
            "MajorEngineVersion": series,
            "EngineVersion": minor,
            "DBParameterGroupFamily": f"mysql{series}",
            "Status": "available",
        }
        for series, minors in MINORS.items()
        for minor in (minors[-1:] if only_default else minors)
        if asked in (None, series, minor)
    ]
    return ActionResult({"DBEngineVersions": found})


def _major_engine_versions(self: Any) -> ActionResult:
    asked = self.params.get("MajorEngineVersion")
    found = [
        {
            "Engine": "mysql",
            "MajorEngineVersion": series,
            "SupportedEngineLifecycles": [
                {
                    "LifecycleSupportName": "open-source-rds-standard-support",
                    "LifecycleSupportStartDate": datetime(2024, 11, 21, tzinfo=UTC),
                    "LifecycleSupportEndDate": ends,
                }
            ],
        }
        for series, ends in STANDARD_SUPPORT_ENDS.items()
        if asked in (None, series)
    ]
    return ActionResult({"DBMajorEngineVersions": found})


def _certificates(self: Any) -> ActionResult:
    asked = self.params.get("CertificateIdentifier")
    if asked is not None and asked not in AUTHORITIES:
        raise RDSClientError("CertificateNotFound", f"Certificate {asked} not found.")
    found = [
        {
            "CertificateIdentifier": name,
            "CertificateType": "CA",
            "ValidFrom": datetime(2021, 5, 25, tzinfo=UTC),
            "ValidTill": ends,
        }
        for name, ends in AUTHORITIES.items()
        if asked in (None, name)
    ]
    return ActionResult({"Certificates": found})


def _orderable(self: Any) -> ActionResult:
    asked = str(self.params.get("DBInstanceClass") or "")
    series = str(self.params.get("EngineVersion") or "8.4")
    zones = [zone.name for zone in _ec2_zones(self.region, self.current_account)]
    found = [
        {
            "Engine": "mysql",
            "EngineVersion": version,
            "DBInstanceClass": instance_class,
            "MultiAZCapable": True,
            "AvailabilityZones": [
                {"Name": zone}
                for zone in zones
                if not (instance_class.startswith("db.m8g.") and zone.endswith(CLOSED_ZONE))
            ],
        }
        for version in MINORS.get(series, (series,))
        for instance_class in _classes(self.region)
        if asked in ("", instance_class)
    ]
    return ActionResult({"OrderableDBInstanceOptions": found})


@functools.cache
def _classes(region: str) -> tuple[str, ...]:
    """Return the classes of a region, from cfn-lint's data, which AWS's own lists are the source of."""
    folder = resources.files("cfnlint.data.schemas.extensions.aws_rds_dbinstance")
    rules = json.loads(folder.joinpath("dbinstanceclass_enum.json").read_text())[region]["allOf"]
    found = {
        each
        for rule in rules
        if rule["if"]["properties"]["Engine"] == {"const": "mysql"}
        for each in rule["then"]["properties"]["DBInstanceClass"]["enum"]
    }
    return tuple(sorted(found))


def _ec2_zones(region: str, account: str) -> list[Any]:
    zones: list[Any] = ec2_backends[account][region].describe_availability_zones()
    return zones
