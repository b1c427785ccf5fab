"""What the environment runs, as Beanstalk describes it."""

from __future__ import annotations

from dataclasses import dataclass

from templates.deployment import Deployment

from ..aws import Aws


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
