"""The API's operations on events, health, logs, platforms and tags, and what all operations use."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.utils import parse_timestamp
from moto.core.responses import ActionResult, EmptyResult
from moto.elasticbeanstalk.responses import EBResponse

from .. import scenario
from ..moto_client import client
from ..settings import OPERATOR_KEY_ID
from . import platforms, storage_bucket
from .rollout import Rollouts
from .state import Application, Beanstalk, Environment, InvalidParameterValue, ResourceNotFound, now

_SEVERITIES = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]


class ReadOperations(EBResponse):
    rollouts: Rollouts
    """Set when the extension is installed."""

    def __init__(self) -> None:
        super().__init__()
        self.request = str(uuid.uuid4())

    def _enrich_response(  # type: ignore[override]  # moto's is static, and called on the instance
        self, headers: dict[str, str], body: Any
    ) -> tuple[dict[str, str], Any]:
        """Answer with the request id that the events have.

        moto's method generates another one, and replaces everything from the first to the last `<RequestId>`
        of the answer: in DescribeEvents' that removes all events but one.
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

    def _add_event(self, message: str, where: Application | Environment, **more: Any) -> None:
        if isinstance(where, Environment):
            more["environment"], where = where, where.application
        self._backend.add_event(message, self.request, application=where.name, **more)

    # Events, health, logs

    def describe_events(self) -> ActionResult:
        names = ("ApplicationName", "EnvironmentName", "RequestId", "VersionLabel", "PlatformArn")
        expected = {name: value for name in names if (value := self._text(name))}
        if identifier := self._text("EnvironmentId"):
            expected["EnvironmentName"] = self._backend.environment(None, identifier).name
        start, end = parse_time(self._get_param("StartTime")), parse_time(self._get_param("EndTime"))
        at_least = _SEVERITIES.index(self._text("Severity") or "TRACE")
        found = [
            event
            for event in self._backend.events()
            if expected.items() <= event.items()
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

    def create_storage_location(self) -> ActionResult:
        """Return the account's bucket; create it unless it exists."""
        return ActionResult({"S3Bucket": storage_bucket.create(self.region, self.current_account)})

    @property
    def _bucket(self) -> str:
        return storage_bucket.bucket_name(self.region, self.current_account)

    def _log_key(self, environment: Environment) -> str:
        return f"resources/environments/logs/{self._text('InfoType')}/{environment.id}/logs.txt"

    def request_environment_info(self) -> EmptyResult:
        environment = self._environment()
        if environment.instance is None:
            raise InvalidParameterValue(f"Environment {environment.name} has no instance with logs.")
        s3 = client("s3", self.region, self.current_account)
        self.create_storage_location()
        text = environment.instance.logs(100 if self._text("InfoType") == "tail" else 100_000)
        s3.put_object(Bucket=self._bucket, Key=self._log_key(environment), Body=text.encode())
        action = "tailing" if self._text("InfoType") == "tail" else "bundling"
        self._add_event(
            f"[Instance: {environment.instance.id}] Successfully finished {action} 4 log(s)", environment
        )
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

    def _offered(self) -> list[platforms.OfferedVersion]:
        """Return the platform versions that this account can use now."""
        return list(platforms.offered(self._backend.stacks_used(), self._releases))

    @property
    def _releases(self) -> Mapping[str, str]:
        return scenario.current(self.rollouts.settings.home).platform_releases

    def list_available_solution_stacks(self) -> ActionResult:
        stacks = [version.stack for version in self._offered()]
        details = [{"SolutionStackName": stack, "PermittedFileTypes": ["zip"]} for stack in stacks]
        return ActionResult({"SolutionStacks": stacks, "SolutionStackDetails": details})

    def list_platform_versions(self) -> ActionResult:
        tests = self._list("Filters")
        if wrong := [test for test in tests if not platforms.is_version_filter(test)]:
            raise InvalidParameterValue(f"Invalid platform filter: {wrong[0]}.")
        found = [
            summary
            for summary in (version.described(self.region) for version in self._offered())
            if all(platforms.matches(_filtered_value(summary, test["Type"]), test) for test in tests)
        ]
        return self._page("PlatformSummaryList", found)

    def list_platform_branches(self) -> ActionResult:
        tests = self._list("Filters")
        if wrong := [test for test in tests if not platforms.is_branch_filter(test)]:
            raise InvalidParameterValue(f"Invalid search filter: {wrong[0]}.")
        every = [
            {
                "PlatformName": branch.platform,
                "BranchName": branch.name,
                "LifecycleState": branch.state,
                "BranchOrder": order,
                "SupportedTierList": list(platforms.TIERS),
            }
            for order, branch in enumerate(platforms.branches(self._releases))
        ]
        found = [
            summary
            for summary in every
            if all(
                platforms.matches(str(summary.get(test["Attribute"], platforms.TIERS[0])), test)
                for test in tests
            )
        ]
        return self._page("PlatformBranchSummaryList", found)

    def _page(self, key: str, found: list[dict[str, Any]]) -> ActionResult:
        """Return one page of a listing, of ten unless asked for more."""
        first, size = int(self._text("NextToken") or 0), int(self._get_param("MaxRecords") or 10)
        more = {"NextToken": str(first + size)} if len(found) > first + size else {}
        return ActionResult({key: found[first : first + size], **more})

    def describe_platform_version(self) -> ActionResult:
        arn = self._text("PlatformArn")
        for version in self._offered():
            if version.arn(self.region) == arn:
                return ActionResult({"PlatformDescription": version.described(self.region)})
        raise ResourceNotFound(f"No Platform found for PlatformArn = '{arn}'.")

    def update_tags_for_resource(self) -> EmptyResult:
        resource = self._backend.tagged(self._text("ResourceArn") or "")
        for key in self._list("TagsToRemove"):
            resource.tags.pop(key, None)
        resource.tags |= {tag["Key"]: tag["Value"] for tag in self._list("TagsToAdd")}
        self._add_event("Environment tag update completed successfully.", resource)
        return EmptyResult()

    def list_tags_for_resource(self) -> ActionResult:
        arn = self._text("ResourceArn") or ""
        tags = [{"Key": key, "Value": value} for key, value in self._backend.tagged(arn).tags.items()]
        return ActionResult({"ResourceArn": arn, "ResourceTags": tags})


def _filtered_value(summary: Mapping[str, Any], attribute: str) -> str:
    if attribute in ("SupportedTier", "SupportedAddon"):
        return str(summary[f"{attribute}List"][0])
    return str(summary.get(attribute, ""))


_CPU = ("User", "Nice", "System", "Idle", "IOWait", "IRQ", "SoftIRQ")


def _metrics() -> Mapping[str, Any]:
    codes = dict.fromkeys(("Status2xx", "Status3xx", "Status4xx", "Status5xx"), 0)
    return {"Duration": 10, "RequestCount": 0, "StatusCodes": codes, "Latency": {}}


def parse_time(value: str | datetime | None) -> datetime | None:
    """Parse a timestamp parameter, which the EB CLI writes in Python's format."""
    at = parse_timestamp(value) if isinstance(value, str) else value
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
