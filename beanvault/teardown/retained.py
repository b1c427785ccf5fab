"""What is kept when a deployment is deleted: asked of AWS, with its price and the command that deletes it.

Each function returns what exists of one resource, which can be nothing, or several things. Prices are AWS's
list prices of us-east-1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from botocore.exceptions import ClientError

from ..aws import Aws, code
from ..cloudformation.stack import StackResource
from ..prices import PRICES
from .outside_stacks import OutsideKind, OutsideResource
from .resource_types import BUCKET, DATABASE, VOLUME

GIB = 2**30
OBJECT_PAGES = 20
"""Pages of 1,000 object versions whose sizes are added up; a bucket with more costs at least that much."""

KEY = "AWS::KMS::Key"
LOG_GROUP = "AWS::Logs::LogGroup"
OPTION_GROUP = "AWS::RDS::OptionGroup"
SECRET = "AWS::SecretsManager::Secret"
VAULT = "AWS::Backup::BackupVault"

TYPES: Mapping[OutsideKind, str] = MappingProxyType(
    {OutsideKind.SECRET: SECRET, OutsideKind.LOG_GROUP: LOG_GROUP}
)


@dataclass(frozen=True, slots=True)
class RetainedResource:
    type: str
    id: str
    delete_command: str = ""
    dollars: float | None = None
    """What it costs a month, about; None where that is not known here."""
    bound: str = ""
    """*at most* or *at least*, where AWS's answer tells no more."""

    @property
    def price(self) -> str:
        if self.dollars is None:
            return "price unknown"
        return f"{self.bound} ${self.dollars:,.2f} a month".lstrip()


def retained(
    aws: Aws, resources: Iterable[StackResource], outside: Iterable[OutsideResource]
) -> tuple[RetainedResource, ...]:
    """Return what exists of the retained ones of *resources*, whose stacks are deleted, and of *outside*."""
    kept = [
        *((resource.type, resource.physical_id) for resource in resources if resource.retained),
        *((TYPES[resource.kind], resource.name) for resource in outside if resource.retained),
    ]
    found = (each for type_, id_ in dict.fromkeys(kept) for each in _of(aws, type_, id_))
    return tuple(dict.fromkeys(found))


def _of(aws: Aws, type_: str, id_: str) -> Iterator[RetainedResource]:
    if (find := FINDERS.get(type_)) is None:
        yield RetainedResource(type_, id_)
        return
    try:
        yield from find(aws, id_)
    except ClientError as error:
        if code(error) not in MISSING_CODES:
            raise


MISSING_CODES = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NotFoundException",
        "OptionGroupNotFoundFault",
        "ResourceNotFoundException",
    }
)


def _key(aws: Aws, id_: str) -> Iterator[RetainedResource]:
    # A key whose deletion is scheduled is free.
    if aws.client("kms").describe_key(KeyId=id_)["KeyMetadata"]["KeyState"] != "PendingDeletion":
        command = f"aws kms schedule-key-deletion --key-id {id_} --pending-window-in-days 30"
        last = "   # last: nothing that it encrypted can be read afterwards"
        yield RetainedResource(KEY, id_, command + last, PRICES["key"].dollars)


def _log_group(aws: Aws, id_: str) -> Iterator[RetainedResource]:
    pages = aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=id_)
    for group in (group for page in pages for group in page["logGroups"]):
        if group["logGroupName"] == id_:
            dollars = group.get("storedBytes", 0) / GIB * PRICES["stored_log_gb"].dollars
            yield RetainedResource(
                LOG_GROUP, id_, f"aws logs delete-log-group --log-group-name {id_}", dollars
            )


def _option_group(aws: Aws, id_: str) -> Iterator[RetainedResource]:
    if aws.client("rds").describe_option_groups(OptionGroupName=id_)["OptionGroupsList"]:
        command = f"aws rds delete-option-group --option-group-name {id_}"
        yield RetainedResource(
            OPTION_GROUP, id_, f"{command}   # once no snapshot or backup belongs to it", 0
        )


def _bucket(aws: Aws, id_: str) -> Iterator[RetainedResource]:
    size, bound = 0, ""
    pages = aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=id_)
    for number, page in enumerate(pages, 1):
        size += sum(version["Size"] for version in page.get("Versions", ()))
        if number == OBJECT_PAGES and page["IsTruncated"]:
            bound = "at least"
            break
    command = f"aws s3api delete-bucket --bucket {id_}   # once it has no object versions"
    yield RetainedResource(BUCKET, id_, command, size / GIB * PRICES["s3_gb"].dollars, bound)


def _secret(aws: Aws, id_: str) -> Iterator[RetainedResource]:
    described = aws.client("secretsmanager").describe_secret(SecretId=id_)
    deleted: object = described.get("DeletedDate")
    if deleted is not None:  # in its recovery window, and free
        return
    replicas = [replica["Region"] for replica in described.get("ReplicationStatus", ())]
    command = f"aws secretsmanager delete-secret --secret-id {id_}"
    if replicas:
        first = f"aws secretsmanager remove-regions-from-replication --secret-id {id_}"
        command = f"{first} --remove-replica-regions {' '.join(replicas)}; {command}"
    yield RetainedResource(SECRET, id_, command, (1 + len(replicas)) * PRICES["secret"].dollars)


def _vault(aws: Aws, id_: str) -> Iterator[RetainedResource]:
    client = aws.client("backup")
    # Asked by name, AWS Backup answers AccessDeniedException for a vault that doesn't exist.
    vaults = client.get_paginator("list_backup_vaults").paginate()
    if not any(vault["BackupVaultName"] == id_ for page in vaults for vault in page["BackupVaultList"]):
        return
    pages = client.get_paginator("list_recovery_points_by_backup_vault").paginate(BackupVaultName=id_)
    for point in (point for page in pages for point in page["RecoveryPoints"]):
        arn = point["RecoveryPointArn"]
        command = f"aws backup delete-recovery-point --backup-vault-name {id_} --recovery-point-arn {arn}"
        dollars = point.get("BackupSizeInBytes", 0) / GIB * PRICES["backup_gb"].dollars
        yield RetainedResource("recovery point", arn, command, dollars)
    command = f"aws backup delete-backup-vault --backup-vault-name {id_}"
    yield RetainedResource(VAULT, id_, f"{command}   # once its recovery points are deleted", 0)


def _database(aws: Aws, id_: str) -> Iterator[RetainedResource]:
    """Yield the instance, if it was left, and its snapshots and automated backups.

    The latter are charged by what they hold, at most the instance's storage.
    """
    client, gigabyte = aws.client("rds"), PRICES["backup_gb"].dollars
    # With a filter, a deleted instance is an empty list instead of an error.
    if client.describe_db_instances(Filters=[{"Name": "db-instance-id", "Values": [id_]}])["DBInstances"]:
        command = f"aws rds delete-db-instance --db-instance-identifier {id_}"
        snapshot_name = f"--final-db-snapshot-identifier {id_}-final"
        yield RetainedResource(DATABASE, id_, f"{command} {snapshot_name}")
    snapshots = client.get_paginator("describe_db_snapshots")
    for page in snapshots.paginate(DBInstanceIdentifier=id_, SnapshotType="manual"):
        for snapshot in page["DBSnapshots"]:
            name = snapshot["DBSnapshotIdentifier"]
            yield RetainedResource(
                f"snapshot of {DATABASE}",
                name,
                f"aws rds delete-db-snapshot --db-snapshot-identifier {name}",
                snapshot["AllocatedStorage"] * gigabyte,
                "at most",
            )
    # Not by DBInstanceIdentifier, which must be an existing instance's.
    backups = client.get_paginator("describe_db_instance_automated_backups")
    for backup_page in backups.paginate(Filters=[{"Name": "status", "Values": ["retained"]}]):
        for backup in backup_page["DBInstanceAutomatedBackups"]:
            if backup["DBInstanceIdentifier"] == id_:
                resource = backup["DbiResourceId"]
                command = f"aws rds delete-db-instance-automated-backup --dbi-resource-id {resource}"
                days = f"   # AWS deletes it after {backup['BackupRetentionPeriod']} days"
                yield RetainedResource(
                    f"automated backups of {DATABASE}",
                    resource,
                    command + days,
                    backup["AllocatedStorage"] * gigabyte,
                    "at most",
                )


def _volume(aws: Aws, id_: str) -> Iterator[RetainedResource]:
    filters = [{"Name": "volume-id", "Values": [id_]}]
    volumes = aws.client("ec2").get_paginator("describe_volumes")
    for found in volumes.paginate(Filters=filters):  # type: ignore[arg-type]  # a TypedDict
        for volume in found["Volumes"]:
            command, dollars = f"aws ec2 delete-volume --volume-id {id_}", PRICES["ebs_gb"].dollars
            yield RetainedResource(VOLUME, id_, command, volume["Size"] * dollars)
    pages = aws.client("ec2").get_paginator("describe_snapshots")
    for page in pages.paginate(OwnerIds=["self"], Filters=filters):  # type: ignore[arg-type]  # a TypedDict
        for snapshot in page["Snapshots"]:
            name = snapshot["SnapshotId"]
            yield RetainedResource(
                f"snapshot of {VOLUME}",
                name,
                f"aws ec2 delete-snapshot --snapshot-id {name}",
                snapshot["VolumeSize"] * PRICES["ebs_snapshot_gb"].dollars,
                "at most",
            )


FINDERS: Mapping[str, Callable[[Aws, str], Iterator[RetainedResource]]] = MappingProxyType(
    {
        VAULT: _vault,
        KEY: _key,
        LOG_GROUP: _log_group,
        OPTION_GROUP: _option_group,
        BUCKET: _bucket,
        SECRET: _secret,
        DATABASE: _database,
        VOLUME: _volume,
    }
)
"""By type; a test compares them with what the templates retain."""
