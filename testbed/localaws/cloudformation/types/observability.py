"""AWS::Logs and AWS::CloudWatch types."""

from __future__ import annotations

from functools import partial

from ..resource import Resource
from ..resource_type import ResourceType, names, sets

_logs = partial(ResourceType, service="logs")
_cloudwatch = partial(ResourceType, service="cloudwatch")


def _create_log_group(group: Resource) -> None:
    tags = group.tag_arguments("create_log_group")
    group.call("create_log_group", logGroupName=group.name, **group.pick("KmsKeyId"), **tags)
    group.physical_id = group.name


TYPES = (
    _logs(
        name="AWS::Logs::LogGroup",
        create=_create_log_group,
        known=names("KmsKeyId"),
        named="LogGroupName",
        name_limit=512,
        settings={
            "RetentionInDays": sets("put_retention_policy", "retentionInDays", "delete_retention_policy")
        },
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
