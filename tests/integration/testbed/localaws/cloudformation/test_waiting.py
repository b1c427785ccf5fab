"""Story of testbed/localaws/cloudformation/types/waiting.py and testbed/localaws/instances/.

Wait conditions, and groups whose instances this local AWS does not boot.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from tests.polling import until

from ..conftest import Stacks

HANDLE = {"Type": "AWS::CloudFormation::WaitConditionHandle"}


def _template(seconds: int = 60, count: int | None = None) -> dict[str, Any]:
    properties: dict[str, Any] = {"Handle": {"Ref": "Handle"}, "Timeout": str(seconds)}
    properties |= {} if count is None else {"Count": count}
    condition = {"Type": "AWS::CloudFormation::WaitCondition", "Properties": properties}
    return {"Resources": {"Handle": HANDLE, "Ready": condition}}


def _signal(url: str, **signal: str) -> int:
    body = json.dumps({"Status": "SUCCESS", "UniqueId": "i-1", "Data": "", "Reason": "", **signal}).encode()
    return _put(url, body)


def _put(url: str, body: bytes, content_type: str = "") -> int:
    request = urllib.request.Request(url, body, {"Content-Type": content_type}, method="PUT")  # noqa: S310 - our own server's
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own server's
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


def _deploy_and_signal(stacks: Stacks, template: dict[str, Any], *signals: dict[str, str]) -> dict[str, Any]:
    name = stacks.name()
    change_set = stacks.change_set(name, template)
    stacks.api.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    url = until(lambda: _url(stacks, name))
    for signal in signals:
        assert _signal(url, **signal) == 200
    return stacks.at_rest(name)


def _url(stacks: Stacks, name: str) -> str | None:
    resources = stacks.api.describe_stack_resources(StackName=name)["StackResources"]
    found = (one.get("PhysicalResourceId") for one in resources if one["LogicalResourceId"] == "Handle")
    return next((url for url in found if url and url.startswith("http")), None)


def test_a_stack_waits_for_its_signals(stacks: Stacks) -> None:
    """A signal sent twice counts once."""
    twice = [{"UniqueId": "i-1"}, {"UniqueId": "i-1"}]
    done = _deploy_and_signal(stacks, _template(2, count=2), *twice)
    assert done["StackStatus"] == "ROLLBACK_COMPLETE"
    done = _deploy_and_signal(stacks, _template(count=2), *twice, {"UniqueId": "i-2"})
    assert done["StackStatus"] == "CREATE_COMPLETE"


def test_a_failure_ends_the_creation_with_its_reason(stacks: Stacks) -> None:
    """Long before the time-out."""
    name = stacks.name()
    change_set = stacks.change_set(name, _template())
    stacks.api.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert _signal(until(lambda: _url(stacks, name)), Status="FAILURE", Reason="no disk") == 200
    assert stacks.at_rest(name)["StackStatus"] == "ROLLBACK_COMPLETE"
    events = stacks.api.describe_stack_events(StackName=name)["StackEvents"]
    reasons = {event.get("ResourceStatusReason") for event in events}
    assert "WaitCondition received failed message: 'no disk' for uniqueId: i-1" in reasons


def test_without_a_signal_the_creation_fails(stacks: Stacks) -> None:
    """After the condition's time-out."""
    name = stacks.name()
    change_set = stacks.change_set(name, _template(1))
    stacks.api.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert stacks.at_rest(name)["StackStatus"] == "ROLLBACK_COMPLETE"
    events = stacks.api.describe_stack_events(StackName=name)["StackEvents"]
    reasons = {event.get("ResourceStatusReason") for event in events}
    assert "WaitCondition timed out. Received 0 conditions when expecting 1" in reasons


def test_signals_that_s3_or_cloudformation_refuse(stacks: Stacks) -> None:
    """The URL is signed without a content type; a deleted handle's is refused."""
    name = stacks.name()
    change_set = stacks.change_set(name, _template(30))
    stacks.api.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    url = until(lambda: _url(stacks, name))
    assert _put(url, b'{"Status": "SUCCESS", "UniqueId": "i-1"}', "application/json") == 403
    assert _put(url, b"no JSON") == 400
    assert _put(url, b'{"Status": "DONE", "UniqueId": "i-1"}') == 400
    assert _put(url + "x", b'{"Status": "SUCCESS", "UniqueId": "i-1"}') == 403
    assert _signal(url) == 200
    assert stacks.at_rest(name)["StackStatus"] == "CREATE_COMPLETE"
    stacks.api.delete_stack(StackName=name)
    until(lambda: _signal(url) == 403)


def test_a_condition_can_not_be_updated(stacks: Stacks) -> None:
    """So each use has a logical id of its own."""
    name = stacks.name()
    change_set = stacks.change_set(name, _template(30))
    stacks.api.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    _signal(until(lambda: _url(stacks, name)))
    assert stacks.at_rest(name)["StackStatus"] == "CREATE_COMPLETE"
    assert stacks.deploy(name, _template(40))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_a_group_is_refused_where_instances_do_not_boot(stacks: Stacks) -> None:
    """In words, and at once: its user data would never signal."""
    launch = {
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {"LaunchTemplateData": {"ImageId": "ami-12c6146b", "InstanceType": "t3.small"}},
    }
    group = {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "Properties": {
            "MinSize": "1",
            "MaxSize": "1",
            "AvailabilityZones": ["eu-central-1a"],
            "LaunchTemplate": {
                "LaunchTemplateId": {"Ref": "Launch"},
                "Version": {"Fn::GetAtt": ["Launch", "LatestVersionNumber"]},
            },
        },
    }
    name = stacks.name()
    done = stacks.deploy(name, {"Resources": {"Launch": launch, "Group": group}})
    assert done["StackStatus"] == "ROLLBACK_COMPLETE"
    events = stacks.api.describe_stack_events(StackName=name)["StackEvents"]
    assert any("boots no instances" in (event.get("ResourceStatusReason") or "") for event in events)
