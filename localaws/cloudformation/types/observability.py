"""AWS::Logs and AWS::CloudWatch types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..resource import Resource, ResourceType, sets

_logs = partial(ResourceType, service="logs")
_cloudwatch = partial(ResourceType, service="cloudwatch")


def _create_log_group(group: Resource) -> None:
    tags = group.tag_arguments("create_log_group")
    group.call("create_log_group", logGroupName=group.name, **group.pick("KmsKeyId"), **tags)
    group.physical_id = group.name


def _create_filter(metric_filter: Resource, _: Mapping[str, Any] | None = None) -> None:
    transformations = [dict(given) for given in metric_filter.properties["MetricTransformations"]]
    for transformation in transformations:
        if dimensions := transformation.get("Dimensions"):
            transformation["Dimensions"] = {pair["Key"]: pair["Value"] for pair in dimensions}
    metric_filter.call(
        "put_metric_filter",
        FilterName=metric_filter.name,
        LogGroupName=metric_filter.properties["LogGroupName"],
        FilterPattern=metric_filter.properties.get("FilterPattern", ""),
        MetricTransformations=transformations,
    )
    metric_filter.physical_id = metric_filter.name


def _keep(resource: Resource, _: Mapping[str, Any] | None = None) -> None:
    resource.physical_id = resource.name


TYPES = (
    _logs(
        name="AWS::Logs::LogGroup",
        create=_create_log_group,
        known=frozenset({"KmsKeyId"}),
        named="LogGroupName",
        name_limit=512,
        settings={
            "RetentionInDays": sets("put_retention_policy", "retentionInDays", "delete_retention_policy")
        },
        ignored=frozenset({"LogGroupClass", "DataProtectionPolicy", "DeletionProtectionEnabled"}),
        delete="delete_log_group",
        attributes={"Arn": "arn:aws:logs:{region}:{account}:log-group:{name}:*"},
        tagged="arn:aws:logs:{region}:{account}:log-group:{name}",
    ),
    _logs(
        name="AWS::Logs::MetricFilter",
        create=_create_filter,
        known=frozenset({"LogGroupName"}),
        named="FilterName",
        update=_create_filter,
        mutable=frozenset({"FilterPattern", "MetricTransformations"}),
        delete="delete_metric_filter",
    ),
    _logs(
        name="AWS::Logs::ResourcePolicy",
        create="put_resource_policy",
        named="PolicyName",
        update="put_resource_policy",
        delete="delete_resource_policy",
        delete_with={"policyName": "{name}"},
    ),
    _cloudwatch(
        name="AWS::CloudWatch::Alarm",
        create="put_metric_alarm",
        named="AlarmName",
        update="put_metric_alarm",
        delete="delete_alarms",
        delete_with={"AlarmNames": ["{name}"]},
        attributes={"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}"},
        tagged="arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
    ),
    _cloudwatch(
        name="AWS::CloudWatch::CompositeAlarm",
        create=_keep,
        known=frozenset(),
        named="AlarmName",
        update=_keep,
        mutable=frozenset(
            {
                "ActionsEnabled",
                "AlarmActions",
                "AlarmDescription",
                "AlarmRule",
                "InsufficientDataActions",
                "OKActions",
            }
            | {"ActionsSuppressor", "ActionsSuppressorExtensionPeriod", "ActionsSuppressorWaitPeriod", "Tags"}
        ),
        attributes={"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}"},
    ),
    _cloudwatch(
        name="AWS::CloudWatch::Dashboard",
        create="put_dashboard",
        named="DashboardName",
        update="put_dashboard",
        delete="delete_dashboards",
        delete_with={"DashboardNames": ["{name}"]},
    ),
)
