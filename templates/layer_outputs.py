"""Values that one layer exports and later layers import, with one object for both ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from troposphere import Export, ImportValue, Output

from templates.deployment import Deployment


@dataclass(frozen=True, slots=True)
class LayerOutput:
    """A value that one layer exports and later layers import.

    Export identifiers, not choices: CloudFormation refuses to change an export in use.
    """

    layer: str
    name: str

    def export_name(self, deployment: Deployment) -> str:
        """Return the name of the export, which is unique in the account's region."""
        return f"{deployment.name}-{self.layer}-{self.name}"

    def output(self, deployment: Deployment, value: Any, description: str) -> Output:
        """Return the output of the exporting layer's template."""
        return Output(
            self.name, Description=description, Value=value, Export=Export(self.export_name(deployment))
        )

    def imported(self, deployment: Deployment) -> ImportValue:
        """Return the reference that an importing layer uses for the value."""
        return ImportValue(self.export_name(deployment))


@dataclass(frozen=True, slots=True)
class ZonedOutput:
    """A value that a layer exports once per availability zone: another zone changes no existing export."""

    layer: str
    name: str

    def of(self, zone: int) -> LayerOutput:
        """Return the output of one zone, counted from 0."""
        return LayerOutput(self.layer, f"{self.name}{zone}")

    def imported(self, deployment: Deployment) -> list[ImportValue]:
        """Return the imports of all zones of the deployment."""
        return [self.of(zone).imported(deployment) for zone in range(deployment.network.availability_zones)]
