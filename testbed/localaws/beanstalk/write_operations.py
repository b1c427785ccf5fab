"""Elastic Beanstalk's API: the operations that the EB CLI, CloudFormation and our tests call.

moto's dispatcher calls the method with the operation's name; botocore's model parses the parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from moto.core.responses import ActionResult, EmptyResult

from ..authorization.on_behalf import on_behalf_of, requester
from ..moto_client import client
from . import listeners
from .managed_updates import ManagedUpdates
from .read_operations import parse_time
from .state import Application, Environment, InsufficientPrivileges, InvalidParameterValue, now

INSTANCES = "aws:ec2:instances"


class Operations(ManagedUpdates):
    # Applications and versions

    def create_application(self) -> ActionResult:
        name = self._text("ApplicationName") or ""
        if name in self._backend.applications:
            raise InvalidParameterValue(f"Application {name} already exists.")
        made = Application(
            name,
            self._backend.arn("application", name),
            self._text("Description"),
            {tag["Key"]: tag["Value"] for tag in self._list("Tags")},
            dict(self._get_param("ResourceLifecycleConfig") or {}),
        )
        self._backend.applications[name] = made
        self._add_event(f"Created new Application: {name}", made)
        return ActionResult({"Application": made.description_of()})

    def describe_applications(self) -> ActionResult:
        names = self._list("ApplicationNames")
        found = [each for each in self._backend.applications.values() if not names or each.name in names]
        return ActionResult({"Applications": [each.description_of() for each in found]})

    def update_application(self) -> ActionResult:
        application = self._application()
        application.description, application.updated = self._text("Description"), now()
        return ActionResult({"Application": application.description_of()})

    def update_application_resource_lifecycle(self) -> ActionResult:
        application = self._application()
        application.lifecycle |= self._get_param("ResourceLifecycleConfig") or {}
        return ActionResult(
            {"ApplicationName": application.name, "ResourceLifecycleConfig": application.lifecycle}
        )

    def delete_application(self) -> EmptyResult:
        application = self._application()
        live = self._backend.live(application)
        if live and not self._get_param("TerminateEnvByForce"):
            names = ", ".join(environment.name for environment in live)
            raise InvalidParameterValue(
                f"Unable to delete application {application.name}: it has running environments: {names}"
            )
        for ending in [self.rollouts.terminate(self._backend, each, self.request) for each in live]:
            ending.join()
        del self._backend.applications[application.name]
        self._add_event("The application has been deleted successfully.", application)
        return EmptyResult()

    def create_application_version(self) -> ActionResult:
        label = self._text("VersionLabel") or ""
        if self._text("ApplicationName") not in self._backend.applications and self._get_param(
            "AutoCreateApplication"
        ):
            self.create_application()
        application = self._application()
        if label in application.versions:
            raise InvalidParameterValue(f"Application Version {label} already exists.")
        source = self._get_param("SourceBundle")
        if not source:
            raise InvalidParameterValue(
                "The local AWS needs a SourceBundle for a version: it has no sample application to copy."
            )
        s3 = client("s3", self.region, self.current_account)
        try:
            s3.head_object(Bucket=source["S3Bucket"], Key=source["S3Key"])
        except s3.exceptions.ClientError:
            place = f"(Bucket: {source['S3Bucket']}  Key: {source['S3Key']})"
            raise InvalidParameterValue(f"Unable to download from S3 location {place}.") from None
        application.versions[label] = {
            "ApplicationVersionArn": self._backend.arn("applicationversion", f"{application.name}/{label}"),
            "ApplicationName": application.name,
            "VersionLabel": label,
            "Description": self._text("Description"),
            "SourceBundle": source,
            "DateCreated": now(),
            "DateUpdated": now(),
            "Status": "PROCESSED" if self._get_param("Process") else "UNPROCESSED",
        }
        self._add_event(f"Created new Application Version: {label}", application, version=label)
        return ActionResult({"ApplicationVersion": application.versions[label]})

    def describe_application_versions(self) -> ActionResult:
        labels, name = self._list("VersionLabels"), self._text("ApplicationName")
        found = [
            version
            for application in self._backend.applications.values()
            for version in reversed(application.versions.values())
            if name in (None, application.name) and (not labels or version["VersionLabel"] in labels)
        ]
        return ActionResult({"ApplicationVersions": found})

    def delete_application_version(self) -> EmptyResult:
        application, label = self._application(), self._text("VersionLabel") or ""
        if any(environment.version == label for environment in self._backend.live(application)):
            raise InvalidParameterValue(f"Unable to delete application version {label} because it is in use.")
        version = application.versions.pop(label, None)
        if version and self._get_param("DeleteSourceBundle"):
            source = version["SourceBundle"]
            s3 = client("s3", self.region, self.current_account)
            s3.delete_object(Bucket=source["S3Bucket"], Key=source["S3Key"])
        return EmptyResult()

    # Environments

    def check_dns_availability(self) -> ActionResult:
        prefix = self._text("CNAMEPrefix")
        name = f"{prefix}.{self.region}.elasticbeanstalk.com"
        return ActionResult({"Available": True, "FullyQualifiedCNAME": name})

    def _stack(self) -> str | None:
        arn, stack = self._text("PlatformArn"), self._text("SolutionStackName")
        if arn is None and stack is None:
            return None
        for version in self._offered():
            if version.arn(self.region) == arn or version.stack == stack:
                return version.stack
        if arn:
            raise InvalidParameterValue(f"No Platform named '{arn}' found.")
        raise InvalidParameterValue(f"No Solution Stack named '{stack}' found.")

    def _version(self, application: Application) -> str | None:
        label = self._text("VersionLabel")
        if label and label not in application.versions:
            raise InvalidParameterValue(f"No Application Version named '{label}' found.")
        return label

    def _settings(self) -> dict[tuple[str, str], str]:
        return {
            (each["Namespace"], each["OptionName"]): each.get("Value") or ""
            for each in self._list("OptionSettings")
        }

    def _require_architecture(self, settings: dict[tuple[str, str], str]) -> None:
        """Refuse Graviton types without `SupportedArchitectures`: whether it is optional is not documented.

        https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/command-options-general.html
        """
        named = settings.get((INSTANCES, "InstanceTypes"), "").split(",")
        offered = settings.get((INSTANCES, "SupportedArchitectures"), "x86_64").split(",")
        for each in filter(None, named):
            needed = "arm64" if re.match(r"([a-z]+\d+[a-z]*g[a-z]*|a1)\.", each) else "x86_64"
            if needed not in offered:
                raise InvalidParameterValue(
                    f"The instance type {each} is {needed}; the environment supports {', '.join(offered)}."
                )

    def _publish_test_notification(self, settings: Mapping[tuple[str, str], str]) -> None:
        """Publish to the environment's topic, if it has one, with the caller's rights.

        What happens without them is documented nowhere, so the environment is neither created nor changed.
        https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/using-features.managing.sns.html
        """
        topic = settings.get(("aws:elasticbeanstalk:sns:topics", "Notification Topic ARN"))
        if not topic:
            return
        sns = client("sns", self.region, self.current_account)
        with on_behalf_of(requester(), "elasticbeanstalk.amazonaws.com"):
            try:
                sns.publish(
                    TopicArn=topic, Subject="Test notification", Message="Elastic Beanstalk test notification"
                )
            except sns.exceptions.ClientError as error:
                raise InsufficientPrivileges(
                    f"Unable to publish a test notification to {topic}: {error.response['Error']['Message']}"
                ) from None

    def create_environment(self) -> ActionResult:
        application, name = self._application(), self._text("EnvironmentName") or ""
        if any(each.name == name for each in self._backend.live()):
            raise InvalidParameterValue(f"Environment {name} already exists.")
        stack = self._stack()
        if stack is None:
            raise InvalidParameterValue("A solution stack, platform or template must be specified.")
        settings = self._settings()
        self._require_architecture(settings)
        made = Environment(
            application,
            name,
            self.region,
            self.current_account,
            self._backend.arn("environment", f"{application.name}/{name}"),
            stack,
            self._text("Description"),
            {"Name": "WebServer", "Type": "Standard", "Version": "1.0", **(self._get_param("Tier") or {})},
            self._version(application),
            {tag["Key"]: tag["Value"] for tag in self._list("Tags")},
            settings,
        )
        self._publish_test_notification(made.settings)
        self._backend.environments.append(made)
        self.rollouts.launch(self._backend, made, self.request)
        return ActionResult(made.description_of())

    def describe_environments(self) -> ActionResult:
        application, version = self._text("ApplicationName"), self._text("VersionLabel")
        names, identifiers = self._list("EnvironmentNames"), self._list("EnvironmentIds")
        since = parse_time(self._get_param("IncludedDeletedBackTo")) or now() - timedelta(hours=1)
        deleted = self._get_param("IncludeDeleted", True)
        found = [
            each.description_of()
            for each in self._backend.environments
            if application in (None, each.application.name)
            and version in (None, each.version)
            and (not names or each.name in names)
            and (not identifiers or each.id in identifiers)
            and (each.terminated is None or (deleted and each.terminated > since))
        ]
        return ActionResult({"Environments": found})

    def update_environment(self) -> ActionResult:
        environment = self._ready()
        self._publish_test_notification(environment.settings | self._settings())
        self._backend.note_stacks()
        before = (environment.version, environment.stack, dict(environment.settings))
        version, stack = self._version(environment.application), self._stack()
        removed = {(each["Namespace"], each["OptionName"]) for each in self._list("OptionsToRemove")}
        kept = {key: value for key, value in environment.settings.items() if key not in removed}
        environment.description = self._text("Description") or environment.description
        settings = kept | self._settings()
        self._require_architecture(settings)
        environment.settings = settings
        environment.version, environment.stack = version or environment.version, stack or environment.stack

        def undo() -> None:
            environment.version, environment.stack, environment.settings = before

        if version or before != (environment.version, environment.stack, environment.settings):
            what = "application version" if version else "configuration"
            self.rollouts.update(self._backend, environment, self.request, undo, what)
        else:
            self._add_event("Environment update completed successfully.", environment)
        return ActionResult(environment.description_of())

    def terminate_environment(self) -> ActionResult:
        environment = self._environment()
        self.rollouts.terminate(self._backend, environment, self.request)
        return ActionResult(environment.description_of())

    def describe_environment_resources(self) -> ActionResult:
        environment = self._environment()
        shared = listeners.shared_load_balancer(environment.options)
        return ActionResult(
            {
                "EnvironmentResources": {
                    "EnvironmentName": environment.name,
                    "AutoScalingGroups": [],
                    "Instances": [{"Id": environment.instance.id}] if environment.instance else [],
                    "LaunchConfigurations": [],
                    "LaunchTemplates": [],
                    "LoadBalancers": [{"Name": shared}] if shared else [],
                    "Triggers": [],
                    "Queues": [],
                }
            }
        )

    def describe_configuration_settings(self) -> ActionResult:
        environment, application = self._environment(), self._application()
        if environment.application is not application:
            raise InvalidParameterValue(f"No Environment found for EnvironmentName = '{environment.name}'.")
        options = [
            {"Namespace": space, "OptionName": name, "Value": value}
            for (space, name), value in sorted(environment.options.items())
        ]
        return ActionResult(
            {
                "ConfigurationSettings": [
                    {
                        **environment.description_of(),
                        "DeploymentStatus": "pending" if environment.status == "Updating" else "deployed",
                        "OptionSettings": options,
                    }
                ]
            }
        )

    def validate_configuration_settings(self) -> ActionResult:
        self._application()
        return ActionResult({"Messages": []})
