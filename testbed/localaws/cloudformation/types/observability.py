"""AWS::Logs and AWS::CloudWatch types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..resource import Resource
from ..resource_type import ResourceType, sets

_logs = partial(ResourceType, service="logs")
_cloudwatch = partial(ResourceType, service="cloudwatch")


def _create_log_group(group: Resource) -> None:
    tags = group.tag_arguments("create_log_group")
    group.call("create_log_group", logGroupName=group.name, **tags)
    group.physical_id = group.name


def _encrypt(group: Resource) -> None:
    if key := group.properties.get("KmsKeyId"):
        group.call("associate_kms_key", logGroupName=group.name, kmsKeyId=key)
    else:
        group.call("disassociate_kms_key", logGroupName=group.name)


def _find_log_group(group: Resource) -> Mapping[str, Any] | None:
    found = group.call("describe_log_groups", logGroupNamePrefix=group.name)["logGroups"]
    return next((each for each in found if each["logGroupName"] == group.name), None)


TYPES = (
    _logs(
        name="AWS::Logs::LogGroup",
        create=_create_log_group,
        known=frozenset(),
        named="LogGroupName",
        name_limit=512,
        settings={
            "RetentionInDays": sets("put_retention_policy", "retentionInDays", "delete_retention_policy"),
            "KmsKeyId": _encrypt,
        },
        find=_find_log_group,
        delete="delete_log_group",
        attributes={"Arn": "arn:aws:logs:{region}:{account}:log-group:{name}:*"},
        tagged="arn:aws:logs:{region}:{account}:log-group:{name}",
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
        name="AWS::CloudWatch::Dashboard",
        create="put_dashboard",
        named="DashboardName",
        update="put_dashboard",
        delete="delete_dashboards",
        delete_with={"DashboardNames": ["{name}"]},
    ),
)
