"""Story of templates/.

The templates in a second CloudFormation engine, that of ministack, which is independent of this project.

It supports fewer resource types than the templates use. Unsupported resources are left out, with a stand-in
where others refer to them; docs/local.md lists their types and why, and is compared with what was left out.
"""

from __future__ import annotations

import io
import json
import re
import time
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from beanvault.cloudformation.changes import (
    HOLDS_DATA,
    ChangeAction,
    Replacement,
    ResourceChange,
    parse,
)
from templates.aws_versions import PLATFORM
from templates.deployment_file import parse as parse_file
from templates.layers import LAYERS
from testbed.servers.process import Process, free_port
from tests.checkers.conftest import run
from tests.project import ROOT
from tests.unit.templates.renders import CONFIGURATIONS, FILES, REGION, layers

SECONDS = 60
STAND_IN = "left-out"
ARTIFACTS = "artifacts"
PARAMETERS = {
    "CertificateArn": f"arn:aws:acm:{REGION}:000000000000:certificate/0b1c2d3e",
    "CreatingEnvironment": "true",
    "PlatformArn": f"arn:aws:elasticbeanstalk:{REGION}::platform/{PLATFORM.in_use}/1.0.0",
    **{f"AvailabilityZone{index}": f"{REGION}{letter}" for index, letter in enumerate("abc")},
}
UNKNOWN_ATTRIBUTES = {("AWS::RDS::DBInstance", "MasterUserSecret.SecretArn")}
"""Attributes that CloudFormation has and this engine doesn't."""


CUSTOM_RESOURCES = {"Custom::NetworkSetup"}
"""Those whose functions run here: the engine starts them, and answers their calls."""


def _is_metric_math(resource: Any) -> bool:
    """Whether it is an alarm over several metrics, which this engine refuses."""
    return resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]


def _waits_for_a_host(resource: Any) -> bool:
    """Whether it waits for an instance's signal: this engine boots none."""
    kind: str = resource["Type"]
    return kind == "AWS::CloudFormation::WaitCondition"


@dataclass(frozen=True, slots=True)
class MinistackEngine:
    """The server, and the resource types that it supports."""

    endpoint: str
    types: frozenset[str]

    def client(self, service: str) -> Any:
        return boto3.session.Session("test", "test", region_name=REGION).client(  # type: ignore[call-overload]
            service, endpoint_url=self.endpoint
        )

    def create(self, name: str, template: Any) -> tuple[str, dict[str, str]]:
        """Create a stack by a change set; return its status, and the reasons of what failed."""
        return self._execute(name, self._change_set(name, template, "CREATE"))

    def update(self, name: str, template: Any) -> tuple[tuple[ResourceChange, ...], str, dict[str, str]]:
        """Update a stack by a change set; return what it changes, the stack's status, and what failed."""
        change_set = self._change_set(name, template, "UPDATE")
        pages = self.client("cloudformation").get_paginator("describe_change_set")
        found = [change for page in pages.paginate(ChangeSetName=change_set) for change in page["Changes"]]
        return parse(found), *self._execute(name, change_set)

    def _change_set(self, name: str, template: Any, kind: str) -> str:
        api = self.client("cloudformation")
        parameters = [
            {"ParameterKey": key, "ParameterValue": PARAMETERS.get(key, ARTIFACTS)}
            for key in template.get("Parameters", {})
        ]
        made = api.create_change_set(
            StackName=name,
            ChangeSetName=f"c{time.monotonic_ns()}",
            ChangeSetType=kind,
            TemplateBody=json.dumps(template),
            Parameters=parameters,
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        api.get_waiter("change_set_create_complete").wait(
            ChangeSetName=made["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": SECONDS}
        )
        return str(made["Id"])

    def _execute(self, name: str, change_set: str) -> tuple[str, dict[str, str]]:
        api = self.client("cloudformation")
        stack = api.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        api.execute_change_set(ChangeSetName=change_set)
        status = self.at_rest(stack)
        events = api.describe_stack_events(StackName=stack)["StackEvents"]
        return status, {
            event["LogicalResourceId"]: event.get("ResourceStatusReason", "")
            for event in events
            if event["ResourceStatus"].endswith("_FAILED")
        }

    def data(self, name: str) -> dict[str, str]:
        """Return the physical ids of what holds data in a stack."""
        resources = self.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in resources
            if each["ResourceType"] in HOLDS_DATA
        }

    def at_rest(self, stack: str) -> str:
        deadline = time.monotonic() + SECONDS
        while True:
            status: str = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0][
                "StackStatus"
            ]
            if not status.endswith("_IN_PROGRESS"):
                return status
            assert time.monotonic() < deadline, f"{stack} is still {status}"
            time.sleep(0.05)


@pytest.fixture
def account(ministack: Path, tmp_path: Path) -> Iterator[MinistackEngine]:
    """An engine with an empty account, but for the functions' zip."""
    listing = (
        "import json; from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as known;"
        "print(json.dumps(sorted(known)))"
    )
    types = frozenset(json.loads(run([str(ministack), "-c", listing]).splitlines()[-1]))
    port = free_port()
    variables = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "MINISTACK_REGION": REGION}
    server = Process.start(
        "ministack", [ministack, "-m", "ministack"], tmp_path / "log", {"HOME": str(tmp_path), **variables}
    )
    made = MinistackEngine(f"http://127.0.0.1:{port}", types)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("index.py", "")
    try:
        server.wait_until(lambda: _answers(made))
        s3 = made.client("s3")
        s3.create_bucket(Bucket=ARTIFACTS, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=ARTIFACTS, Key=ARTIFACTS, Body=zipped.getvalue())
        yield made
    finally:
        server.stop()


def _answers(engine: MinistackEngine) -> bool:
    try:
        return bool(engine.client("sts").get_caller_identity())
    except Exception:  # noqa: BLE001 - whatever a server says that isn't there yet
        return False


def _known(template: Any, engine: MinistackEngine) -> tuple[Any, Counter[str]]:
    """Return the supported part of a template, and the types that were left out."""
    resources = template["Resources"]
    gone = {
        name
        for name, resource in resources.items()
        if resource["Type"] not in engine.types | CUSTOM_RESOURCES
        or _is_metric_math(resource)
        or _waits_for_a_host(resource)
    }

    def without(value: Any) -> Any:
        match value:
            case list():
                return [without(item) for item in value]
            case {"Ref": name} if name in gone:
                return STAND_IN
            case {"Fn::GetAtt": [name, attribute]} if (
                name in gone or (resources[name]["Type"], attribute) in UNKNOWN_ATTRIBUTES
            ):
                return STAND_IN
            case {"Fn::Sub": str() as text}:
                left = re.sub(r"\$\{(\w+)[.\w]*\}", lambda m: STAND_IN if m[1] in gone else m[0], text)
                return {"Fn::Sub": left}
            case dict():
                return {
                    key: [one for one in item if one not in gone] if key == "DependsOn" else without(item)
                    for key, item in value.items()
                }
        return value

    kept = {name: resource for name, resource in resources.items() if name not in gone}
    return without({**template, "Resources": kept}), Counter(resources[name]["Type"] for name in gone)


def _in_own_zone(template: Any, engine: MinistackEngine) -> Any:
    """Return the template with a hosted zone that exists."""
    text = json.dumps(template)
    if "HostedZoneId" not in text:
        return template
    route53 = engine.client("route53")
    zones = [zone["Id"] for page in _pages(route53, "list_hosted_zones") for zone in page["HostedZones"]]
    if not zones:
        made = route53.create_hosted_zone(Name="example.com", CallerReference=str(time.monotonic_ns()))
        zones = [made["HostedZone"]["Id"]]
    return json.loads(text.replace("Z0123456789ABCDEFGHIJ", zones[0].rpartition("/")[2]))


_CHANGES: dict[str, dict[str, Any]] = {
    "tags": {"costs": "shared"},
    "logs": {"retention_days": 731},
    "replicator": {"memory_mb": 768, "schedule": "rate(10 minutes)"},
    "app": {"max_instances": 8},
}
"""A change of every layer that needs no replacement of anything."""


def _changed(file: str) -> dict[str, Any]:
    """Return the templates of a shipped deployment file after a change of some of its keys."""
    tables = tomllib.loads((ROOT / "config" / f"{file}.toml").read_text())
    for table, changes in _CHANGES.items():
        tables[table] = {**tables.get(table, {}), **changes}
    deployment = parse_file(tables)
    return {layer: json.loads(build(deployment).to_json()) for layer, build in LAYERS.items()}


def _documented() -> dict[str, str]:
    """Return the types that docs/local.md says are left out, with the reason."""
    section = (ROOT / "docs/local.md").read_text().split("## A second engine", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `([\w:]+)` \| (.+) \|$", section, re.MULTILINE))


def test_what_is_left_out_is_documented_with_a_reason(account: MinistackEngine) -> None:
    """For all configurations together, so that the list holds no more and no less."""
    left_out: set[str] = set()
    for configuration in CONFIGURATIONS:
        for rendered in layers(configuration).values():
            left_out |= _known(rendered, account)[1].keys()
    documented = _documented()
    assert documented.keys() == left_out
    for kind, reason in documented.items():
        unknown = kind not in account.types and not kind.startswith("Custom::")
        assert (reason == "no such type") is unknown, kind


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_all_layers_are_created_updated_and_deleted(
    account: MinistackEngine, configuration: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Created in order, each with the exports of those before it, changed, and deleted in reverse."""
    left_out: Counter[str] = Counter()
    made: list[str] = []
    number = 0
    for layer, rendered in layers(configuration).items():
        template, gone = _known(_in_own_zone(rendered, account), account)
        left_out += gone
        if not template["Resources"]:
            continue
        number += len(template["Resources"])
        outcome = account.create(f"{configuration}-{layer}", template)
        assert outcome == ("CREATE_COMPLETE", {}), f"{layer}: {outcome}"
        made.append(f"{configuration}-{layer}")
    with capsys.disabled():
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(left_out.items()))
        print(f"\n{configuration}: {number} resources created by ministack; left out: {told}")
    assert number > 2.5 * left_out.total()
    cloudformation = account.client("cloudformation")
    exported = {entry["Name"] for page in _pages(cloudformation, "list_exports") for entry in page["Exports"]}
    declared = {
        output["Export"]["Name"]
        for template in layers(configuration).values()
        for output in template.get("Outputs", {}).values()
    }
    assert declared <= exported
    if configuration in FILES:
        _update(account, configuration, made)
    for name in reversed(made):
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        cloudformation.delete_stack(StackName=name)
        assert account.at_rest(stack) == "DELETE_COMPLETE", name


def _update(account: MinistackEngine, file: str, made: list[str]) -> None:
    """Change every stack: what holds data stays, without a question about its loss."""
    changed: list[ResourceChange] = []
    for layer, rendered in _changed(file).items():
        name = f"{file}-{layer}"
        if name not in made:
            continue
        if rendered == layers(file)[layer]:  # the tags of the stack are not in its template
            assert layer == "edge"
            continue
        before = account.data(name)
        changes, status, reasons = account.update(name, _known(_in_own_zone(rendered, account), account)[0])
        assert (status, reasons) == ("UPDATE_COMPLETE", {}), layer
        assert changes, layer
        assert account.data(name) == before
        changed += changes
    # A new host, as other tags are a reason for, signals by a handle of its own.
    handles = "AWS::CloudFormation::WaitConditionHandle"
    others = [each for each in changed if each.action is not ChangeAction.MODIFY and each.type != handles]
    assert not others, list(map(str, others))
    replaced = [each for each in changed if each.replacement is Replacement.YES or each.endangers_data]
    assert not replaced, list(map(str, replaced))
    # This engine calls a change of a key's tags a possible replacement, which is no reason to ask.
    assert any(
        each.replacement is Replacement.CONDITIONAL and each.type == "AWS::KMS::Key" for each in changed
    )
    assert {each.type for each in changed} >= {"AWS::Logs::LogGroup", "AWS::S3::Bucket"}


def _pages(client: Any, operation: str) -> Any:
    return client.get_paginator(operation).paginate()


def test_the_engine_refuses_what_is_wrong(account: MinistackEngine) -> None:
    """A negative control: an import without an export."""
    missing = {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::ImportValue": "nobody"}}}
        }
    }
    status, reasons = account.create("wrong", missing)
    assert status == "ROLLBACK_COMPLETE"
    assert "nobody" in str(reasons)
