"""Story of testbed/localaws/services/ and testbed/localaws/functions/network_interfaces.py.

What AWS leaves after a deletion, and what it refuses to delete; moto does neither.
"""

from __future__ import annotations

import io
import uuid
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from testbed.servers.localaws import REGION, LocalAws
from tests.polling import until


@pytest.fixture
def name() -> str:
    return f"left-{uuid.uuid4().hex[:8]}"


def _database(aws: LocalAws, name: str) -> Any:
    rds = aws.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.micro",
        Engine="mysql",
        AllocatedStorage=20,
        BackupRetentionPeriod=7,
        MasterUsername="admin_user",
        MasterUserPassword=uuid.uuid4().hex,
    )
    return rds


def _backups(rds: Any, name: str) -> list[Any]:
    filters = [{"Name": "db-instance-id", "Values": [name]}]
    found: list[Any] = rds.describe_db_instance_automated_backups(Filters=filters)[
        "DBInstanceAutomatedBackups"
    ]
    return found


def test_automated_backups_are_retained_only_where_that_is_asked_for(local_aws: LocalAws, name: str) -> None:
    rds = _database(local_aws, name)
    assert [each["Status"] for each in _backups(rds, name)] == ["active"]
    rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=False)
    (kept,) = _backups(rds, name)
    assert (kept["Status"], kept["AllocatedStorage"]) == ("retained", 20)
    rds.delete_db_instance_automated_backup(DbiResourceId=kept["DbiResourceId"])
    assert _backups(rds, name) == []
    with pytest.raises(ClientError, match="DBInstanceAutomatedBackupNotFound"):
        rds.delete_db_instance_automated_backup(DbiResourceId=kept["DbiResourceId"])

    _database(local_aws, f"{name}-2")
    rds.delete_db_instance(DBInstanceIdentifier=f"{name}-2", SkipFinalSnapshot=True)
    assert _backups(rds, f"{name}-2") == []


def test_a_vault_with_recovery_points_is_not_deleted(local_aws: LocalAws, name: str) -> None:
    backup = local_aws.client("backup")
    backup.create_backup_vault(BackupVaultName=name)
    point = backup.start_backup_job(
        BackupVaultName=name,
        ResourceArn=f"arn:aws:rds:{REGION}:123456789012:db:none",
        IamRoleArn="arn:aws:iam::123456789012:role/none",
    )["RecoveryPointArn"]
    listed = backup.list_recovery_points_by_backup_vault(BackupVaultName=name)["RecoveryPoints"]
    assert [each["RecoveryPointArn"] for each in listed] == [point]
    with pytest.raises(ClientError, match="contains recovery points"):
        backup.delete_backup_vault(BackupVaultName=name)
    backup.delete_recovery_point(BackupVaultName=name, RecoveryPointArn=point)
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName=name)["RecoveryPoints"] == []
    backup.delete_backup_vault(BackupVaultName=name)


def _zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("f.py", "def handler(event, context): return {}")
    return made.getvalue()


def test_a_functions_interfaces_outlive_it_and_block_its_subnet_and_group(
    local_aws: LocalAws, name: str
) -> None:
    ec2, functions, iam = (local_aws.client(each) for each in ("ec2", "lambda", "iam"))
    vpc = ec2.create_vpc(CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.78.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName=name, Description="x", VpcId=vpc)["GroupId"]
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}'
    )
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="f.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": _zip()},
        VpcConfig={"SubnetIds": [subnet], "SecurityGroupIds": [group]},
    )
    functions.delete_function(FunctionName=name)

    def interface() -> Any:
        (found,) = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group]}])[
            "NetworkInterfaces"
        ]
        return found

    found = interface()
    assert (found["Status"], found["InterfaceType"]) == ("in-use", "lambda")
    assert found["Description"].startswith(f"AWS Lambda VPC ENI-{name}-")
    for call, arguments in (
        (ec2.delete_subnet, {"SubnetId": subnet}),
        (ec2.delete_security_group, {"GroupId": group}),
    ):
        with pytest.raises(ClientError, match="DependencyViolation"):
            call(**arguments)
    with pytest.raises(ClientError, match="currently in use"):
        ec2.delete_network_interface(NetworkInterfaceId=found["NetworkInterfaceId"])
    until(lambda: interface()["Status"] == "available")
    ec2.delete_network_interface(NetworkInterfaceId=found["NetworkInterfaceId"])
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_vpc(VpcId=vpc)
