"""What deploying and deleting work with. Imports no template library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from templates.deployment import Deployment

from ..aws import Aws
from ..errors import Refused
from ..ui import Ui


@dataclass(frozen=True, slots=True)
class DeploymentContext:
    """A deployment, the account it is in, and who is asked about changes."""

    deployment: Deployment
    aws: Aws
    ui: Ui
    project: Path
    """The clone that holds the sources of functions and app."""

    @property
    def build_folder(self) -> Path:
        return self.project / "build"

    def require_same_region(self) -> None:
        """Refuse to work in another region than the deployment's.

        Raises:
            Refused: the session's region isn't the deployment's
        """
        if self.aws.region != self.deployment.region:
            raise Refused(
                f"{self.deployment.name} is in {self.deployment.region}, the session in {self.aws.region}",
                f"pass --region {self.deployment.region}, or another deployment file",
            )
