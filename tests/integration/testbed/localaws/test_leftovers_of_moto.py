"""Story of testbed/localaws/services/rds.py, testbed/localaws/services/backup.py and
testbed/localaws/services/logs.py.

What moto deletes although it is in use, keeps although it is deleted, or can't change.

A `test_moto_…` shows the mistake. If it fails, moto has fixed it, and the correction can be removed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from testbed.servers.localaws import REGION, LocalAws


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.session.Session]:
    """Plain moto in this process, without the local AWS's corrections."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with mock_aws():
        yield boto3.session.Session(region_name=REGION)


@pytest.fixture
def name() -> str:
    return f"left-{uuid.uuid4().hex[:8]}"


def _parameter_group_in_use(session: Any, name: str) -> Any:
    rds = session.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName=name, DBParameterGroupFamily="mysql8.4", Description="x"
    )
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.micro",
        Engine="mysql",
        AllocatedStorage=20,
        MasterUsername="x",
        MasterUserPassword="not-a-secret",
        DBParameterGroupName=name,
    )
    return rds


def test_moto_deletes_a_parameter_group_in_use(moto: Any, name: str) -> None:
    _parameter_group_in_use(moto, name).delete_db_parameter_group(DBParameterGroupName=name)


def test_a_parameter_group_in_use_is_not_deleted(local_aws: LocalAws, name: str) -> None:
    rds = _parameter_group_in_use(local_aws, name)
    with pytest.raises(ClientError, match="InvalidDBParameterGroupState"):
        rds.delete_db_parameter_group(DBParameterGroupName=name)
    rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    rds.delete_db_parameter_group(DBParameterGroupName=name)


def test_a_subnet_group_is_deleted_once_no_database_uses_it(local_aws: LocalAws, name: str) -> None:
    rds, ec2 = local_aws.client("rds"), local_aws.client("ec2")
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]][:2]
    for group in (name, f"{name}-unused"):
        rds.create_db_subnet_group(DBSubnetGroupName=group, DBSubnetGroupDescription="x", SubnetIds=subnets)
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.micro",
        Engine="mysql",
        AllocatedStorage=20,
        MasterUsername="x",
        MasterUserPassword="not-a-secret",
        DBSubnetGroupName=name,
    )
    rds.delete_db_subnet_group(DBSubnetGroupName=f"{name}-unused")
    with pytest.raises(ClientError, match="InvalidDBSubnetGroupStateFault"):
        rds.delete_db_subnet_group(DBSubnetGroupName=name)
    rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    rds.delete_db_subnet_group(DBSubnetGroupName=name)


def _plan_deleted_and_created_again(session: Any, name: str) -> None:
    backup = session.client("backup")
    backup.create_backup_vault(BackupVaultName=name)
    rules = [{"RuleName": "daily", "TargetBackupVaultName": name}]
    for _ in range(2):
        plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": name, "Rules": rules})
        backup.delete_backup_plan(BackupPlanId=plan["BackupPlanId"])


def test_moto_keeps_the_name_of_a_deleted_plan(moto: Any, name: str) -> None:
    with pytest.raises(ClientError, match="already exists"):
        _plan_deleted_and_created_again(moto, name)


def test_a_deleted_plan_frees_its_name(local_aws: LocalAws, name: str) -> None:
    _plan_deleted_and_created_again(local_aws, name)


def _key_of_a_log_group(session: Any, name: str) -> str | None:
    logs = session.client("logs")
    logs.create_log_group(logGroupName=name)
    logs.associate_kms_key(logGroupName=name, kmsKeyId="arn:aws:kms:eu-central-1:123456789012:key/k")
    (group,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    found: str | None = group.get("kmsKeyId")
    return found


def test_moto_can_not_set_the_key_of_a_log_group(moto: Any, name: str) -> None:
    with pytest.raises((ClientError, NotImplementedError)):
        _key_of_a_log_group(moto, name)


def test_the_key_of_a_log_group_is_set(local_aws: LocalAws, name: str) -> None:
    assert _key_of_a_log_group(local_aws, name) == "arn:aws:kms:eu-central-1:123456789012:key/k"
