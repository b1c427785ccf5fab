"""A stack whose first creation failed: what its roll-back left is deleted, so that it can be created again.

No deployment ever used such a stack, so what it created holds no data: deletion protection is removed, and
what CloudFormation would keep is deleted. What existed before is left alone: for each resource it is checked
that this stack created it. All is deleted before the stack is, so that an interrupted run can be repeated.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..artifacts.store import beanstalk_bucket
from ..aws import Aws, code
from ..cloudformation.stack import AttemptedResource, StackResource
from ..cloudformation.stacks import Stacks
from ..errors import Refused, TimedOut
from ..polling import PollingClock, attempts
from ..teardown import outside_stacks
from ..teardown.deletion_protection import ATTRIBUTE
from ..teardown.destroy import StackToDelete, delete_stack
from ..teardown.resource_types import BUCKET, DATABASE, LOAD_BALANCER
from .deployment_context import DeploymentContext

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

DATABASE_SECONDS = 30 * 60
NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
KEY_DAYS = 30
"""Until a key is deleted; it costs nothing meanwhile."""


def clear(context: DeploymentContext, stacks: Stacks, name: str) -> None:
    """Delete the stack *name* and what it left, if its first creation failed, once confirmed.

    Raises:
        Refused: it was not confirmed, or others use a bucket of the stack
        TimedOut: the database is still there after half an hour; the same call continues
    """
    described = stacks.failed_creation(name)
    if described is None:
        return
    status = described["StackStatus"]
    question = (
        f"{name} is {status}: its first creation failed, so it holds no data. Delete what is left of it and "
        "create it again?"
    )
    if not context.ui.confirm(question):
        raise Refused(f"{name} is {status} and was not changed", "confirm its deletion, or pass --yes")
    context.ui.step(f"{name}: deleting what its failed creation left")
    attempted, since = stacks.attempted(described), described["CreationTime"]
    _refuse_shared_bucket(context, attempted)
    for resource in attempted:
        if resource.type == DATABASE:
            _delete_database(context.aws, resource.physical_id, since)
        elif resource.type == LOAD_BALANCER:
            _unprotect_load_balancer(context.aws, resource.physical_id, since)
    for resource in attempted:
        # What the stack took over has the policy Retain, and was not created by it.
        if resource.created and resource.deletion_policy == "RetainExceptOnCreate":
            _delete_kept(context.aws, resource)
    present = deletable(stacks.resources(name), attempted)
    delete_stack(context, StackToDelete(name, present))


def deletable(
    present: Iterable[StackResource], attempted: Iterable[AttemptedResource]
) -> tuple[StackResource, ...]:
    """Return the resources of the stack that are deleted with it, its buckets emptied.

    A bucket that another owner created first is listed as the stack's too, as a failure of it.
    """
    created = {resource.physical_id for resource in attempted if resource.created}
    return tuple(
        resource
        for resource in present
        if resource.type != DATABASE and (resource.type != BUCKET or resource.physical_id in created)
    )


def _refuse_shared_bucket(context: DeploymentContext, attempted: Iterable[AttemptedResource]) -> None:
    bucket = beanstalk_bucket(context.aws)
    if not any((r.type, r.physical_id) == (BUCKET, bucket) for r in attempted):
        return
    if others := outside_stacks.other_owners(context.aws, context.deployment):
        raise Refused(
            f"{bucket} would be deleted, but others use it: {', '.join(others[:5])}",
            "delete their objects first",
        )


def _delete_database(aws: Aws, identifier: str, since: dt.datetime) -> None:
    """Delete the instance *identifier*, without a last snapshot, and its snapshots, if created after *since*.

    A database of an earlier deployment, and its snapshots, have the same identifier.
    """
    rds = aws.client("rds")
    found = _once_created(aws, identifier)
    if found and found["InstanceCreateTime"] >= since:
        if found["DeletionProtection"]:
            rds.modify_db_instance(
                DBInstanceIdentifier=identifier, DeletionProtection=False, ApplyImmediately=True
            )
        if found["DBInstanceStatus"] != "deleting":
            rds.delete_db_instance(
                DBInstanceIdentifier=identifier, SkipFinalSnapshot=True, DeleteAutomatedBackups=True
            )
        _wait_until_deleted(aws, identifier)
    pages = rds.get_paginator("describe_db_snapshots").paginate(
        DBInstanceIdentifier=identifier, SnapshotType="manual"
    )
    for snapshot in [snapshot for page in pages for snapshot in page["DBSnapshots"]]:
        if snapshot.get("InstanceCreateTime", NEVER) >= since:
            rds.delete_db_snapshot(DBSnapshotIdentifier=snapshot["DBSnapshotIdentifier"])


def _database(aws: Aws, identifier: str) -> DBInstanceTypeDef | None:
    # With a filter, a deleted instance is an empty list instead of an error.
    found = aws.client("rds").describe_db_instances(
        Filters=[{"Name": "db-instance-id", "Values": [identifier]}]
    )["DBInstances"]
    return found[0] if found else None


def _once_created(aws: Aws, identifier: str, clock: PollingClock | None = None) -> DBInstanceTypeDef | None:
    """Return the instance once it can be changed: RDS refuses that, and names no time, while it creates it.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBInstance.html
    """
    for _ in attempts(clock or PollingClock(), DATABASE_SECONDS):
        found = _database(aws, identifier)
        if found is None or (found["DBInstanceStatus"] != "creating" and "InstanceCreateTime" in found):
            return found
    raise TimedOut(
        f"{identifier} is still being created after {DATABASE_SECONDS // 60} min",
        "run the command again: it continues waiting",
    )


def _wait_until_deleted(aws: Aws, identifier: str) -> None:
    for _ in attempts(PollingClock(), DATABASE_SECONDS):
        if _database(aws, identifier) is None:
            return
    raise TimedOut(
        f"{identifier} is still being deleted after {DATABASE_SECONDS // 60} min",
        "run the command again: it continues waiting",
    )


def _unprotect_load_balancer(aws: Aws, arn: str, since: dt.datetime) -> None:
    client = aws.client("elbv2")
    try:
        (balancer,) = client.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    except client.exceptions.LoadBalancerNotFoundException:
        return
    if balancer["CreatedTime"] >= since:
        client.modify_load_balancer_attributes(
            LoadBalancerArn=arn, Attributes=[{"Key": ATTRIBUTE, "Value": "false"}]
        )


def _delete_key(aws: Aws, key: str) -> None:
    kms = aws.client("kms")
    if kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] != "PendingDeletion":
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_DAYS)


def _delete_bucket(aws: Aws, bucket: str) -> None:
    outside_stacks.empty(aws, bucket)
    aws.client("s3").delete_bucket(Bucket=bucket)


def _delete_backup_vault(aws: Aws, name: str) -> None:
    # Of a vault that doesn't exist AWS Backup says that access is denied.
    backup = aws.client("backup")
    pages = backup.get_paginator("list_backup_vaults").paginate()
    if any(vault.get("BackupVaultName") == name for page in pages for vault in page["BackupVaultList"]):
        backup.delete_backup_vault(BackupVaultName=name)


KEPT: Mapping[str, Callable[[Aws, str], object]] = MappingProxyType(
    {
        "AWS::Backup::BackupVault": _delete_backup_vault,
        "AWS::KMS::Key": _delete_key,
        "AWS::Logs::LogGroup": lambda aws, name: aws.client("logs").delete_log_group(logGroupName=name),
        "AWS::RDS::OptionGroup": lambda aws, name: aws.client("rds").delete_option_group(
            OptionGroupName=name
        ),
        BUCKET: _delete_bucket,
        "AWS::SecretsManager::Secret": lambda aws, arn: aws.client("secretsmanager").delete_secret(
            SecretId=arn, ForceDeleteWithoutRecovery=True
        ),
    }
)
"""How the types are deleted that a stack keeps; a test compares them with what the templates keep."""


def _delete_kept(aws: Aws, resource: AttemptedResource) -> None:
    """Delete a resource unless it is deleted already, as most are by the roll-back."""
    try:
        KEPT[resource.type](aws, resource.physical_id)
    except ClientError as error:
        if not any(words in code(error) for words in ("NotFound", "NoSuch")):
            raise
