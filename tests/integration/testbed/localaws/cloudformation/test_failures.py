"""Story of testbed/localaws/cloudformation/existence.py, testbed/localaws/cloudformation/faults.py and
testbed/localaws/services/logs.py.

What fails and how it ends: roll-backs that fail, names in use, resources that a stack takes over.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

TOPIC: dict[str, Any] = {"Type": "AWS::SNS::Topic"}
KEPT = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}


def _group(name: Any, **more: Any) -> dict[str, Any]:
    return {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name, **more}}


def _database(name: str, **more: Any) -> dict[str, Any]:
    properties = {
        "DBInstanceIdentifier": name,
        "DBInstanceClass": "db.t4g.micro",
        "Engine": "mysql",
        "EngineVersion": "8.4.5",
        "AllocatedStorage": "20",
        "MasterUsername": f"{name}_m",
        "ManageMasterUserPassword": True,
        "OptionGroupName": {"Ref": "Options"},
        **more,
    }
    return {"Type": "AWS::RDS::DBInstance", "DeletionPolicy": "Snapshot", "Properties": properties}


OPTIONS = {
    "Type": "AWS::RDS::OptionGroup",
    "Properties": {"EngineName": "mysql", "MajorEngineVersion": "8.4", "OptionGroupDescription": "x"},
    **KEPT,
}


def _template(**resources: Any) -> dict[str, Any]:
    return {"Resources": resources}


def test_a_requested_fault_strikes_once(stacks: Any) -> None:
    name, template = stacks.name(), _template(Topic=TOPIC)
    stacks.aws.fail_once(name, "Topic", "create", "the quota is reached")
    assert stacks.deploy(name, template)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "the quota is reached" in stacks.failures(name)["Topic"]
    stacks.delete(name)
    stacks.made.remove(name)
    assert stacks.deploy(name, template)["StackStatus"] == "CREATE_COMPLETE"


def test_a_rolled_back_database_leaves_its_snapshot_which_keeps_its_option_group(stacks: Any) -> None:
    name, rds = stacks.name(), stacks.aws.client("rds")
    last = {**TOPIC, "DependsOn": ["Db"]}
    stacks.aws.fail_once(name, "Last", "create", "no")
    stack = stacks.deploy(name, _template(Options=OPTIONS, Db=_database(name), Last=last))
    assert stack["StackStatus"] == "ROLLBACK_FAILED"
    assert "in use" in stacks.failures(name)["Options"]
    (snapshot,) = rds.describe_db_snapshots(DBInstanceIdentifier=name)["DBSnapshots"]
    options = stacks.physical_id(name, "Options")
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"
    rds.delete_db_snapshot(DBSnapshotIdentifier=snapshot["DBSnapshotIdentifier"])
    rds.delete_option_group(OptionGroupName=options)


def test_what_is_protected_fails_the_roll_back_and_the_deletion_until_it_is_not(stacks: Any) -> None:
    name, rds = stacks.name(), stacks.aws.client("rds")
    protected = _database(name, DeletionProtection=True) | {"DeletionPolicy": "Delete"}
    del protected["Properties"]["OptionGroupName"]
    stacks.aws.fail_once(name, "Last", "create", "no")
    stack = stacks.deploy(name, _template(Db=protected, Last={**TOPIC, "DependsOn": ["Db"]}))
    assert stack["StackStatus"] == "ROLLBACK_FAILED"
    assert stacks.delete(name)["StackStatus"] == "DELETE_FAILED"
    assert "protected" in stacks.failures(name)["Db"]
    rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False)
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


def test_a_name_in_use_is_refused_with_the_change_set_and_only_events_say_which(stacks: Any) -> None:
    name, logs = stacks.name(), stacks.aws.client("logs")
    logs.create_log_group(logGroupName=f"/{name}")
    made = stacks.change_set(name, _template(Group=_group(f"/{name}")))
    assert made["Status"] == "FAILED"
    assert "[AWS::EarlyValidation::ResourceExistenceCheck]" in made["StatusReason"]
    assert name not in made["StatusReason"]
    asked = {"ChangeSetName": made["ChangeSetId"], "Filters": {"FailedEvents": True}}
    (event,) = stacks.api.describe_events(**asked)["OperationEvents"]
    assert (event["EventType"], event["LogicalResourceId"]) == ("VALIDATION_ERROR", "Group")
    assert event["ValidationStatusReason"].endswith(f"'/{name}' already exists.")
    with pytest.raises(ClientError, match="must be specified"):
        stacks.api.describe_events(ChangeSetName=made["ChangeSetName"])
    logs.delete_log_group(logGroupName=f"/{name}")


def test_what_exists_is_imported_under_documented_conditions(stacks: Any) -> None:
    name, logs = stacks.name(), stacks.aws.client("logs")
    logs.create_log_group(logGroupName=f"/{name}")
    group = _group(f"/{name}")
    refused = stacks.change_set(stacks.name(), _template(Group=group), ImportExistingResources=True)
    assert refused["Status"] == "FAILED"
    assert "must have the DeletionPolicy attribute" in refused["StatusReason"]
    dynamic = _group({"Fn::Sub": f"/{name}"}) | KEPT
    dynamic_change_set = stacks.change_set(
        stacks.name(), _template(Group=dynamic), ImportExistingResources=True
    )
    assert "EarlyValidation" in dynamic_change_set["StatusReason"]

    template = _template(Group=group | KEPT, Topic=TOPIC)
    change_set = stacks.change_set(name, template, ImportExistingResources=True)
    actions = {
        c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"]["Action"] for c in change_set["Changes"]
    }
    assert actions == {"Group": "Import", "Topic": "Add"}
    stacks.api.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert stacks.at_rest(name)["StackStatus"] == "CREATE_COMPLETE"
    assert stacks.statuses(name, "Group") == ["IMPORT_IN_PROGRESS", "IMPORT_COMPLETE"]

    key = stacks.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    full = _template(Group=_group(f"/{name}", KmsKeyId=key, RetentionInDays=7) | KEPT, Topic=TOPIC)
    assert stacks.deploy(name, full)["StackStatus"] == "UPDATE_COMPLETE"
    (found,) = logs.describe_log_groups(logGroupNamePrefix=f"/{name}")["logGroups"]
    assert (found["kmsKeyId"], found["retentionInDays"]) == (key, 7)

    other = stacks.name()
    owned = stacks.change_set(other, _template(Group=group | KEPT), ImportExistingResources=True)
    assert "EarlyValidation" in owned["StatusReason"]
    stacks.delete(name)
    stacks.made.remove(name)
    logs.delete_log_group(logGroupName=f"/{name}")


@pytest.mark.parametrize(("policy", "kept"), [("Retain", True), ("RetainExceptOnCreate", False)])
def test_an_imported_resource_survives_a_roll_back_by_its_policy(
    stacks: Any, policy: str, kept: bool
) -> None:
    name, logs = stacks.name(), stacks.aws.client("logs")
    logs.create_log_group(logGroupName=f"/{name}")
    template = _template(
        Group=_group(f"/{name}") | {"DeletionPolicy": policy}, Last={**TOPIC, "DependsOn": ["Group"]}
    )
    stacks.aws.fail_once(name, "Last", "create", "no")
    assert stacks.deploy(name, template, ImportExistingResources=True)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert len(logs.describe_log_groups(logGroupNamePrefix=f"/{name}")["logGroups"]) == kept
    if kept:
        logs.delete_log_group(logGroupName=f"/{name}")
