"""Elastic Beanstalk's API: the operations that the EB CLI, CloudFormation and boto3's users need.

moto's dispatcher calls the method that bears an operation's name; parameters come parsed by botocore's model.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.utils import parse_timestamp
from moto.core.responses import ActionResult, EmptyResult
from moto.elasticbeanstalk.responses import EBResponse

from ..inproc import client
from ..settings import OPERATOR_KEY_ID
from . import listeners, platforms
from .rollout import Rollouts
from .state import Application, Beanstalk, Environment, InvalidParameterValue, NotFound, now

_SEVERITIES = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]


class Operations(EBResponse):
    rollouts: Rollouts
    """Set when the extension is installed."""

    def __init__(self) -> None:
        super().__init__()
        self.request = str(uuid.uuid4())

    def _enrich_response(  # type: ignore[override]  # moto's is static, and called on the instance
        self, headers: dict[str, str], body: Any
    ) -> tuple[dict[str, str], Any]:
        """Answer with the request id that the events carry.

        moto's own method makes one up, and puts it where the first `<RequestId>` of the answer begins and the
        last ends: of DescribeEvents' answer only one event would be left.
        """
        if "status" in headers:
            headers["status"] = str(headers["status"])
        headers["x-amzn-RequestId"] = self.request
        text = body.decode() if isinstance(body, bytes) else body
        return headers, re.sub(
            r"(<ResponseMetadata>\s*<RequestId>)[^<]*", rf"\g<1>{self.request}", text
        ) if isinstance(text, str) else text

    @property
    def _backend(self) -> Beanstalk:
        backend = self.elasticbeanstalk_backend
        assert isinstance(backend, Beanstalk)  # noqa: S101 - install put it there
        return backend

    def _text(self, name: str) -> str | None:
        value: str | None = self._get_param(name)
        return value or None

    def _list(self, name: str) -> list[Any]:
        return list(self._get_param(name) or [])

    def _application(self) -> Application:
        return self._backend.application(self._text("ApplicationName") or "")

    def _environment(self, prefix: str = "") -> Environment:
        return self._backend.environment(
            self._text(f"{prefix}EnvironmentName"), self._text(f"{prefix}EnvironmentId")
        )

    def _ready(self) -> Environment:
        environment = self._environment()
        if environment.status != "Ready":
            raise InvalidParameterValue(
                f"Environment named {environment.name} is in an invalid state for this operation. "
                "Must be Ready."
            )
        return environment

    def _say(self, message: str, where: Application | Environment, **more: Any) -> None:
        if isinstance(where, Environment):
            more["environment"], where = where, where.application
        self._backend.say(message, self.request, application=where.name, **more)

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
        self._say(f"Created new Application: {name}", made)
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
        self._say("The application has been deleted successfully.", application)
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
            raise InvalidParameterValue("A version here needs a SourceBundle: there is no sample to copy.")
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
        self._say(f"Created new Application Version: {label}", application, version=label)
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

    def create_storage_location(self) -> ActionResult:
        """Return the account's bucket, made unless it is there."""
        s3, bucket = client("s3", self.region, self.current_account), self._bucket
        try:
            s3.head_bucket(Bucket=bucket)
        except s3.exceptions.ClientError:
            where = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
            s3.create_bucket(Bucket=bucket, **({} if self.region == "us-east-1" else where))
        return ActionResult({"S3Bucket": bucket})

    @property
    def _bucket(self) -> str:
        return f"elasticbeanstalk-{self.region}-{self.current_account}"

    # Environments

    def check_dns_availability(self) -> ActionResult:
        prefix = self._text("CNAMEPrefix")
        name = f"{prefix}.{self.region}.elasticbeanstalk.com"
        return ActionResult({"Available": True, "FullyQualifiedCNAME": name})

    def _stack(self) -> str | None:
        arn = self._text("PlatformArn")
        found = platforms.stack_of(arn, self.region) if arn else self._text("SolutionStackName")
        known = {summary["SolutionStackName"] for summary in platforms.summaries(self.region)}
        if (arn and not found) or (found and found not in known):
            raise InvalidParameterValue(f"No Solution Stack named '{found or arn}' found.")
        return found

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

    def create_environment(self) -> ActionResult:
        application, name = self._application(), self._text("EnvironmentName") or ""
        if any(each.name == name for each in self._backend.live()):
            raise InvalidParameterValue(f"Environment {name} already exists.")
        made = Environment(
            application,
            name,
            self.region,
            self.current_account,
            self._backend.arn("environment", f"{application.name}/{name}"),
            self._stack() or platforms.DEFAULT_STACK,
            self._text("Description"),
            {"Name": "WebServer", "Type": "Standard", "Version": "1.0", **(self._get_param("Tier") or {})},
            self._version(application),
            {tag["Key"]: tag["Value"] for tag in self._list("Tags")},
            self._settings(),
        )
        self._backend.environments.append(made)
        self.rollouts.launch(self._backend, made, self.request)
        return ActionResult(made.description_of())

    def describe_environments(self) -> ActionResult:
        application, version = self._text("ApplicationName"), self._text("VersionLabel")
        names, identifiers = self._list("EnvironmentNames"), self._list("EnvironmentIds")
        since = _moment(self._get_param("IncludedDeletedBackTo")) or now() - timedelta(hours=1)
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
        before = (environment.version, environment.stack, dict(environment.settings))
        version, stack = self._version(environment.application), self._stack()
        removed = {(each["Namespace"], each["OptionName"]) for each in self._list("OptionsToRemove")}
        kept = {key: value for key, value in environment.settings.items() if key not in removed}
        environment.description = self._text("Description") or environment.description
        environment.settings = kept | self._settings()
        environment.version, environment.stack = version or environment.version, stack or environment.stack

        def undo() -> None:
            environment.version, environment.stack, environment.settings = before

        if version or before != (environment.version, environment.stack, environment.settings):
            what = "application version" if version else "configuration"
            self.rollouts.update(self._backend, environment, self.request, undo, what)
        else:
            self._say("Environment update completed successfully.", environment)
        return ActionResult(environment.description_of())

    def restart_app_server(self) -> EmptyResult:
        """A new instance with the same version takes over, so no request is lost here either."""
        self.rollouts.update(self._backend, self._ready(), self.request, lambda: None, "application version")
        return EmptyResult()

    rebuild_environment = restart_app_server

    def terminate_environment(self) -> ActionResult:
        environment = self._environment()
        self.rollouts.terminate(self._backend, environment, self.request)
        return ActionResult(environment.description_of())

    def abort_environment_update(self) -> EmptyResult:
        environment = self._environment()
        environment.aborted.set()
        self._say("Environment update is aborting.", environment)
        return EmptyResult()

    def swap_environment_cnam_es(self) -> EmptyResult:  # moto's spelling of SwapEnvironmentCNAMEs
        one, other = self._environment("Source"), self._environment("Destination")
        self.rollouts.swap(one, other)
        self._say(f"Completed swapping CNAMEs for environments '{one.name}' and '{other.name}'.", one)
        return EmptyResult()

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

    # Events, health, logs

    def describe_events(self) -> ActionResult:
        names = ("ApplicationName", "EnvironmentName", "RequestId", "VersionLabel", "PlatformArn")
        wanted = {name: value for name in names if (value := self._text(name))}
        if identifier := self._text("EnvironmentId"):
            wanted["EnvironmentName"] = self._backend.environment(None, identifier).name
        start, end = _moment(self._get_param("StartTime")), _moment(self._get_param("EndTime"))
        at_least = _SEVERITIES.index(self._text("Severity") or "TRACE")
        found = [
            event
            for event in self._backend.events()
            if wanted.items() <= event.items()
            and (not start or event["EventDate"] >= start)
            and (not end or event["EventDate"] < end)
            and _SEVERITIES.index(event["Severity"]) >= at_least
        ]
        first, size = int(self._text("NextToken") or 0), int(self._get_param("MaxRecords") or 100)
        more = {"NextToken": str(first + size)} if len(found) > first + size else {}
        return ActionResult({"Events": found[first : first + size], **more})

    def describe_environment_health(self) -> ActionResult:
        environment = self._environment()
        colour, status = environment.health
        every = ("NoData", "Unknown", "Pending", "Ok", "Info", "Warning", "Degraded", "Severe")
        return ActionResult(
            {
                "EnvironmentName": environment.name,
                "HealthStatus": status,
                "Status": environment.status,
                "Color": colour,
                "Causes": environment.causes,
                "ApplicationMetrics": _metrics(),
                "InstancesHealth": {each: int(each == status) for each in every},
                "RefreshedAt": now(),
            }
        )

    def describe_instances_health(self) -> ActionResult:
        environment = self._environment()
        colour, status = environment.health
        found = {
            "InstanceId": environment.instance.id if environment.instance else "",
            "HealthStatus": status,
            "Color": colour,
            "Causes": environment.causes,
            "LaunchedAt": environment.deployed,
            "ApplicationMetrics": _metrics(),
            "System": {"CPUUtilization": dict.fromkeys(_CPU, 0.0), "LoadAverage": [0.0, 0.0]},
            "Deployment": {
                "VersionLabel": environment.version or "Sample Application",
                "DeploymentId": environment.deployment,
                "Status": "Deployed",
                "DeploymentTime": environment.deployed,
            },
            "AvailabilityZone": f"{self.region}a",
            "InstanceType": "local",
        }
        return ActionResult(
            {"RefreshedAt": now(), "InstanceHealthList": [found] if environment.instance else []}
        )

    def _log_key(self, environment: Environment) -> str:
        return f"resources/environments/logs/{self._text('InfoType')}/{environment.id}/logs.txt"

    def request_environment_info(self) -> EmptyResult:
        environment = self._environment()
        if environment.instance is None:
            raise InvalidParameterValue(f"Environment {environment.name} has no instance to take logs from.")
        s3 = client("s3", self.region, self.current_account)
        self.create_storage_location()
        text = environment.instance.logs(100 if self._text("InfoType") == "tail" else 100_000)
        s3.put_object(Bucket=self._bucket, Key=self._log_key(environment), Body=text.encode())
        verb = "tailing" if self._text("InfoType") == "tail" else "bundling"
        self._say(f"[Instance: {environment.instance.id}] Successfully finished {verb} 4 log(s)", environment)
        return EmptyResult()

    def retrieve_environment_info(self) -> ActionResult:
        environment = self._environment()
        s3 = boto3.client(
            "s3",
            region_name=self.region,
            endpoint_url=self.rollouts.settings.endpoint,
            aws_access_key_id=OPERATOR_KEY_ID,
            aws_secret_access_key="operator",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        key = self._log_key(environment)
        url = s3.generate_presigned_url("get_object", {"Bucket": self._bucket, "Key": key}, ExpiresIn=900)
        info = {
            "InfoType": self._text("InfoType"),
            "Ec2InstanceId": environment.instance.id if environment.instance else "",
            "SampleTimestamp": now(),
            "Message": url,
        }
        return ActionResult({"EnvironmentInfo": [info]})

    # Platforms and tags

    def list_platform_versions(self) -> ActionResult:
        return ActionResult({"PlatformSummaryList": self._filtered("Type")})

    def list_platform_branches(self) -> ActionResult:
        branches = {
            each["PlatformBranchName"]: {
                "PlatformName": each["PlatformCategory"],
                "BranchName": each["PlatformBranchName"],
                "LifecycleState": "Supported",
                "BranchOrder": order,
                "SupportedTierList": each["SupportedTierList"],
            }
            for order, each in enumerate(self._filtered("Attribute"))
        }
        return ActionResult({"PlatformBranchSummaryList": list(branches.values())})

    def _filtered(self, kind: str) -> list[dict[str, Any]]:
        """Platform summaries that pass the request's Filters, whose *kind* names what is compared."""
        alias = {"BranchName": "PlatformBranchName", "LifecycleState": "PlatformBranchLifecycleState"}
        if kind == "Attribute":
            alias["PlatformName"] = "PlatformCategory"
        tests = [(alias.get(each[kind], each[kind]), each) for each in self._list("Filters")]
        return [
            summary
            for summary in platforms.summaries(self.region)
            if all(
                platforms.matches(str(summary.get(name, "WebServer/Standard")), each) for name, each in tests
            )
        ]

    def describe_platform_version(self) -> ActionResult:
        arn = self._text("PlatformArn")
        for summary in platforms.summaries(self.region):
            if summary["PlatformArn"] == arn:
                return ActionResult({"PlatformDescription": summary})
        raise NotFound(f"No Platform found for PlatformArn = '{arn}'.")

    def update_tags_for_resource(self) -> EmptyResult:
        resource = self._backend.tagged(self._text("ResourceArn") or "")
        for key in self._list("TagsToRemove"):
            resource.tags.pop(key, None)
        resource.tags |= {tag["Key"]: tag["Value"] for tag in self._list("TagsToAdd")}
        self._say("Environment tag update completed successfully.", resource)
        return EmptyResult()

    def list_tags_for_resource(self) -> ActionResult:
        arn = self._text("ResourceArn") or ""
        tags = [{"Key": key, "Value": value} for key, value in self._backend.tagged(arn).tags.items()]
        return ActionResult({"ResourceArn": arn, "ResourceTags": tags})


_CPU = ("User", "Nice", "System", "Idle", "IOWait", "IRQ", "SoftIRQ")


def _metrics() -> Mapping[str, Any]:
    codes = dict.fromkeys(("Status2xx", "Status3xx", "Status4xx", "Status5xx"), 0)
    return {"Duration": 10, "RequestCount": 0, "StatusCodes": codes, "Latency": {}}


def _moment(value: str | datetime | None) -> datetime | None:
    """A timestamp parameter, which the EB CLI also writes as Python prints it."""
    moment = parse_timestamp(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
