"""What an earlier deployment left under names that a stack would create again.

Production keeps its log groups, and AWS's services create some themselves when they write to one that was
deleted. A stack takes log groups over. It can't take over a secret: CloudFormation identifies one by its ARN,
which no template contains. So that is reported before anything is created.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from templates.resource_tags import DEPLOYMENT_TAG

from ..aws import Aws, code
from ..cloudformation.stack import EMPTY, UNUSABLE
from ..cloudformation.stacks import Stacks

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import LogGroupTypeDef

LOG_GROUP = "AWS::Logs::LogGroup"
SECRET = "AWS::SecretsManager::Secret"


@dataclass(frozen=True, slots=True)
class NameInUse:
    """A resource that a stack would create, and whose name is in use."""

    logical_id: str
    type: str
    name: str
    remedy: str = ""
    """How to make the name free; empty for what the stack takes over."""
    loses_events: bool = False
    """Whether a log group has events that are older than the stack would keep them."""

    def __str__(self) -> str:
        return f"{self.name} ({self.type}) exists already"


def names_in_use(
    aws: Aws, stacks: Stacks, stack: str, document: Mapping[str, Any], now: dt.datetime
) -> tuple[NameInUse, ...]:
    """Return the names in use of resources that *document*, the template of *stack*, adds to it."""
    described = stacks.describe(stack)
    if described and described["StackStatus"] in UNUSABLE:
        return ()  # it is deleted first
    exists = described is not None and described["StackStatus"] != EMPTY
    present = stacks.template(stack)["Resources"] if exists else {}
    added = {key: value for key, value in document.get("Resources", {}).items() if key not in present}
    return tuple(_in_use(aws, added, now))


def _in_use(aws: Aws, resources: Mapping[str, Any], now: dt.datetime) -> Iterator[NameInUse]:
    for logical_id, resource in resources.items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind == LOG_GROUP and (group := _log_group(aws, properties["LogGroupName"])):
            yield NameInUse(
                logical_id,
                kind,
                properties["LogGroupName"],
                _remedy_for_group(aws, group, properties),
                loses_events=_loses_events(group, properties.get("RetentionInDays"), now),
            )
        elif kind == SECRET and "Name" in properties and _secret_exists(aws, properties["Name"]):
            command = f"aws secretsmanager delete-secret --secret-id {properties['Name']}"
            yield NameInUse(
                logical_id,
                kind,
                properties["Name"],
                f"once nothing reads it any more: {command} --force-delete-without-recovery "
                f"--region {aws.region}",
            )


def _log_group(aws: Aws, name: str) -> LogGroupTypeDef | None:
    pages = aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    return next(
        (group for page in pages for group in page["logGroups"] if group["logGroupName"] == name), None
    )


def _remedy_for_group(aws: Aws, group: LogGroupTypeDef, properties: Mapping[str, Any]) -> str:
    """Return how to let the stack have a log group that can be another owner's; empty where it is ours.

    Names in a folder have the deployment's own names in them; AWS requires the others (`aws-waf-logs-NAME`).
    """
    if properties["LogGroupName"].startswith("/"):
        return ""
    own = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())}[DEPLOYMENT_TAG]
    arn = group["arn"].removesuffix(":*")
    if aws.client("logs").list_tags_for_resource(resourceArn=arn)["tags"].get(DEPLOYMENT_TAG) == own:
        return ""
    return (
        f"give the deployment another name; if the log group is {own}'s: aws logs tag-resource "
        f"--resource-arn {arn} --tags {DEPLOYMENT_TAG}={own} --region {aws.region}"
    )


def _loses_events(group: LogGroupTypeDef, days: int | None, now: dt.datetime) -> bool:
    kept = group.get("retentionInDays")
    if days is None or not group.get("storedBytes") or (kept is not None and kept <= days):
        return False
    return dt.datetime.fromtimestamp(group["creationTime"] / 1000, dt.UTC) < now - dt.timedelta(days=days)


def _secret_exists(aws: Aws, name: str) -> bool:
    """Return whether a secret has the name, which one that is scheduled for deletion keeps as well."""
    try:
        aws.client("secretsmanager").describe_secret(SecretId=name)
    except ClientError as error:
        if code(error) != "ResourceNotFoundException":
            raise
        return False
    return True
