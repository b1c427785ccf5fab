"""AWS::ElasticBeanstalk types."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..errors import ResourceFailed
from ..resource import Resource
from ..resource_type import ResourceType, names

_beanstalk = partial(ResourceType, service="elasticbeanstalk")

READY_WITHIN_SECONDS = 600
_Option = tuple[str, str, str]


def _options(properties: Mapping[str, Any]) -> dict[_Option, dict[str, str]]:
    return {
        (o["Namespace"], o.get("ResourceName", ""), o["OptionName"]): {
            key: str(value) for key, value in o.items()
        }
        for o in properties.get("OptionSettings") or []
    }


def _environment(resource: Resource) -> dict[str, Any]:
    found = resource.call(
        "describe_environments", EnvironmentNames=[resource.name], **resource.pick("ApplicationName")
    )["Environments"]
    described: dict[str, Any] = found[-1] if found else {}
    return described


def _wait(resource: Resource, desired: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while (status := _environment(resource).get("Status", "Terminated")) != desired:
        if status == "Terminated":
            raise ResourceFailed(f"Environment {resource.name} was terminated before it became {desired}.")
        if time.monotonic() > deadline:
            raise ResourceFailed(
                f"Environment {resource.name} is still {status} after {READY_WITHIN_SECONDS} s."
            )
        time.sleep(0.2)


def _create(environment: Resource) -> None:
    plain = environment.create_arguments() | {
        "OptionSettings": list(_options(environment.properties).values())
    }
    if template := plain.get("Tier"):
        plain["Tier"] = {key: str(value) for key, value in template.items()}
    tags = environment.tag_arguments("create_environment")
    answer = environment.call("create_environment", EnvironmentName=environment.name, **plain, **tags)
    environment.take_answer(answer)
    _wait(environment, "Ready")


def _update(environment: Resource, old: Mapping[str, Any]) -> None:
    """Send what changed. The version label only if the template changed it: `eb deploy` decides otherwise."""
    now, was = _options(environment.properties), _options(old)
    removed = [
        {k: v for k, v in option.items() if k != "Value"} for key, option in was.items() if key not in now
    ]
    names = ("Description", "VersionLabel", "TemplateName", "SolutionStackName", "PlatformArn")
    environment.call(
        "update_environment",
        EnvironmentName=environment.name,
        **environment.pick(*(name for name in names if environment.changed(old, name))),
        OptionSettings=[option for key, option in now.items() if was.get(key) != option],
        OptionsToRemove=removed,
    )
    _wait(environment, "Ready")


def _terminate(environment: Resource) -> None:
    environment.call("terminate_environment", EnvironmentName=environment.name)
    _wait(environment, "Terminated")


def _endpoint(environment: Resource) -> str:
    return str(_environment(environment).get("EndpointURL", ""))


TYPES = (
    _beanstalk(
        name="AWS::ElasticBeanstalk::Application",
        create="create_application",
        answer="Application",
        named="ApplicationName",
        name_limit=100,
        update="update_application",
        delete="delete_application",
        delete_with={"ApplicationName": "{name}", "TerminateEnvByForce": True},
    ),
    _beanstalk(
        name="AWS::ElasticBeanstalk::ApplicationVersion",
        create="create_application_version",
        answer="ApplicationVersion",
        named="VersionLabel",  # no property of that name exists, so each version's is made up
        name_limit=100,
        constants={"Process": True},
        update="update_application_version",
        delete="delete_application_version",
        delete_with={"ApplicationName": "ApplicationName", "VersionLabel": "{id}"},
    ),
    _beanstalk(
        name="AWS::ElasticBeanstalk::Environment",
        create=_create,
        named="EnvironmentName",
        name_limit=40,
        update=_update,
        mutable=names("Description OptionSettings VersionLabel TemplateName SolutionStackName PlatformArn"),
        delete=_terminate,
        attributes={"EndpointURL": _endpoint},
        tagged="{EnvironmentArn}",
    ),
)
