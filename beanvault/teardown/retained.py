"""What stays when a deployment is gone and goes on costing: what it is called, and how it is removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..aws import Aws
from ..cloudformation.stack import StackResource
from .outside_stacks import OutsideKind, OutsideResource

DATABASE, VOLUME = "AWS::RDS::DBInstance", "AWS::EC2::Volume"
"""Their data outlives them as snapshots."""

REMOVALS: Mapping[str, str] = MappingProxyType(
    {
        "AWS::Backup::BackupVault": "aws backup delete-backup-vault --backup-vault-name {id}"
        "   # once its recovery points are deleted",
        "AWS::KMS::Key": "aws kms schedule-key-deletion --key-id {id} --pending-window-in-days 30"
        "   # last: nothing that it encrypted can be read afterwards",
        "AWS::Logs::LogGroup": "aws logs delete-log-group --log-group-name {id}",
        "AWS::RDS::OptionGroup": "aws rds delete-option-group --option-group-name {id}"
        "   # once no snapshot belongs to it",
        "AWS::S3::Bucket": "aws s3api delete-bucket --bucket {id}   # once it is emptied of all versions",
        "AWS::SecretsManager::Secret": "aws secretsmanager delete-secret --secret-id {id}",
        f"snapshot of {DATABASE}": "aws rds delete-db-snapshot --db-snapshot-identifier {id}",
        f"snapshot of {VOLUME}": "aws ec2 delete-snapshot --snapshot-id {id}",
    }
)
"""By kind; a test holds it against what the templates retain."""

KINDS: Mapping[OutsideKind, str] = MappingProxyType(
    {OutsideKind.SECRET: "AWS::SecretsManager::Secret", OutsideKind.LOG_GROUP: "AWS::Logs::LogGroup"}
)


@dataclass(frozen=True, slots=True)
class RetainedResource:
    type: str
    id: str

    @property
    def removal(self) -> str:
        """The command that removes it."""
        return REMOVALS.get(self.type, "").format(id=self.id)


def retained(
    aws: Aws, resources: Iterable[StackResource], traces: Iterable[OutsideResource]
) -> tuple[RetainedResource, ...]:
    """Return what stays, after *resources* with their stacks are gone; snapshots by their own names."""
    return (
        *(found for resource in resources if resource.stays for found in _left_by(aws, resource)),
        *(RetainedResource(KINDS[trace.kind], trace.name) for trace in traces if trace.stays),
    )


def _left_by(aws: Aws, resource: StackResource) -> Iterator[RetainedResource]:
    kind = f"snapshot of {resource.type}"
    if resource.type == DATABASE:
        pages = aws.client("rds").get_paginator("describe_db_snapshots")
        for page in pages.paginate(DBInstanceIdentifier=resource.physical_id, SnapshotType="manual"):
            yield from (
                RetainedResource(kind, found["DBSnapshotIdentifier"]) for found in page["DBSnapshots"]
            )
    elif resource.type == VOLUME:
        where = [{"Name": "volume-id", "Values": [resource.physical_id]}]
        for page in (
            aws.client("ec2").get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=where)
        ):
            yield from (RetainedResource(kind, found["SnapshotId"]) for found in page["Snapshots"])
    else:
        yield RetainedResource(resource.type, resource.physical_id)
