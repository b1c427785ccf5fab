"""Stacks of the local AWS, created by change sets and deleted after each test."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from testbed.servers.localaws import LocalAws
from tests.polling import until

_numbers = itertools.count(1)


@dataclass
class Stacks:
    """CloudFormation of one region, with shortcuts for tests."""

    aws: LocalAws
    api: Any
    made: list[str] = field(default_factory=list)

    def name(self) -> str:
        """Return a name no other test has."""
        return f"t{next(_numbers)}x{time.time_ns() % 1_000_000}"

    def change_set(self, name: str, template: Mapping[str, Any] | str, **given: Any) -> dict[str, Any]:
        """Make a change set and return its description."""
        body = template if isinstance(template, str) else json.dumps(template)
        given.setdefault("Capabilities", ["CAPABILITY_NAMED_IAM"])
        kind = "UPDATE" if name in self.made else "CREATE"
        made = self.api.create_change_set(
            StackName=name,
            ChangeSetName=f"c{time.time_ns()}",
            ChangeSetType=kind,
            TemplateBody=body,
            **given,
        )
        if kind == "CREATE":
            self.made.append(name)
        described: dict[str, Any] = self.api.describe_change_set(ChangeSetName=made["Id"])
        return described

    def deploy(self, name: str, template: Mapping[str, Any] | str, **given: Any) -> dict[str, Any]:
        """Bring a stack to *template* by a change set; return the stack when it is at rest."""
        change_set = self.change_set(name, template, **given)
        assert change_set["Status"] == "CREATE_COMPLETE", change_set["StatusReason"]
        self.api.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
        return self.at_rest(change_set["StackId"])

    def at_rest(self, name_or_id: str) -> dict[str, Any]:
        def stack() -> dict[str, Any] | None:
            found: dict[str, Any] = self.api.describe_stacks(StackName=name_or_id)["Stacks"][0]
            return None if found["StackStatus"].endswith("_IN_PROGRESS") else found

        at_rest: dict[str, Any] = until(stack, 180)
        return at_rest

    def delete(self, name: str) -> dict[str, Any]:
        identity = self.api.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self.api.delete_stack(StackName=name)
        return self.at_rest(identity)

    def statuses(self, name: str, logical_id: str) -> list[str]:
        """Return a resource's statuses in the order in which it had them."""
        events = self.api.describe_stack_events(StackName=name)["StackEvents"]
        return [event["ResourceStatus"] for event in events[::-1] if event["LogicalResourceId"] == logical_id]

    def failures(self, name: str) -> dict[str, str]:
        events = self.api.describe_stack_events(StackName=name)["StackEvents"]
        return {
            e["LogicalResourceId"]: e.get("ResourceStatusReason", "")
            for e in events
            if e["ResourceStatus"].endswith("_FAILED")
        }

    def physical_id(self, name: str, logical_id: str) -> str:
        found = self.api.describe_stack_resources(StackName=name, LogicalResourceId=logical_id)
        return str(found["StackResources"][0]["PhysicalResourceId"])

    def clear(self) -> None:
        for name in reversed(self.made):  # importers before exporters
            present = [s["StackName"] for s in self.api.describe_stacks()["Stacks"]]
            if name in present:
                self.api.update_termination_protection(StackName=name, EnableTerminationProtection=False)
                self.delete(name)


@pytest.fixture
def stacks(local_aws: LocalAws) -> Iterator[Stacks]:
    made = Stacks(local_aws, local_aws.client("cloudformation"))
    yield made
    made.clear()
