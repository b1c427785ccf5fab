"""What stays and what it costs, asked of the local AWS; and each printed command deletes it."""

from __future__ import annotations

import shlex
import uuid
from typing import Any

import pytest
from botocore import xform_name

from beanvault.aws import Aws
from beanvault.cloudformation.stack import StackResource
from beanvault.prices import PRICES
from beanvault.teardown.resource_types import DATABASE, VOLUME
from beanvault.teardown.retained import KEY, LOG_GROUP, SECRET, VAULT, RetainedResource, retained
from testbed.servers.localaws import REGION, LocalAws

ELSEWHERE = "eu-west-1"


@pytest.fixture
def name() -> str:
    return f"kept-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def aws(local_aws: LocalAws) -> Aws:
    return Aws(local_aws.session(REGION), local_aws.endpoint)


def found(aws: Aws, type_: str, id_: str) -> tuple[RetainedResource, ...]:
    return retained(aws, [StackResource(type_, id_, retained=True)], ())


def run(aws: Aws, command: str) -> None:
    """Run printed commands with boto3, which has the AWS CLI's names and arguments."""
    for part in command.partition("#")[0].split(";"):
        _, service, operation, *words = shlex.split(part)
        client: Any = aws.client(service.removesuffix("api"))  # s3api
        method = operation.replace("-", "_")
        shape = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[method]
        ).input_shape
        members = {xform_name(member, "-"): member for member in shape.members}
        given: dict[str, list[str]] = {}
        for word in words:
            if word.startswith("--"):
                last = given.setdefault(word.removeprefix("--"), [])
            else:
                last.append(word)
        arguments = {}
        for option, values in given.items():
            member = members[option]
            kind = shape.members[member].type_name
            arguments[member] = (
                values if kind == "list" else int(values[0]) if kind == "integer" else values[0]
            )
        getattr(client, method)(**arguments)


def test_a_databases_snapshots_and_automated_backups(aws: Aws, name: str) -> None:
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
    (left,) = found(aws, DATABASE, name)
    assert (left.type, left.price) == (DATABASE, "price unknown")
    rds.delete_db_instance(
        DBInstanceIdentifier=name, FinalDBSnapshotIdentifier=f"{name}-final", DeleteAutomatedBackups=False
    )
    snapshot, backups = found(aws, DATABASE, name)
    assert (snapshot.id, snapshot.price) == (f"{name}-final", "at most $1.90 a month")
    assert (backups.type, backups.price) == (f"automated backups of {DATABASE}", "at most $1.90 a month")
    assert "after 7 days" in backups.delete_command
    for each in (snapshot, backups):
        run(aws, each.delete_command)
    assert found(aws, DATABASE, name) == ()


def test_a_vault_and_its_recovery_points(aws: Aws, name: str) -> None:
    backup = aws.client("backup")
    assert found(aws, VAULT, name) == ()
    backup.create_backup_vault(BackupVaultName=name)
    backup.start_backup_job(
        BackupVaultName=name,
        ResourceArn=f"arn:aws:rds:{REGION}:123456789012:db:{name}",
        IamRoleArn="arn:aws:iam::123456789012:role/none",
    )
    point, vault = found(aws, VAULT, name)
    assert (point.type, point.dollars) == ("recovery point", PRICES["backup_gb"].dollars)
    assert (vault.id, vault.dollars) == (name, 0)
    for each in (point, vault):
        run(aws, each.delete_command)
    assert found(aws, VAULT, name) == ()


def test_a_volumes_snapshot(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    volume = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=20)["VolumeId"]
    (left,) = found(aws, VOLUME, volume)
    assert left.price == "$1.60 a month"
    ec2.create_snapshot(VolumeId=volume)
    run(aws, left.delete_command)
    (snapshot,) = found(aws, VOLUME, volume)
    assert snapshot.price == "at most $1.00 a month"
    run(aws, snapshot.delete_command)
    assert found(aws, VOLUME, volume) == ()


def test_a_key_costs_until_its_deletion_is_scheduled(aws: Aws) -> None:
    key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
    (kept,) = found(aws, KEY, key)
    assert kept.price == "$1.00 a month"
    run(aws, kept.delete_command)
    assert found(aws, KEY, key) == ()


def test_a_secret_costs_in_each_of_its_regions_until_it_is_deleted(aws: Aws, name: str) -> None:
    aws.client("secretsmanager").create_secret(
        Name=name, SecretString="canary", AddReplicaRegions=[{"Region": ELSEWHERE}]
    )
    (kept,) = found(aws, SECRET, name)
    assert (kept.price, "canary" in repr(kept)) == ("$0.80 a month", False)
    remove, _, delete = kept.delete_command.partition("; ")
    run(aws, remove)
    with pytest.raises(aws.client("secretsmanager").exceptions.InvalidParameterException):
        run(aws, delete)  # AWS removes the region meanwhile
    run(aws, delete)
    assert found(aws, SECRET, name) == ()


def test_a_log_group_of_exactly_that_name(aws: Aws, name: str) -> None:
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=f"{name}-2")
    assert found(aws, LOG_GROUP, name) == ()
    logs.create_log_group(logGroupName=name)
    (kept,) = found(aws, LOG_GROUP, name)
    assert kept.price == "$0.00 a month"
    run(aws, kept.delete_command)
    assert found(aws, LOG_GROUP, name) == ()


def test_a_bucket_by_what_it_holds(aws: Aws, name: str) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    (kept,) = found(aws, "AWS::S3::Bucket", name)
    assert (kept.dollars, kept.bound) == (0, "")
    s3.put_object(Bucket=name, Key="a", Body=b"x" * 2**20)
    (kept,) = found(aws, "AWS::S3::Bucket", name)
    assert kept.dollars == pytest.approx(PRICES["s3_gb"].dollars / 1024)
    s3.delete_object(Bucket=name, Key="a")
    run(aws, kept.delete_command)
    assert found(aws, "AWS::S3::Bucket", name) == ()


def test_what_is_listed_twice_is_asked_for_once_and_an_unknown_type_has_no_price(aws: Aws) -> None:
    group = StackResource("AWS::EC2::SecurityGroup", "sg-1", retained=True)
    (kept,) = retained(aws, [group, group, StackResource("AWS::EC2::VPC", "vpc-1", retained=False)], ())
    assert (kept.id, kept.price, kept.delete_command) == ("sg-1", "price unknown", "")
