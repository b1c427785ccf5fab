"""Change sets: how one is created, read and discarded."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from ..errors import TimedOut
from ..polling import PollingClock, attempts
from .changes import ResourceChange, parse
from .stack import StackError, StackSpec

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ChangeTypeDef, CreateChangeSetInputTypeDef

PREFIX = "beanvault-"
CHANGE_SET_SECONDS = 300
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
"""CloudFormation's reasons for refusing a change set without changes; its API has no code for them."""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What would be changed, ready to be executed."""

    arn: str
    stack: str
    creates_stack: bool
    changes: tuple[ResourceChange, ...]


@dataclass(frozen=True, slots=True)
class ChangeSets:
    """The change sets that this project creates."""

    client: CloudFormationClient
    clock: PollingClock = field(default_factory=PollingClock)

    def create(
        self, stack: StackSpec, kind: Literal["CREATE", "UPDATE"], *, revert_drift: bool
    ) -> ChangeSet | None:
        """Create a change set and wait until it is ready; return None when there is nothing to change.

        Raises:
            StackError: CloudFormation refused it
            TimedOut: it isn't ready after five minutes
        """
        arn = self.client.create_change_set(**_request(stack, kind, revert_drift=revert_drift))["Id"]
        creates_stack = kind == "CREATE"
        for _ in attempts(self.clock, CHANGE_SET_SECONDS):
            described = self.client.describe_change_set(ChangeSetName=arn, StackName=stack.name)
            match described["Status"]:
                case "CREATE_COMPLETE":
                    changes = parse(self._changes(arn, stack.name))
                    return ChangeSet(arn, stack.name, creates_stack, changes)
                case "FAILED":
                    reason = described.get("StatusReason", "")
                    unchanged = any(words in reason for words in NO_CHANGES)
                    details = () if unchanged else self._validation_errors(arn, stack.name)
                    self.discard(ChangeSet(arn, stack.name, creates_stack, ()))
                    if unchanged:
                        return None
                    because = "; ".join(details) or reason
                    raise StackError(
                        f"{stack.name}: CloudFormation refused the change set: {because}",
                        "fix the cause and run the command again; nothing of this stack was changed",
                    )
        raise TimedOut(
            f"{stack.name}: the change set is not ready after {CHANGE_SET_SECONDS} s", "run the command again"
        )

    def discard(self, change_set: ChangeSet) -> None:
        """Delete a change set that won't be executed, and the empty stack that a first one creates."""
        self.client.delete_change_set(StackName=change_set.stack, ChangeSetName=change_set.arn)
        if change_set.creates_stack:
            self.client.delete_stack(StackName=change_set.stack)

    def discard_leftovers(self, stack: str) -> None:
        """Delete the change sets that interrupted runs left in *stack*."""
        pages = self.client.get_paginator("list_change_sets").paginate(StackName=stack)
        for summary in [item for page in pages for item in page["Summaries"]]:
            executed = summary.get("ExecutionStatus") in ("EXECUTE_IN_PROGRESS", "EXECUTE_COMPLETE")
            if summary["ChangeSetName"].startswith(PREFIX) and not executed:
                self.client.delete_change_set(StackName=stack, ChangeSetName=summary["ChangeSetId"])

    def _validation_errors(self, arn: str, stack: str) -> tuple[str, ...]:
        """Return what is wrong with which resource, which DescribeChangeSet leaves out.

        It explains an error that is reported anyway, so whatever prevents it is no error of its own.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
        """
        pages = self.client.get_paginator("describe_events").paginate(
            ChangeSetName=arn, StackName=stack, Filters={"FailedEvents": True}
        )
        try:
            events = [event for page in pages for event in page["OperationEvents"]]
        except (BotoCoreError, ClientError):
            return ()
        return tuple(
            f"{event.get('LogicalResourceId', stack)} ({event.get('ResourceType', '')}): {reason}"
            for event in events
            if (reason := event.get("ValidationStatusReason") or event.get("ResourceStatusReason"))
        )

    def _changes(self, arn: str, stack: str) -> Iterator[ChangeTypeDef]:
        pages = self.client.get_paginator("describe_change_set")
        for page in pages.paginate(ChangeSetName=arn, StackName=stack):
            yield from page.get("Changes") or ()


def _request(
    stack: StackSpec, kind: Literal["CREATE", "UPDATE"], *, revert_drift: bool
) -> CreateChangeSetInputTypeDef:
    request: CreateChangeSetInputTypeDef = {
        "StackName": stack.name,
        "ChangeSetName": f"{PREFIX}{secrets.token_hex(8)}",
        "ChangeSetType": kind,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value} for key, value in sorted(stack.parameters.items())
        ],
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(stack.tags.items())],
    }
    if stack.template.url is None:
        request["TemplateBody"] = stack.template.body
    else:
        request["TemplateURL"] = stack.template.url
    if stack.imports_existing:
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
        request["ImportExistingResources"] = True
    if revert_drift and kind == "UPDATE":
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
        request["DeploymentMode"] = "REVERT_DRIFT"
    return request
