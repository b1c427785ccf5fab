"""AWS::Lambda and AWS::AutoScaling types."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..resource import Resource
from ..resource_type import ResourceType, names

_lambda = partial(ResourceType, service="lambda")


def _code(function: Resource) -> dict[str, Any]:
    """Return the function's code; inline source becomes a zip."""
    code = dict(function.properties["Code"])
    if "ZipFile" in code:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", code["ZipFile"])
        code["ZipFile"] = packed.getvalue()
    return code


def _create_function(function: Resource) -> None:
    function.take_answer(
        function.call(
            "create_function",
            **function.named_argument()
            | function.create_arguments()
            | function.tag_arguments("create_function")
            | {"Code": _code(function)},
        )
    )


def _update_function(function: Resource, old: Mapping[str, Any]) -> None:
    if function.changed(old, "Code"):
        function.call("update_function_code", FunctionName=function.name, **_code(function))
    configuration = set(function.properties) - {"Code", "Tags"}
    changed = [
        name for name in configuration if function.changed(old, name) and name not in function.type.settings
    ]
    if changed:
        arguments = function.pick(*changed)
        arguments.pop("FunctionName", None)
        function.call("update_function_configuration", FunctionName=function.name, **arguments)


def _concurrency(function: Resource) -> None:
    name = {"FunctionName": function.name}
    if "ReservedConcurrentExecutions" in function.properties:
        function.call("put_function_concurrency", **name, **function.pick("ReservedConcurrentExecutions"))
    else:
        function.call("delete_function_concurrency", **name)


def _permit(permission: Resource) -> None:
    permission.call("add_permission", StatementId=permission.name, **permission.properties)
    permission.physical_id = permission.name


def _invoke_config(config: Resource, _: Mapping[str, Any] | None = None) -> None:
    config.call("put_function_event_invoke_config", **config.properties)
    config.physical_id = f"{config.properties['FunctionName']}|{config.properties['Qualifier']}"


def _group_tags(group: Resource) -> None:
    where = {"ResourceId": group.name, "ResourceType": "auto-scaling-group"}
    tags = [{"PropagateAtLaunch": True, **tag, **where} for tag in group.properties.get("Tags") or []]
    group.call("create_or_update_tags", Tags=tags)


def _create_group(group: Resource) -> None:
    plain = group.create_arguments()
    if isinstance(plain.get("VPCZoneIdentifier"), list):
        plain["VPCZoneIdentifier"] = ",".join(plain["VPCZoneIdentifier"])
    group.call("create_auto_scaling_group", AutoScalingGroupName=group.name, **plain)
    group.physical_id = group.name


def _update_group(group: Resource, old: Mapping[str, Any]) -> None:
    arguments = group.pick(
        *(name for name in group.properties if name != "Tags" and group.changed(old, name))
    )
    if isinstance(arguments.get("VPCZoneIdentifier"), list):
        arguments["VPCZoneIdentifier"] = ",".join(arguments["VPCZoneIdentifier"])
    group.call("update_auto_scaling_group", AutoScalingGroupName=group.name, **arguments)
    if group.changed(old, "LaunchTemplate"):
        _replace_instances(group)


def _replace_instances(group: Resource) -> None:
    """Replace each instance, the old one first, as the rolling update of all our groups does."""
    described = group.call("describe_auto_scaling_groups", AutoScalingGroupNames=[group.name])
    for instance in described["AutoScalingGroups"][0]["Instances"]:
        group.call(
            "terminate_instance_in_auto_scaling_group",
            InstanceId=instance["InstanceId"],
            ShouldDecrementDesiredCapacity=False,
        )


TYPES = (
    _lambda(
        name="AWS::Lambda::Function",
        create=_create_function,
        named="FunctionName",
        name_limit=64,
        settings={"ReservedConcurrentExecutions": _concurrency},
        update=_update_function,
        mutable=names(
            "Code DeadLetterConfig Description Environment Handler KmsKeyArn LoggingConfig MemorySize Role "
            "Runtime Timeout TracingConfig VpcConfig"
        ),
        delete="delete_function",
        delete_with={"FunctionName": "{name}"},
        attributes={"Arn": "FunctionArn"},
        tagged="FunctionArn",
    ),
    _lambda(
        name="AWS::Lambda::Permission",
        create=_permit,
        delete="remove_permission",
        delete_with={"FunctionName": "FunctionName", "StatementId": "{id}"},
    ),
    _lambda(
        name="AWS::Lambda::EventInvokeConfig",
        create=_invoke_config,
        update=_invoke_config,
        mutable=names("DestinationConfig MaximumEventAgeInSeconds MaximumRetryAttempts"),
        delete="delete_function_event_invoke_config",
    ),
    ResourceType(
        name="AWS::AutoScaling::AutoScalingGroup",
        service="autoscaling",
        create=_create_group,
        named="AutoScalingGroupName",
        settings={"Tags": _group_tags},
        update=_update_group,
        mutable=names(
            "DesiredCapacity HealthCheckGracePeriod HealthCheckType LaunchTemplate MaxSize MinSize "
            "VPCZoneIdentifier"
        ),
        delete="delete_auto_scaling_group",
        delete_with={"AutoScalingGroupName": "{name}", "ForceDelete": True},
        tagged="{name}",
    ),
)
