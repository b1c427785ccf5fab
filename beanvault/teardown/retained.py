"""What is kept when a deployment is deleted and still costs: its name, and the command that deletes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..aws import Aws
from ..cloudformation.stack import StackResource
from .outside_stacks import OutsideKind, OutsideResource
from .resource_types import BUCKET, DATABASE, VOLUME

DELETE_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "AWS::Backup::BackupVault": "aws backup delete-backup-vault --backup-vault-name {id}"
        "   # once its recovery points are deleted",
        "AWS::KMS::Key": "aws kms schedule-key-deletion --key-id {id} --pending-window-in-days 30"
        "   # last: nothing that it encrypted can be read afterwards",
        "AWS::Logs::LogGroup": "aws logs delete-log-group --log-group-name {id}",
        "AWS::RDS::OptionGroup": "aws rds delete-option-group --option-group-name {id}"
        "   # once no snapshot belongs to it",
        BUCKET: "aws s3api delete-bucket --bucket {id}   # once it has no object versions",
        "AWS::SecretsManager::Secret": "aws secretsmanager delete-secret --secret-id {id}",
        f"snapshot of {DATABASE}": "aws rds delete-db-snapshot --db-snapshot-identifier {id}",
        f"snapshot of {VOLUME}": "aws ec2 delete-snapshot --snapshot-id {id}",
    }
)
"""By type; a test compares them with what the templates retain."""

TYPES: Mapping[OutsideKind, str] = MappingProxyType(
    {OutsideKind.SECRET: "AWS::SecretsManager::Secret", OutsideKind.LOG_GROUP: "AWS::Logs::LogGroup"}
)


@dataclass(frozen=True, slots=True)
class RetainedResource:
    type: str
    id: str

    @property
    def delete_command(self) -> str:
        return DELETE_COMMANDS.get(self.type, "").format(id=self.id)


def retained(
    aws: Aws, resources: Iterable[StackResource], outside: Iterable[OutsideResource]
) -> tuple[RetainedResource, ...]:
    """Return what is kept of *resources*, whose stacks are deleted, and of *outside*.

    Snapshots have names of their own.
    """
    return (
        *(found for resource in resources if resource.retained for found in _kept_of(aws, resource)),
        *(RetainedResource(TYPES[resource.kind], resource.name) for resource in outside if resource.retained),
    )


def _kept_of(aws: Aws, resource: StackResource) -> Iterator[RetainedResource]:
    snapshot = f"snapshot of {resource.type}"
    if resource.type == DATABASE:
        database_snapshots = aws.client("rds").get_paginator("describe_db_snapshots")
        for page in database_snapshots.paginate(
            DBInstanceIdentifier=resource.physical_id, SnapshotType="manual"
        ):
            for database_snapshot in page["DBSnapshots"]:
                yield RetainedResource(snapshot, database_snapshot["DBSnapshotIdentifier"])
    elif resource.type == VOLUME:
        volume_snapshots = aws.client("ec2").get_paginator("describe_snapshots")
        for result in volume_snapshots.paginate(
            OwnerIds=["self"], Filters=[{"Name": "volume-id", "Values": [resource.physical_id]}]
        ):
            for volume_snapshot in result["Snapshots"]:
                yield RetainedResource(snapshot, volume_snapshot["SnapshotId"])
    else:
        yield RetainedResource(resource.type, resource.physical_id)
