"""Story of beanvault/cloudformation/.

Deletions, rollbacks and clean-ups that fail: each error has a command that continues, and it works.
"""

from __future__ import annotations

import json
import shlex
import uuid
from typing import Any

import pytest
from botocore import xform_name

from beanvault.cloudformation.stack import StackError, StackOutcome, StackSpec, TemplateSource
from beanvault.cloudformation.stacks import Stacks
from testbed.servers.localaws import REGION, LocalAws

from .test_stacks import RecordingUi, queue, template

ABSENT = {
    "Type": "AWS::SNS::Subscription",
    "Properties": {"TopicArn": f"arn:aws:sns:{REGION}:123456789012:absent", "Protocol": "email"},
}


@pytest.fixture
def name() -> str:
    return f"failing-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def ui() -> RecordingUi:
    return RecordingUi(accepts_loss=True)


@pytest.fixture
def stacks(local_aws: LocalAws, ui: RecordingUi) -> Stacks:
    return Stacks(local_aws.client("cloudformation"), ui)


def run_printed(aws: LocalAws, remedy: str) -> None:
    """Run the commands of *remedy* with boto3, which has the AWS CLI's names and arguments."""
    commands = [line.strip() for line in remedy.splitlines() if line.strip().startswith("aws ")]
    assert commands
    for command in commands:
        _, service, operation, *words = shlex.split(command)
        options: dict[str, Any] = {}
        for word in words:
            if word.startswith("--"):
                given = options.setdefault(word.removeprefix("--"), [])
            else:
                given.append(word)
        assert options.pop("region") == [REGION]
        client = aws.client(service)
        if operation == "wait":
            waiter = words[0].replace("-", "_")
            client.get_waiter(waiter).wait(
                StackName=options["stack-name"][0], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
            )
            continue
        method = xform_name("".join(part.title() for part in operation.split("-")))
        lists = {"retain-resources": "RetainResources", "resources-to-skip": "ResourcesToSkip"}
        arguments = {lists[key]: value for key, value in options.items() if key in lists}
        getattr(client, method)(StackName=options["stack-name"][0], **arguments)


def test_a_deletion_that_fails_names_the_resource_and_the_next_one_succeeds(
    stacks: Stacks, name: str, local_aws: LocalAws
) -> None:
    stacks.deploy(StackSpec(name, template(Kept=queue(f"{name}-a"), Free=queue(f"{name}-b"))))
    local_aws.fail_once(name, "Kept", "delete", "not now")
    with pytest.raises(StackError) as failure:
        stacks.delete(name)
    assert f"{name} ended as DELETE_FAILED: Kept (AWS::SQS::Queue): " in str(failure.value)
    assert "not now" in str(failure.value)
    assert stacks.delete(name).outcome is StackOutcome.DELETED


def test_what_can_not_be_deleted_can_be_left(stacks: Stacks, name: str, local_aws: LocalAws) -> None:
    stacks.deploy(StackSpec(name, template(Kept=queue(f"{name}-a"), Free=queue(f"{name}-b"))))
    local_aws.fail_once(name, "Kept", "delete", "not now")
    with pytest.raises(StackError) as failure:
        stacks.delete(name)
    run_printed(local_aws, failure.value.remedy)
    stacks.wait_until_idle(name)
    assert stacks.delete(name).outcome is StackOutcome.ABSENT
    sqs = local_aws.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=f"{name}-a")["QueueUrl"])


def _kept_for(days: int, name: str) -> dict[str, Any]:
    return {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name, "RetentionInDays": days}}


def _failed_rollback(stacks: Stacks, name: str, aws: LocalAws) -> None:
    stacks.deploy(StackSpec(name, template(Logs=_kept_for(1, name))))
    aws.fail_once(name, "Logs", "rollback", "not now")
    with pytest.raises(StackError, match="UPDATE_ROLLBACK_FAILED"):
        stacks.deploy(
            StackSpec(name, template(Logs=_kept_for(7, name), Absent={**ABSENT, "DependsOn": "Logs"}))
        )


def test_a_failed_rollback_is_continued_by_the_next_deployment(
    stacks: Stacks, ui: RecordingUi, name: str, local_aws: LocalAws
) -> None:
    _failed_rollback(stacks, name, local_aws)
    assert stacks.deploy(StackSpec(name, template(Logs=_kept_for(3, name)))).outcome is StackOutcome.UPDATED
    assert f"{name}: continuing the rollback that failed" in ui.asked
    stacks.delete(name)


def test_a_rollback_that_fails_again_can_be_skipped_and_the_drift_reverted(
    stacks: Stacks, name: str, local_aws: LocalAws
) -> None:
    _failed_rollback(stacks, name, local_aws)
    local_aws.fail_once(name, "Logs", "rollback", "not now")
    before = StackSpec(name, template(Logs=_kept_for(1, name)))
    with pytest.raises(StackError, match=r"UPDATE_ROLLBACK_FAILED: Logs .*not now") as failure:
        stacks.deploy(before)
    assert "--revert-drift" in failure.value.remedy
    run_printed(local_aws, failure.value.remedy)

    def days() -> int:
        (group,) = local_aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return int(group["retentionInDays"])

    assert days() == 7
    assert stacks.deploy(before).outcome is StackOutcome.UNCHANGED  # CloudFormation believes its template
    assert stacks.deploy(before, revert_drift=True).outcome is StackOutcome.UPDATED
    assert days() == 1
    stacks.delete(name)


def test_what_an_update_could_not_clean_up_is_told(
    stacks: Stacks, ui: RecordingUi, name: str, local_aws: LocalAws
) -> None:
    """No stack lists it afterwards."""
    stacks.deploy(StackSpec(name, template(A=queue(f"{name}-a"), B=queue(f"{name}-b"))))
    local_aws.fail_once(name, "B", "delete", "not now")
    assert stacks.deploy(StackSpec(name, template(A=queue(f"{name}-a")))).outcome is StackOutcome.UPDATED
    (told,) = [text for text in ui.asked if "stays in the account" in text]
    sqs = local_aws.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{name}-b")["QueueUrl"]
    assert told.startswith(f"{name}: AWS::SQS::Queue ")
    assert f"{name}-b could not be deleted" in told
    sqs.delete_queue(QueueUrl=url)
    stacks.delete(name)


def test_an_export_in_use_is_named_with_the_stack_that_imports_it(stacks: Stacks, name: str) -> None:
    """Neither a deletion nor a changed value fails a resource, so the reason is only the stack's."""
    other = f"{name}-other"

    def exporting(suffix: str) -> StackSpec:
        exported = {"Url": {"Value": {"Ref": "Queue"}, "Export": {"Name": f"{name}-Url"}}}
        body = {"Resources": {"Queue": queue(f"{name}-{suffix}")}, "Outputs": exported}
        return StackSpec(name, TemplateSource(json.dumps(body)))

    stacks.deploy(exporting("a"))
    importing = {
        "Type": "AWS::SecretsManager::Secret",
        "Properties": {"Description": {"Fn::ImportValue": f"{name}-Url"}, "SecretString": "x"},
    }
    stacks.deploy(StackSpec(other, template(Secret=importing)))
    with pytest.raises(StackError) as deletion:
        stacks.delete(name)
    assert f"Cannot delete export {name}-Url as it is in use by {other}" in str(deletion.value)
    with pytest.raises(StackError) as update:
        stacks.deploy(exporting("b"))
    assert f"Export {name}-Url cannot be updated as it is in use by {other}" in str(update.value)
    for failure in (deletion, update):
        assert failure.value.remedy.startswith(f"delete {other}, or remove its imports")
    stacks.delete(other)
    assert stacks.delete(name).outcome is StackOutcome.DELETED
