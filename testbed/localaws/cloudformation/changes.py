"""What an update would change, resource by resource: the content of a change set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .intrinsics import UNKNOWN
from .resource import Resource
from .resource_type import ResourceType

_ASPECTS = ("DeletionPolicy", "UpdateReplacePolicy", "Metadata", "UpdatePolicy", "CreationPolicy")


@dataclass(frozen=True, slots=True)
class PlannedChange:
    action: str
    """Add, Modify or Remove."""
    logical_id: str
    type_name: str
    physical_id: str = ""
    replacement: str = ""
    """For Modify: True, False, or Conditional where only the execution can decide."""
    scope: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    """The properties that change, each with Never, Conditionally or Always for RequiresRecreation."""
    drift: str = ""
    """Of a drift-aware change set: IN_SYNC, MODIFIED or DELETED."""

    def described(self) -> dict[str, Any]:
        """Return the change as DescribeChangeSet shows it.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
        """
        known = {
            "PhysicalResourceId": self.physical_id,
            "Replacement": self.replacement,
            "ResourceDriftStatus": self.drift,
        }
        return {
            "Type": "Resource",
            "ResourceChange": {
                "Action": self.action,
                "LogicalResourceId": self.logical_id,
                "ResourceType": self.type_name,
                "Scope": list(self.scope),
                "Details": [
                    {
                        "Target": {
                            "Attribute": "Tags" if name == "Tags" else "Properties",
                            "RequiresRecreation": recreation,
                        }
                        | ({} if name == "Tags" else {"Name": name}),
                        "Evaluation": "Dynamic" if recreation == "Conditionally" else "Static",
                        "ChangeSource": "DirectModification",
                    }
                    for name, recreation in self.properties
                ],
            }
            | {key: value for key, value in known.items() if value},
        }


def difference(
    existing: Resource,
    old: Mapping[str, Any],
    kind: ResourceType,
    definition: Mapping[str, Any],
    properties: Mapping[str, Any],
) -> PlannedChange | None:
    """Return how an existing resource changes to this definition and these resolved properties, or None."""
    was = existing.properties
    names = sorted(name for name in was.keys() | properties.keys() if was.get(name) != properties.get(name))
    aspects = tuple(aspect for aspect in _ASPECTS if old.get(aspect) != definition.get(aspect))
    if existing.type_name != definition["Type"]:
        always = tuple((name, "Always") for name in names)
        return PlannedChange(
            "Modify",
            existing.logical_id,
            definition["Type"],
            existing.physical_id,
            "True",
            ("Properties",),
            always,
        )
    if not names and not aspects:
        return None
    details = []
    for name in names:
        recreation = "Never"
        if kind.replaces({name}):
            recreation = "Conditionally" if UNKNOWN in str(properties.get(name)) else "Always"
        details.append((name, recreation))
    kinds = {recreation for _, recreation in details}
    replacement = "True" if "Always" in kinds else "Conditional" if "Conditionally" in kinds else "False"
    scope = ("Properties",) * any(n != "Tags" for n in names) + ("Tags",) * ("Tags" in names) + aspects
    return PlannedChange(
        "Modify",
        existing.logical_id,
        existing.type_name,
        existing.physical_id,
        replacement,
        scope,
        tuple(details),
    )
