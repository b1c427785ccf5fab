"""CloudFormation's operations over the engine, served through moto's request machinery."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import unquote, urlparse

from moto.core.responses import ActionResult, BaseResponse, EmptyResult

from .. import moto_client
from . import template
from .engine import Region
from .errors import ValidationError
from .stack import DesiredStack, Stack, StoredChangeSet

_lock = threading.Lock()
_regions: dict[tuple[str, str], Region] = {}


class CloudFormationResponse(BaseResponse):
    def __init__(self) -> None:
        super().__init__(service_name="cloudformation")
        self.automated_parameter_parsing = True

    @property
    def _engine(self) -> Region:
        key = (self.current_account, self.region)
        with _lock:
            return _regions.setdefault(key, Region(*key))

    # parameters that several operations have

    def _text(self, name: str) -> str:
        return str(self._get_param(name) or "")

    def _pairs(self, name: str) -> dict[str, str] | None:
        given = self._get_param(name)
        return {tag["Key"]: tag.get("Value", "") for tag in given} if given else None

    def _parameters(self) -> dict[str, Any]:
        return {
            p["ParameterKey"]: None if p.get("UsePreviousValue") else p.get("ParameterValue", "")
            for p in self._get_param("Parameters") or []
        }

    def _body(self, stack: Stack | None = None) -> str:
        body, url = self._text("TemplateBody"), self._text("TemplateURL")
        if stack and self._get_param("UsePreviousTemplate"):
            return stack.desired.body
        if bool(body) == bool(url):
            raise ValidationError("Either Template URL or Template Body must be specified.")
        if body:
            template.check_size(body)
            return body
        bucket, key = s3_location(url)
        found = moto_client.client("s3", self.region, self.current_account).get_object(Bucket=bucket, Key=key)
        body = str(found["Body"].read().decode())
        template.check_size(body, template.URL_LIMIT_BYTES, "templateURL")
        return body

    def _desired(self, stack: Stack | None = None) -> DesiredStack:
        tags = self._pairs("Tags")
        if tags is None:
            tags = stack.desired.tags if stack else {}
        capabilities = self._get_param("Capabilities") or []
        return self._engine.desired_stack(self._body(stack), self._parameters(), tags, capabilities, stack)

    def _apply_request_options(self, stack: Stack) -> None:
        stack.capabilities = tuple(self._get_param("Capabilities") or stack.capabilities)
        stack.role = self._text("RoleARN") or stack.role
        stack.disable_rollback = bool(self._get_param("DisableRollback"))

    def _stack(self) -> Stack:
        return self._engine.stack(self._text("StackName"))

    def _change_set(self) -> tuple[Stack, StoredChangeSet]:
        return self._engine.change_set(self._text("ChangeSetName"), self._text("StackName"))

    # stacks

    def delete_stack(self) -> ActionResult:
        try:
            stack = self._stack()
        except ValidationError:
            return EmptyResult()  # deleting a missing stack succeeds
        if self._text("DeletionMode") == "FORCE_DELETE_STACK":
            raise ValidationError("The local AWS has no FORCE_DELETE_STACK")
        self._engine.delete(stack, self._get_param("RetainResources") or ())
        return EmptyResult()

    def continue_update_rollback(self) -> ActionResult:
        if self._get_param("ForceRollback"):
            raise ValidationError("The local AWS has no ForceRollback")
        self._engine.continue_rollback(self._stack(), self._get_param("ResourcesToSkip") or ())
        return EmptyResult()

    def describe_stacks(self) -> ActionResult:
        name = self._text("StackName")
        stacks = (
            [self._engine.stack(name)] if name else [s for s in self._engine.stacks.values() if not s.deleted]
        )
        return ActionResult({"Stacks": [stack.described() for stack in stacks]})

    def list_stacks(self) -> ActionResult:
        """Include deleted stacks, which AWS lists for 90 days."""
        asked = self._get_param("StackStatusFilter") or ()
        return ActionResult(
            {
                "StackSummaries": [
                    {
                        "StackId": stack.id,
                        "StackName": stack.name,
                        "CreationTime": stack.created,
                        "DeletionTime": stack.deleted,
                        "StackStatus": stack.status,
                    }
                    for stack in self._engine.stacks.values()
                    if not asked or stack.status in asked
                ]
            }
        )

    def describe_stack_events(self) -> ActionResult:
        return ActionResult({"StackEvents": self._stack().events[::-1]})

    def describe_stack_resources(self) -> ActionResult:
        stack, only = self._stack(), self._text("LogicalResourceId")
        shown = [r for r in _resources(stack) if not only or r["LogicalResourceId"] == only]
        return ActionResult({"StackResources": shown})

    def list_stack_resources(self) -> ActionResult:
        return ActionResult({"StackResourceSummaries": _resources(self._stack())})

    def describe_events(self) -> ActionResult:
        """Return the validation errors of a change set, which is all that DescribeEvents has here."""
        if not self._text("ChangeSetName").startswith("arn:") and not self._text("StackName"):
            # So also for a change set's name: https://github.com/aws-cloudformation/cloudformation-cli/issues/1116
            raise ValidationError("One of ChangeSetName, OperationId or StackName must be specified")
        return ActionResult({"OperationEvents": list(self._change_set()[1].validation_errors)})

    def update_termination_protection(self) -> ActionResult:
        stack = self._stack()
        stack.termination_protection = bool(self._get_param("EnableTerminationProtection"))
        return ActionResult({"StackId": stack.id})

    # templates and exports

    def get_template(self) -> ActionResult:
        if self._text("ChangeSetName"):
            return ActionResult({"TemplateBody": self._change_set()[1].desired.body})
        return ActionResult({"TemplateBody": self._stack().desired.body})

    def list_exports(self) -> ActionResult:
        exports = self._engine.exports.all().items()
        return ActionResult(
            {
                "Exports": [
                    {"ExportingStackId": s.id, "Name": name, "Value": o.value} for name, (s, o) in exports
                ]
            }
        )

    def list_imports(self) -> ActionResult:
        name = self._text("ExportName")
        if not (users := self._engine.exports.importers(name)):
            raise ValidationError(f"Export '{name}' is not imported by any stack.")
        return ActionResult({"Imports": users})

    # change sets

    def create_change_set(self) -> ActionResult:
        kind, name = self._text("ChangeSetType") or "UPDATE", self._text("StackName")
        if kind not in ("CREATE", "UPDATE"):
            raise ValidationError(f"Change sets of type {kind} aren't supported by the local AWS")
        stack = self._engine.stack(name) if kind == "UPDATE" else None
        made = self._engine.create_change_set(
            name,
            self._text("ChangeSetName"),
            kind,
            self._desired(stack),
            reverts_drift=self._text("DeploymentMode") == "REVERT_DRIFT",
            imports_existing=bool(self._get_param("ImportExistingResources")),
            description=self._text("Description"),
        )
        stack, _ = self._engine.change_set(made.id)
        self._apply_request_options(stack)
        return ActionResult({"Id": made.id, "StackId": stack.id})

    def describe_change_set(self) -> ActionResult:
        stack, change_set = self._change_set()
        shown = _change_set_summary(stack, change_set)
        shown["Changes"] = [change.described() for change in change_set.changes]
        shown["Parameters"] = change_set.desired.shown_parameters()
        shown["Tags"] = [{"Key": key, "Value": value} for key, value in change_set.desired.tags.items()]
        shown["Capabilities"] = list(stack.capabilities)
        return ActionResult(shown)

    def list_change_sets(self) -> ActionResult:
        stack = self._stack()
        return ActionResult(
            {"Summaries": [_change_set_summary(stack, c) for c in stack.change_sets.values()]}
        )

    def execute_change_set(self) -> ActionResult:
        stack, change_set = self._change_set()
        stack.disable_rollback = bool(self._get_param("DisableRollback"))
        self._engine.execute(stack, change_set)
        return EmptyResult()

    def delete_change_set(self) -> ActionResult:
        stack, change_set = self._change_set()
        stack.change_sets.pop(change_set.name, None)
        return EmptyResult()


def s3_location(url: str) -> tuple[str, str]:
    """Return bucket and key of an S3 URL, path-style or virtual-hosted."""
    parsed = urlparse(url)
    path = unquote(parsed.path).lstrip("/")
    host = (parsed.hostname or "").split(".")
    if "s3" in host[1:2] or (len(host) > 1 and host[1].startswith("s3-")):
        return host[0], path
    bucket, _, key = path.partition("/")
    if not key:
        raise ValidationError(f"TemplateURL must be a supported URL: {url}")
    return bucket, key


def _resources(stack: Stack) -> list[dict[str, Any]]:
    """Return each resource's last state, including resources that failed or were deleted."""
    last: dict[str, dict[str, Any]] = {}
    for event in stack.events:
        if event["ResourceType"] != "AWS::CloudFormation::Stack":
            last[event["LogicalResourceId"]] = event
    shown = []
    for name, event in last.items():
        physical = (
            stack.resources[name].physical_id if name in stack.resources else event["PhysicalResourceId"]
        )
        shown.append(
            {
                **event,
                "PhysicalResourceId": physical,
                "LastUpdatedTimestamp": event["Timestamp"],
                "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
            }
        )
    return shown


def _change_set_summary(stack: Stack, change_set: StoredChangeSet) -> dict[str, Any]:
    return {
        "ChangeSetId": change_set.id,
        "ChangeSetName": change_set.name,
        "StackId": stack.id,
        "StackName": stack.name,
        "Description": change_set.description or None,
        "DeploymentMode": "REVERT_DRIFT" if change_set.reverts_drift else None,
        "ImportExistingResources": bool(change_set.imports),
        "CreationTime": change_set.created,
        "ExecutionStatus": change_set.execution_status,
        "Status": change_set.status,
        "StatusReason": change_set.status_reason or None,
    }
