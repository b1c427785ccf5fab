"""Applications and environments of one account and region, and their events."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.resource_tagging import TaggedResource
from moto.elasticbeanstalk import urls
from moto.elasticbeanstalk.models import EBBackend

from .bundle import PYTHON, Options
from .instance import LAUNCH, PROCESS, Instance
from .platforms import platform_arn
from .processes import free_port

ENVIRONMENT = "aws:elasticbeanstalk:environment"
SHARED = ("aws:elbv2:loadbalancer", "SharedLoadBalancer")

DEFAULTS: Options = {
    (ENVIRONMENT, "EnvironmentType"): "LoadBalanced",
    (ENVIRONMENT, "LoadBalancerType"): "classic",
    (ENVIRONMENT, "LoadBalancerIsShared"): "false",
    ("aws:elasticbeanstalk:healthreporting:system", "SystemType"): "enhanced",
    ("aws:elasticbeanstalk:command", "DeploymentPolicy"): "AllAtOnce",
    ("aws:elasticbeanstalk:command", "Timeout"): "600",
    ("aws:elasticbeanstalk:cloudwatch:logs", "StreamLogs"): "false",
    (PYTHON, "WSGIPath"): "application",
    (PYTHON, "NumProcesses"): "1",
    (PYTHON, "NumThreads"): "15",
    (PROCESS, "Port"): "80",
    (PROCESS, "Protocol"): "HTTP",
    (PROCESS, "HealthCheckPath"): "/",
    (PROCESS, "MatcherHTTPCode"): "200",
    (PROCESS, "DeregistrationDelay"): "20",
    (LAUNCH, "DisableIMDSv1"): "true",
    ("aws:autoscaling:asg", "MinSize"): "1",
    ("aws:autoscaling:asg", "MaxSize"): "4",
}


class InvalidParameterValue(ServiceException):
    code = "InvalidParameterValue"


class InsufficientPrivileges(ServiceException):
    code = "InsufficientPrivilegesException"


class ResourceNotFound(ServiceException):
    code = "ResourceNotFoundException"


def now() -> datetime:
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(slots=True)
class Application:
    name: str
    arn: str
    description: str | None
    tags: dict[str, str]
    lifecycle: dict[str, Any]
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Label → ApplicationVersionDescription, oldest first."""

    def description_of(self) -> dict[str, Any]:
        return {
            "ApplicationArn": self.arn,
            "ApplicationName": self.name,
            "Description": self.description,
            "DateCreated": self.created,
            "DateUpdated": self.updated,
            "Versions": list(reversed(self.versions)),
            "ConfigurationTemplates": [],
            "ResourceLifecycleConfig": self.lifecycle,
        }


def _slots() -> tuple[dict[int, int], dict[int, int]]:
    return ({80: free_port(), 443: free_port()}, {80: free_port(), 443: free_port()})


@dataclass(slots=True)
class Environment:
    application: Application
    name: str
    region: str
    account: str
    arn: str
    stack: str
    description: str | None
    tier: dict[str, str]
    version: str | None
    tags: dict[str, str]
    settings: dict[tuple[str, str], str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: f"e-{secrets.token_hex(5)}")
    port: int = field(default_factory=free_port)
    """The port of its load balancer; `localhost` and this port are its CNAME."""
    slots: tuple[dict[int, int], dict[int, int]] = field(default_factory=_slots)
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    status: str = "Launching"
    instance: Instance | None = None
    target_group: str | None = None
    """ARN of its target group on a shared load balancer."""
    rules: list[str] = field(default_factory=list)
    """ARNs of its listener rules there."""
    aborted: threading.Event = field(default_factory=threading.Event)
    working: threading.Lock = field(default_factory=threading.Lock)
    deployment: int = 0
    deployed: datetime = field(default_factory=now)
    terminated: datetime | None = None

    @property
    def options(self) -> Options:
        return {**DEFAULTS, **(self.instance.extension_options if self.instance else {}), **self.settings}

    @property
    def cname(self) -> str:
        return f"localhost:{self.port}"

    @property
    def causes(self) -> list[str]:
        return self.instance.causes if self.instance else ["No instance runs the application."]

    @property
    def health(self) -> tuple[str, str]:
        """Colour and enhanced health status."""
        if self.terminated or self.status in ("Launching", "Terminating"):
            return "Grey", "Pending" if self.status == "Launching" else "Info"
        if self.causes:
            return "Red", "Severe"
        return "Green", "Info" if self.status == "Updating" else "Ok"

    def description_of(self) -> dict[str, Any]:
        colour, status = self.health
        return {
            "EnvironmentName": self.name,
            "EnvironmentId": self.id,
            "EnvironmentArn": self.arn,
            "ApplicationName": self.application.name,
            "VersionLabel": self.version or "Sample Application",
            "SolutionStackName": self.stack,
            "PlatformArn": platform_arn(self.stack, self.region),
            "Description": self.description,
            "EndpointURL": self.cname,
            "CNAME": self.cname,
            "DateCreated": self.created,
            "DateUpdated": self.updated,
            "Status": self.status,
            "AbortableOperationInProgress": self.status == "Updating",
            "Health": colour,
            "HealthStatus": status,
            "Tier": self.tier,
            "EnvironmentLinks": [],
        }


class Beanstalk(EBBackend):
    """Replaces moto's backend, which has no versions, options or events."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.applications: dict[str, Application] = {}  # type: ignore[assignment]  # ours, not moto's
        self.environments: list[Environment] = []
        self._events: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._used: dict[str, datetime] = {}
        """Solution stack to the last time that an environment was seen with it."""

    @property
    def _url_module(self) -> ModuleType:
        return urls  # moto would derive the module from this class's

    def stacks_used(self) -> frozenset[str]:
        """Return the solution stacks that environments used in the last 30 days."""
        self.note_stacks()
        since = now() - timedelta(days=30)
        return frozenset(stack for stack, last in self._used.items() if last > since)

    def note_stacks(self) -> None:
        """Record which solution stacks are in use; called before an environment moves to another."""
        for environment in self.environments:
            self._used[environment.stack] = environment.terminated or now()

    def arn(self, kind: str, path: str) -> str:
        return f"arn:aws:elasticbeanstalk:{self.region_name}:{self.account_id}:{kind}/{path}"

    def application(self, name: str) -> Application:
        if name not in self.applications:
            raise InvalidParameterValue(f"No Application named '{name}' found.")
        return self.applications[name]

    def live(self, application: Application | None = None) -> list[Environment]:
        return [
            environment
            for environment in self.environments
            if not environment.terminated and application in (None, environment.application)
        ]

    def environment(self, name: str | None, identifier: str | None) -> Environment:
        for environment in self.live():
            if environment.name == name or environment.id == identifier:
                return environment
        raise InvalidParameterValue(f"No Environment found for EnvironmentName = '{name or identifier}'.")

    def tagged(self, arn: str) -> Application | Environment:
        resources: list[Application | Environment] = [*self.live(), *self.applications.values()]
        for resource in resources:
            if resource.arn == arn:
                return resource
        raise ResourceNotFound(f"Resource not found for ARN '{arn}'.")

    def add_event(
        self,
        message: str,
        request: str,
        *,
        application: str,
        environment: Environment | None = None,
        severity: str = "INFO",
        version: str | None = None,
    ) -> None:
        """Record an event with the id of the request that caused it; the EB CLI follows it by that id."""
        with self._lock:
            moment = now()
            if self._events:  # the CLI asks for events after the last one
                moment = max(moment, self._events[-1]["EventDate"] + timedelta(milliseconds=2))
            self._events.append(
                {
                    "EventDate": moment,
                    "Message": message,
                    "ApplicationName": application,
                    "EnvironmentName": environment.name if environment else None,
                    "PlatformArn": platform_arn(environment.stack, self.region_name) if environment else None,
                    "RequestId": request,
                    "Severity": severity,
                    "VersionLabel": version,
                }
            )
            del self._events[:-5000]

    def events(self) -> list[dict[str, Any]]:
        """Return all events, the latest first."""
        with self._lock:
            return self._events[::-1]

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        for environment in self.live():
            yield TaggedResource(
                arn=environment.arn,
                tags=dict(environment.tags),
                resource_type="elasticbeanstalk:environment",
                extra={"include_untagged": True},
            )
