"""What the demo's deployment has in AWS, read by its services' APIs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from beanvault.aws import Aws
from beanvault.deployment.certificates import find
from beanvault.rotation.credential import DatabaseCredential
from templates.deployment import Deployment

from ..servers.localaws import LocalAws
from .site import Site


@dataclass(frozen=True, slots=True)
class DeployedResources:
    """Finds the resources of a deployment."""

    aws: LocalAws
    deployment: Deployment

    def current_version(self) -> str:
        """Return the version id of the app's secret that is AWSCURRENT."""
        secret = self.deployment.credential_secret
        described = self.aws.client("secretsmanager").describe_secret(SecretId=secret)
        stages: dict[str, list[str]] = described["VersionIdsToStages"]
        return next(version for version, labels in stages.items() if "AWSCURRENT" in labels)

    def master_credential(self) -> DatabaseCredential:
        """Return the master user's login, which RDS keeps in a secret of its own."""
        instances = self.aws.client("rds").describe_db_instances(
            DBInstanceIdentifier=self.deployment.database_identifier
        )["DBInstances"]
        arn = instances[0]["MasterUserSecret"]["SecretArn"]
        value = json.loads(self.aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        return DatabaseCredential(value["username"], value["password"])

    def function_environment(self) -> dict[str, str]:
        configuration = self.aws.client("lambda").get_function_configuration(
            FunctionName=self.deployment.function_name
        )
        environment: dict[str, str] = configuration["Environment"]["Variables"]
        return environment

    def function_role(self) -> str:
        role: str = self.aws.client("lambda").get_function_configuration(
            FunctionName=self.deployment.function_name
        )["Role"]
        return role

    def app_role(self) -> str:
        settings = self.aws.client("elasticbeanstalk").describe_configuration_settings(
            ApplicationName=self.deployment.application_name,
            EnvironmentName=self.deployment.environment_name,
        )["ConfigurationSettings"][0]["OptionSettings"]
        profile = next(s["Value"] for s in settings if s["OptionName"] == "IamInstanceProfile")
        found = self.aws.client("iam").get_instance_profile(InstanceProfileName=profile.rpartition("/")[2])
        role: str = found["InstanceProfile"]["Roles"][0]["Arn"]
        return role

    def site(self, directory: Path) -> Site:
        """Return the environment's page; its self-signed certificate is copied from ACM to *directory*."""
        environments = self.aws.client("elasticbeanstalk").describe_environments(
            EnvironmentNames=[self.deployment.environment_name]
        )["Environments"]
        arn = find(Aws(self.aws.session(), self.aws.endpoint), self.deployment.name)
        assert arn is not None  # noqa: S101 - the deployment imported it
        acm = self.aws.client("acm")
        file = directory / "load-balancer.pem"
        file.write_text(acm.get_certificate(CertificateArn=arn)["Certificate"])
        name = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainName"]
        return Site(f"https://{environments[0]['CNAME']}", name, file)
