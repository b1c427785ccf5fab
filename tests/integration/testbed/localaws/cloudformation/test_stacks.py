"""Story of testbed/localaws/cloudformation/.

The life of a stack over HTTP: change sets, updates, rollbacks, policies, exports, deletion.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

TOPIC: dict[str, Any] = {"Type": "AWS::SNS::Topic"}
QUICK = {"Delay": 1, "MaxAttempts": 30}
BROKEN = {
    "Type": "AWS::SNS::Subscription",
    "Properties": {
        "TopicArn": {"Fn::Sub": "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:none"},
        "Protocol": "email",
        "Endpoint": "a@example.com",
    },
}


def _queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def _template(**resources: Any) -> dict[str, Any]:
    return {"Resources": resources}


def test_a_stack_is_created_by_a_change_set_and_botos_waiters_follow_it(stacks: Any) -> None:
    name, cloudformation = stacks.name(), stacks.api
    template = {
        **_template(Queue=_queue(), Topic=TOPIC),
        "Outputs": {"Url": {"Value": {"Ref": "Queue"}, "Description": "where"}},
    }
    change_set = stacks.change_set(name, template)
    cloudformation.get_waiter("change_set_create_complete").wait(ChangeSetName=change_set["ChangeSetId"])
    changes = [change["ResourceChange"] for change in change_set["Changes"]]
    assert [(c["Action"], c["LogicalResourceId"], c["ResourceType"]) for c in changes] == [
        ("Add", "Queue", "AWS::SQS::Queue"),
        ("Add", "Topic", "AWS::SNS::Topic"),
    ]
    assert stacks.api.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "REVIEW_IN_PROGRESS"

    cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=QUICK)
    (output,) = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    assert output["OutputKey"] == "Url"
    assert output["OutputValue"] == stacks.physical_id(name, "Queue")
    assert stacks.statuses(name, "Topic") == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    assert stacks.statuses(name, name) == ["REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]

    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=QUICK)
    with pytest.raises(ClientError, match=f"Stack with id {name} does not exist"):
        cloudformation.describe_stacks(StackName=name)
    assert cloudformation.describe_stacks(StackName=change_set["StackId"])["Stacks"][0]["DeletionTime"]


def test_an_update_without_changes_is_refused_with_cloudformations_message(stacks: Any) -> None:
    name, template = stacks.name(), _template(Queue=_queue(DelaySeconds=1))
    stacks.deploy(name, template)
    change_set = stacks.change_set(name, template)
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert change_set["StatusReason"] == (
        "The submitted information didn't contain changes."
        " Submit different information to create a change set."
    )
    with pytest.raises(WaiterError):
        stacks.api.get_waiter("change_set_create_complete").wait(ChangeSetName=change_set["ChangeSetId"])
    with pytest.raises(ClientError, match="InvalidChangeSetStatus"):
        stacks.api.execute_change_set(ChangeSetName=change_set["ChangeSetId"])


def test_a_change_of_outputs_alone_is_a_change_set_without_changes(stacks: Any) -> None:
    name, template = stacks.name(), _template(Queue=_queue())
    stacks.deploy(name, template)
    stack = stacks.deploy(name, {**template, "Outputs": {"New": {"Value": "value"}}})
    assert stack["Outputs"][0]["OutputValue"] == "value"


def test_an_update_changes_replaces_adds_and_removes(stacks: Any) -> None:
    name = stacks.name()
    stacks.deploy(
        name, _template(Kept=_queue(DelaySeconds=1), Replaced=_queue(QueueName=f"{name}-a"), Gone=TOPIC)
    )
    kept, replaced = stacks.physical_id(name, "Kept"), stacks.physical_id(name, "Replaced")
    template = _template(Kept=_queue(DelaySeconds=2), Replaced=_queue(QueueName=f"{name}-b"), New=TOPIC)
    changes = {
        c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"]
        for c in stacks.change_set(name, template)["Changes"]
    }
    assert {key: (c["Action"], c.get("Replacement")) for key, c in changes.items()} == {
        "Kept": ("Modify", "False"),
        "Replaced": ("Modify", "True"),
        "New": ("Add", None),
        "Gone": ("Remove", None),
    }
    assert changes["Kept"]["Details"][0]["Target"]["Name"] == "DelaySeconds"

    assert stacks.deploy(name, template)["StackStatus"] == "UPDATE_COMPLETE"
    assert "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" in stacks.statuses(name, name)
    sqs = stacks.aws.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=kept, AttributeNames=["DelaySeconds"])
    assert found["Attributes"]["DelaySeconds"] == "2"
    assert stacks.physical_id(name, "Kept") == kept
    assert stacks.physical_id(name, "Replaced").endswith(f"{name}-b")
    with pytest.raises(ClientError, match="NonExistentQueue"):
        sqs.get_queue_attributes(QueueUrl=replaced)
    assert stacks.statuses(name, "Gone")[-1] == "DELETE_COMPLETE"


def test_a_named_resource_that_must_be_replaced_needs_another_name(stacks: Any) -> None:
    name = stacks.name()
    statement = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    managed = {"ManagedPolicyName": name, "PolicyDocument": policy}
    stacks.deploy(name, _template(It={"Type": "AWS::IAM::ManagedPolicy", "Properties": managed}))
    described = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {**managed, "Description": "other"}}
    assert stacks.deploy(name, _template(It=described))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert f"Rename {name} and update the stack again" in stacks.failures(name)["It"]


def test_a_failed_creation_rolls_back_and_policies_decide_which_resources_are_kept(stacks: Any) -> None:
    name = stacks.name()
    template = _template(
        Gone=TOPIC,
        Kept={**TOPIC, "DeletionPolicy": "Retain"},
        OnlyOnceKept={**TOPIC, "DeletionPolicy": "RetainExceptOnCreate"},
        Broken={**BROKEN, "DependsOn": ["Gone", "Kept", "OnlyOnceKept"]},
    )
    stack = stacks.deploy(name, template)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Topic does not exist" in stacks.failures(name)["Broken"]
    assert stacks.statuses(name, "Gone")[-1] == "DELETE_COMPLETE"
    assert stacks.statuses(name, "Kept")[-1] == "DELETE_SKIPPED"
    assert stacks.statuses(name, "OnlyOnceKept")[-1] == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        stacks.change_set(name, template)


def test_a_failed_update_is_rolled_back(stacks: Any) -> None:
    name = stacks.name()
    before = _template(Changed=_queue(DelaySeconds=1), Replaced=_queue(QueueName=f"{name}-a"), Removed=TOPIC)
    stacks.deploy(name, before)
    had = {key: stacks.physical_id(name, key) for key in before["Resources"]}
    after = _template(
        Changed=_queue(DelaySeconds=9),
        Replaced=_queue(QueueName=f"{name}-b"),
        Added=TOPIC,
        Broken={**BROKEN, "DependsOn": ["Changed", "Replaced", "Added"]},
    )
    stack = stacks.deploy(name, after)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    sqs = stacks.aws.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=had["Changed"], AttributeNames=["DelaySeconds"])
    assert found["Attributes"]["DelaySeconds"] == "1"
    assert {key: stacks.physical_id(name, key) for key in had} == had
    assert stacks.statuses(name, "Added")[-1] == "DELETE_COMPLETE"
    assert not [url for url in sqs.list_queues().get("QueueUrls", []) if url.endswith(f"{name}-b")]
    assert json.loads(json.dumps(stacks.api.get_template(StackName=name)["TemplateBody"])) == before
    assert stacks.deploy(name, _template(Changed=_queue(DelaySeconds=3)))["StackStatus"] == "UPDATE_COMPLETE"


def test_policies_keep_and_snapshot_at_deletion_and_replacement(stacks: Any) -> None:
    name, ec2, sqs = stacks.name(), stacks.aws.client("ec2"), stacks.aws.client("sqs")
    volume = {"Type": "AWS::EC2::Volume", "Properties": {"Size": 1, "AvailabilityZone": "eu-central-1a"}}
    kept = {**_queue(QueueName=f"{name}-a"), "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    stacks.deploy(name, _template(Kept=kept, Volume={**volume, "DeletionPolicy": "Snapshot"}))
    first, disk = stacks.physical_id(name, "Kept"), stacks.physical_id(name, "Volume")
    renamed = {**kept, "Properties": {"QueueName": f"{name}-b"}}
    stacks.deploy(name, _template(Kept=renamed, Volume={**volume, "DeletionPolicy": "Snapshot"}))
    second = stacks.physical_id(name, "Kept")
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"
    for url in (first, second):
        sqs.get_queue_attributes(QueueUrl=url)
        sqs.delete_queue(QueueUrl=url)
    snapshots = ec2.describe_snapshots(Filters=[{"Name": "volume-id", "Values": [disk]}])["Snapshots"]
    assert len(snapshots) == 1


def test_stacks_share_exports_and_an_export_in_use_is_kept(stacks: Any) -> None:
    exporter, importer = stacks.name(), stacks.name()
    export = {"Value": {"Ref": "Queue"}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-Url"}}}
    template = {**_template(Queue=_queue(QueueName=f"{exporter}-a")), "Outputs": {"Url": export}}
    early = stacks.change_set(importer, _template(S=_secret({"Fn::ImportValue": f"{exporter}-Url"})))
    assert (early["Status"], early["StatusReason"]) == ("FAILED", f"No export named {exporter}-Url found.")
    stacks.deploy(exporter, template)
    stacks.made.remove(importer)  # still waits for its first change set to be executed
    stacks.deploy(importer, _template(S=_secret({"Fn::ImportValue": {"Fn::Sub": f"{exporter}-Url"}})))
    value = _value(stacks, importer, "S")
    assert value == stacks.physical_id(exporter, "Queue")
    exports = {e["Name"]: e["Value"] for e in stacks.api.list_exports()["Exports"]}
    assert exports[f"{exporter}-Url"] == value

    stacks.api.delete_stack(StackName=exporter)
    stack = stacks.at_rest(exporter)
    why = f"Delete canceled. Cannot delete export {exporter}-Url as it is in use by {importer}."
    assert (stack["StackStatus"], stack["StackStatusReason"]) == ("CREATE_COMPLETE", why)
    template["Resources"]["Queue"] = _queue(QueueName=f"{exporter}-b")
    stack = stacks.deploy(exporter, template)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.physical_id(exporter, "Queue") == value
    assert stacks.delete(importer)["StackStatus"] == "DELETE_COMPLETE"
    assert stacks.delete(exporter)["StackStatus"] == "DELETE_COMPLETE"


def _secret(value: Any) -> dict[str, Any]:
    return {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": value}}


def _value(stacks: Any, name: str, logical_id: str) -> str:
    manager = stacks.aws.client("secretsmanager")
    return str(manager.get_secret_value(SecretId=stacks.physical_id(name, logical_id))["SecretString"])


def test_a_protected_stack_is_not_deleted(stacks: Any) -> None:
    name = stacks.name()
    stacks.deploy(name, _template(Topic=TOPIC))
    stacks.api.update_termination_protection(StackName=name, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="TerminationProtection is enabled"):
        stacks.api.delete_stack(StackName=name)
    assert stacks.physical_id(name, "Topic")


def test_parameters_keep_their_previous_value_and_hidden_ones_are_never_shown(stacks: Any) -> None:
    name = stacks.name()
    template = {
        "Parameters": {
            "Delay": {"Type": "String", "Default": 1},
            "Password": {"Type": "String", "NoEcho": True},
        },
        **_template(Queue=_queue(DelaySeconds={"Ref": "Delay"}), S=_secret({"Ref": "Password"})),
    }
    canary = {"ParameterKey": "Password", "ParameterValue": "canary-value"}
    stack = stacks.deploy(
        name, template, Parameters=[{"ParameterKey": "Delay", "ParameterValue": "7"}, canary]
    )
    assert {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]} == {
        "Delay": "7",
        "Password": "****",
    }
    previous = [{"ParameterKey": key, "UsePreviousValue": True} for key in ("Delay", "Password")]
    template["Resources"]["Topic"] = TOPIC
    change_set = stacks.change_set(name, template, Parameters=previous)
    assert [c["ResourceChange"]["LogicalResourceId"] for c in change_set["Changes"]] == ["Topic"]
    assert "canary-value" not in str(change_set)
    assert "canary-value" not in str(stacks.api.describe_stack_events(StackName=name))


def test_a_dynamic_references_value_reaches_only_its_resource(stacks: Any) -> None:
    name = stacks.name()
    stacks.aws.client("ssm").put_parameter(Name=f"/{name}", Value="canary-value", Type="String")
    stacks.deploy(name, _template(Copy=_secret(f"{{{{resolve:ssm:/{name}}}}}")))
    assert _value(stacks, name, "Copy") == "canary-value"
    shown = [
        stacks.api.describe_stacks(StackName=name),
        stacks.api.describe_stack_events(StackName=name),
        stacks.api.describe_stack_resources(StackName=name),
    ]
    assert "canary-value" not in str(shown)


def test_a_template_over_51200_bytes_needs_s3(stacks: Any) -> None:
    name, s3 = stacks.name(), stacks.aws.client("s3")
    body = json.dumps({**_template(Topic=TOPIC), "Metadata": {"Filler": "x" * 51_200}})
    with pytest.raises(ClientError, match="less than or equal to 51200"):
        stacks.change_set(name, body)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket=name, Key="a/t.json", Body=body.encode())
    for url in (
        f"https://{name}.s3.eu-central-1.amazonaws.com/a/t.json",
        f"{stacks.aws.endpoint}/{name}/a/t.json",
    ):
        made = stacks.api.create_change_set(
            StackName=name, ChangeSetName="it", ChangeSetType="CREATE", TemplateURL=url
        )
        stacks.api.execute_change_set(ChangeSetName=made["Id"])
        assert stacks.at_rest(made["StackId"])["StackStatus"] == "CREATE_COMPLETE"
        assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


def test_roles_need_a_capability(stacks: Any) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r", "AssumeRolePolicyDocument": trust}}
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_NAMED_IAM\]"):
        stacks.change_set(stacks.name(), _template(Role=role), Capabilities=["CAPABILITY_IAM"])


@pytest.mark.parametrize(
    "resource",
    [
        {"Type": "AWS::SNS::Topic", "Properties": {"DisplayNam": "x"}},
        {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16", "EnableDns": True}},
        {"Type": "AWS::S3::Bucket", "Properties": {"Encryption": {}}},
        {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metric": "x"}},
    ],
)
def test_an_unknown_property_fails_the_stack(stacks: Any, resource: dict[str, Any]) -> None:
    name = stacks.name()
    assert stacks.deploy(name, _template(It=resource))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "It" in stacks.failures(name)


def test_a_stacks_tags_reach_its_resources_and_follow_its_updates(stacks: Any) -> None:
    name, sns = stacks.name(), stacks.aws.client("sns")
    own = [{"Key": "own", "Value": "1"}]
    template = _template(Topic={**TOPIC, "Properties": {"Tags": own}})
    stacks.deploy(name, template, Tags=[{"Key": "project", "Value": "a"}])
    arn = stacks.physical_id(name, "Topic")
    tags = {t["Key"]: t["Value"] for t in sns.list_tags_for_resource(ResourceArn=arn)["Tags"]}
    assert tags == {"own": "1", "project": "a"}
    stacks.deploy(name, template, Tags=[{"Key": "stage", "Value": "b"}])
    tags = {t["Key"]: t["Value"] for t in sns.list_tags_for_resource(ResourceArn=arn)["Tags"]}
    assert tags == {"own": "1", "stage": "b"}
