"""What an earlier deployment left under names that a stack would create again.

Production keeps its log groups, and AWS's services create some themselves when they write to one that was
deleted. A stack takes log groups over. It can't take over a secret: CloudFormation identifies one by its ARN,
which no template contains. So that is reported before anything is created.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ..aws import Aws, code
from ..cloudformation.stack import EMPTY, UNUSABLE
from ..cloudformation.stacks import Stacks

LOG_GROUP = "AWS::Logs::LogGroup"
SECRET = "AWS::SecretsManager::Secret"


@dataclass(frozen=True, slots=True)
class NameInUse:
    """A resource that a stack would create, and whose name is in use."""

    logical_id: str
    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.type}) exists already"

    @property
    def remedy(self) -> str:
        """How to make the name free; empty for what the stack takes over."""
        if self.type != SECRET:
            return ""
        command = f"aws secretsmanager delete-secret --secret-id {self.name}"
        return f"{command} --force-delete-without-recovery   # once nothing reads it any more"


def names_in_use(aws: Aws, stacks: Stacks, stack: str, document: Mapping[str, Any]) -> tuple[NameInUse, ...]:
    """Return the names in use of resources that *document*, the template of *stack*, adds to it."""
    described = stacks.describe(stack)
    if described and described["StackStatus"] in UNUSABLE:
        return ()  # it is deleted first
    exists = described is not None and described["StackStatus"] != EMPTY
    present = stacks.template(stack)["Resources"] if exists else {}
    added = {key: value for key, value in document.get("Resources", {}).items() if key not in present}
    return tuple(_in_use(aws, added))


def _in_use(aws: Aws, resources: Mapping[str, Any]) -> Iterator[NameInUse]:
    for logical_id, resource in resources.items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind == LOG_GROUP and _log_group_exists(aws, properties["LogGroupName"]):
            yield NameInUse(logical_id, kind, properties["LogGroupName"])
        elif kind == SECRET and "Name" in properties and _secret_exists(aws, properties["Name"]):
            yield NameInUse(logical_id, kind, properties["Name"])


def _log_group_exists(aws: Aws, name: str) -> bool:
    pages = aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    return any(group["logGroupName"] == name for page in pages for group in page["logGroups"])


def _secret_exists(aws: Aws, name: str) -> bool:
    """Return whether a secret has the name, which one that is scheduled for deletion keeps as well."""
    try:
        aws.client("secretsmanager").describe_secret(SecretId=name)
    except ClientError as error:
        if code(error) != "ResourceNotFoundException":
            raise
        return False
    return True
