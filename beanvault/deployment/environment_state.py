"""What the environment runs, as Beanstalk describes it."""

from __future__ import annotations

from dataclasses import dataclass

from templates.deployment import Deployment

from ..aws import Aws
from ..errors import BeanvaultError
from . import eb_commands


@dataclass(frozen=True, slots=True)
class EnvironmentVersions:
    name: str
    version: str
    """The label of the application version."""
    platform_arn: str
    host: str
    """The host name (CNAME) that Beanstalk gave it."""

    def __str__(self) -> str:
        platform = self.platform_arn.partition("platform/")[2].replace("/", ", version ")
        return f"{self.name} runs {self.version or 'no version'} on {platform or 'an unknown platform'}"


class VersionsChanged(BeanvaultError):
    """The environment no longer runs the version of app or platform that it was created with."""


def require_unchanged(
    before: EnvironmentVersions | None, after: EnvironmentVersions | None, deployment: Deployment
) -> None:
    """Check that the environment runs after an update what it ran before.

    Raises:
        VersionsChanged: it doesn't
    """
    if before is not None and after == before:
        return
    name = deployment.environment_name
    raise VersionsChanged(
        f"the stack no longer names versions, and {name} changed: before, {before or 'it was absent'}; "
        f"now, {after or 'it is absent'}",
        f"beanvault bundle && {eb_commands.deploy(deployment)}"
        if after
        else f"beanvault deploy environment, then beanvault bundle && {eb_commands.deploy(deployment)}",
    )


def describe(aws: Aws, deployment: Deployment) -> EnvironmentVersions | None:
    """Return the versions of the deployment's environment; None where there is none that stays."""
    described = aws.client("elasticbeanstalk").describe_environments(
        ApplicationName=deployment.application_name,
        EnvironmentNames=[deployment.environment_name],
        IncludeDeleted=False,
    )
    for environment in described["Environments"]:
        if not environment.get("Status", "").startswith("Terminat"):
            return EnvironmentVersions(
                deployment.environment_name,
                environment.get("VersionLabel", ""),
                environment.get("PlatformArn", ""),
                environment.get("CNAME", ""),
            )
    return None
