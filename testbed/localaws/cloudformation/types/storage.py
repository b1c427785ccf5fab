"""AWS::S3 and AWS::Backup types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from ..resource import Resource
from ..resource_type import ResourceType, names, sets, tag_mapping

_s3 = partial(ResourceType, service="s3")
_backup = partial(ResourceType, service="backup")


def _create_bucket(bucket: Resource) -> None:
    region = bucket.scope.region
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    bucket.call("create_bucket", Bucket=bucket.name, **where)
    bucket.physical_id = bucket.name


def _find_bucket(bucket: Resource) -> Mapping[str, Any] | None:
    try:
        return bucket.call("head_bucket", Bucket=bucket.name)
    except ClientError:
        return None


def _find_vault(vault: Resource) -> Mapping[str, Any] | None:
    try:
        return vault.call("describe_backup_vault", BackupVaultName=vault.name)
    except ClientError:
        return None


def _encryption(value: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
    rules = value["ServerSideEncryptionConfiguration"]
    return {"Rules": [{renamed.get(key, key): item for key, item in rule.items()} for rule in rules]}


def _lifecycle(value: Mapping[str, Any]) -> dict[str, Any]:
    rules: list[dict[str, Any]] = []
    for given in value["Rules"]:
        rule = {key: item for key, item in given.items() if key not in ("Id", "ExpirationInDays")}
        rule |= {"ID": given["Id"], "Filter": {"Prefix": ""}}
        if days := given.get("ExpirationInDays"):
            rule["Expiration"] = {"Days": days}
        rules.append(rule)
    return {"Rules": rules}


def _logging(bucket: Resource) -> None:
    value = bucket.properties.get("LoggingConfiguration")
    status: dict[str, Any] = {}
    if value:
        target = {
            key: item for key, item in value.items() if key not in ("DestinationBucketName", "LogFilePrefix")
        }
        target["TargetBucket"] = value.get("DestinationBucketName", bucket.name)
        status["LoggingEnabled"] = target | {"TargetPrefix": value.get("LogFilePrefix", "")}
    bucket.call("put_bucket_logging", Bucket=bucket.name, BucketLoggingStatus=status)


def _bucket_tags(bucket: Resource) -> None:
    if tags := tag_mapping(bucket.properties.get("Tags")):
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        bucket.call("put_bucket_tagging", Bucket=bucket.name, Tagging={"TagSet": pairs})
    else:
        bucket.call("delete_bucket_tagging", Bucket=bucket.name)


def _create_plan(plan: Resource) -> None:
    """The API has other names for a plan's rules and for a rule's vault."""
    given = dict(plan.properties["BackupPlan"])
    rules = [dict(rule) for rule in given.pop("BackupPlanRule")]
    for rule in rules:
        rule["TargetBackupVaultName"] = rule.pop("TargetBackupVault")
    plan.take_answer(plan.call("create_backup_plan", BackupPlan=given | {"Rules": rules}))


def _keep(resource: Resource, _: Mapping[str, Any]) -> None:
    resource.physical_id = resource.physical_id or resource.name


TYPES = (
    _s3(
        name="AWS::S3::Bucket",
        create=_create_bucket,
        known=frozenset(),
        named="BucketName",
        rename={"BucketName": "Bucket"},
        name_limit=63,
        lower_case=True,
        settings={
            "OwnershipControls": sets("put_bucket_ownership_controls", "OwnershipControls"),
            "PublicAccessBlockConfiguration": sets(
                "put_public_access_block", "PublicAccessBlockConfiguration", "delete_public_access_block"
            ),
            "VersioningConfiguration": sets("put_bucket_versioning", "VersioningConfiguration"),
            "BucketEncryption": sets(
                "put_bucket_encryption",
                "ServerSideEncryptionConfiguration",
                "delete_bucket_encryption",
                _encryption,
            ),
            "LifecycleConfiguration": sets(
                "put_bucket_lifecycle_configuration",
                "LifecycleConfiguration",
                "delete_bucket_lifecycle",
                _lifecycle,
            ),
            "LoggingConfiguration": _logging,
            "Tags": _bucket_tags,
        },
        delete="delete_bucket",
        find=_find_bucket,
        attributes={"Arn": "arn:aws:s3:::{name}"},
        tagged="{name}",
    ),
    _s3(
        name="AWS::S3::BucketPolicy",
        create="put_bucket_policy",
        id="Bucket",
        rename={"PolicyDocument": "Policy"},
        update="put_bucket_policy",
        replace=names("Bucket"),
        delete="delete_bucket_policy",
        delete_with={"Bucket": "Bucket"},
    ),
    _backup(
        name="AWS::Backup::BackupVault",
        create="create_backup_vault",
        named="BackupVaultName",
        delete="delete_backup_vault",
        find=_find_vault,
        tagged="BackupVaultArn",
        tags="BackupVaultTags",
    ),
    _backup(
        name="AWS::Backup::BackupPlan",
        create=_create_plan,
        known=frozenset(),
        id="BackupPlanId",
        update=_keep,
        mutable=names("BackupPlan"),
        delete="delete_backup_plan",
    ),
    _backup(
        name="AWS::Backup::BackupSelection",
        create="create_backup_selection",
        id="{SelectionId}_{BackupPlanId}",
        delete="delete_backup_selection",
        delete_with={"BackupPlanId": "BackupPlanId", "SelectionId": "SelectionId"},
        attributes={"Id": "{id}", "SelectionId": "SelectionId", "BackupPlanId": "BackupPlanId"},
    ),
)
