"""What deleted stacks left, as far as CloudFormation remembers: so a second `destroy` lists it as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..aws import Aws
from ..cloudformation.stack import StackResource
from .resource_types import WITH_SNAPSHOTS

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackSummaryTypeDef

REMEMBERED = 5
"""Of how many deleted stacks of one name the leftovers are listed, the last ones."""


def left_by_deleted(aws: Aws, names: Iterable[str]) -> Iterator[StackResource]:
    """Yield the resources that deleted stacks of these *names* kept, whether or not they still exist.

    CloudFormation remembers a deleted stack for 90 days.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStacks.html
    """
    client = aws.client("cloudformation")
    deleted: dict[str, list[StackSummaryTypeDef]] = {name: [] for name in names}
    for page in client.get_paginator("list_stacks").paginate(StackStatusFilter=["DELETE_COMPLETE"]):
        for summary in page["StackSummaries"]:
            if summary["StackName"] in deleted:
                deleted[summary["StackName"]].append(summary)
    for summaries in deleted.values():
        for summary in sorted(summaries, key=_deleted_at, reverse=True)[:REMEMBERED]:
            pages = client.get_paginator("list_stack_resources").paginate(StackName=summary["StackId"])
            for item in (item for page in pages for item in page["StackResourceSummaries"]):
                kept = item["ResourceStatus"] == "DELETE_SKIPPED" or item["ResourceType"] in WITH_SNAPSHOTS
                if kept and item.get("PhysicalResourceId"):
                    yield StackResource(item["ResourceType"], item["PhysicalResourceId"], retained=True)


def _deleted_at(summary: StackSummaryTypeDef) -> str:
    return summary["DeletionTime"].isoformat()
