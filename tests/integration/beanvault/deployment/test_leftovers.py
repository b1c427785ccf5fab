"""Names in use that a stack would give: which it takes over, whose they are, what would be lost."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from beanvault.aws import Aws
from beanvault.cloudformation.stacks import Stacks
from beanvault.deployment.leftovers import NameInUse, _loses_events, names_in_use
from beanvault.ui import NullUi
from templates.resource_tags import DEPLOYMENT_TAG
from testbed.servers.localaws import LocalAws

NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)


def _found(local_aws: LocalAws, name: str, group: str) -> NameInUse:
    aws = Aws(local_aws.session(), local_aws.endpoint)
    properties = {
        "LogGroupName": group,
        "RetentionInDays": 30,
        "Tags": [{"Key": DEPLOYMENT_TAG, "Value": name}],
    }
    template = {"Resources": {"Group": {"Type": "AWS::Logs::LogGroup", "Properties": properties}}}
    stacks = Stacks(aws.client("cloudformation"), NullUi())
    (found,) = names_in_use(aws, stacks, f"{name}-edge", template, NOW)
    return found


def test_a_group_that_can_be_somebody_elses_is_taken_over_only_with_the_deployments_tag(
    local_aws: LocalAws,
) -> None:
    """AWS requires the name `aws-waf-logs-…` for the logs of anybody's web ACL."""
    name = f"w{uuid.uuid4().hex[:8]}"
    group = f"aws-waf-logs-{name}"
    logs = local_aws.client("logs")
    logs.create_log_group(logGroupName=group)
    (created,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    arn = created["arn"].removesuffix(":*")
    remedy = _found(local_aws, name, group).remedy
    assert f"aws logs tag-resource --resource-arn {arn} --tags {DEPLOYMENT_TAG}={name}" in remedy
    logs.tag_resource(resourceArn=arn, tags={DEPLOYMENT_TAG: "other"})
    assert _found(local_aws, name, group).remedy
    logs.tag_resource(resourceArn=arn, tags={DEPLOYMENT_TAG: name})
    assert _found(local_aws, name, group).remedy == ""


def test_a_group_in_the_deployments_own_folder_is_taken_over(local_aws: LocalAws) -> None:
    """AWS's services create it again without tags."""
    name = f"w{uuid.uuid4().hex[:8]}"
    group = f"/aws/lambda/{name}-replicator"
    local_aws.client("logs").create_log_group(logGroupName=group)
    found = _found(local_aws, name, group)
    assert (found.name, found.remedy, found.loses_events) == (group, "", False)


@pytest.mark.parametrize(
    ("kept", "stored", "age", "loses"),
    [
        (365, 1000, 200, True),
        (None, 1000, 200, True),  # kept for ever
        (365, 1000, 20, False),  # nothing in it is older than what the stack keeps
        (365, 0, 200, False),
        (30, 1000, 200, False),
        (7, 1000, 200, False),
    ],
)
def test_old_events_are_lost_only_if_there_are_any(
    kept: int | None, stored: int, age: int, loses: bool
) -> None:
    created = int((NOW - dt.timedelta(days=age)).timestamp() * 1000)
    group: Any = {"creationTime": created, "storedBytes": stored}
    if kept is not None:
        group["retentionInDays"] = kept
    assert _loses_events(group, 30, NOW) is loses
