"""AWS::S3 and AWS::Backup types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..resource import Resource, ResourceType, in_api_words, same, sets, words

_s3 = partial(ResourceType, service="s3")
_backup = partial(ResourceType, service="backup")


def _create_bucket(bucket: Resource) -> None:
    region = bucket.place.region
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    bucket.call("create_bucket", Bucket=bucket.name, **bucket.pick("ObjectLockEnabled"), **where)
    bucket.physical_id = bucket.name


def _encryption(value: Mapping[str, Any]) -> dict[str, Any]:
    default = "ServerSideEncryptionByDefault"
    rules = [dict(rule) for rule in value["ServerSideEncryptionConfiguration"]]
    for rule in rules:
        if default in rule:
            given = dict(rule[default])
            rule["ApplyServerSideEncryptionByDefault"] = given
            del rule[default]
    return {"Rules": rules}


def _lifecycle(value: Mapping[str, Any]) -> dict[str, Any]:
    rules: list[dict[str, Any]] = []
    for given in value["Rules"]:
        rule = {key: item for key, item in given.items() if key not in _LIFECYCLE_WORDS}
        rule["ID"] = given.get("Id", f"rule-{len(rules) + 1}")
        rule["Filter"] = _filter(given)
        expiration = {
            "Days": given.get("ExpirationInDays"),
            "Date": given.get("ExpirationDate"),
            "ExpiredObjectDeleteMarker": given.get("ExpiredObjectDeleteMarker"),
        }
        if found := {key: item for key, item in expiration.items() if item is not None}:
            rule["Expiration"] = found
        if days := given.get("NoncurrentVersionExpirationInDays"):
            rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
        for name in ("Transitions", "NoncurrentVersionTransitions"):
            if name in given:
                words = {"TransitionInDays": "NoncurrentDays" if "Noncurrent" in name else "Days"}
                rule[name] = [
                    {words.get(key, key): item for key, item in step.items()} for step in given[name]
                ]
        rules.append(rule)
    return {"Rules": rules}


_LIFECYCLE_WORDS = words(
    "Id Prefix TagFilters ObjectSizeGreaterThan ObjectSizeLessThan ExpirationInDays ExpirationDate "
    "ExpiredObjectDeleteMarker NoncurrentVersionExpirationInDays Transitions NoncurrentVersionTransitions"
)


def _filter(rule: Mapping[str, Any]) -> dict[str, Any]:
    conditions: dict[str, Any] = {
        key: rule[key] for key in ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan") if key in rule
    }
    tags = rule.get("TagFilters") or []
    if len(conditions) + len(tags) > 1:
        return {"And": conditions | ({"Tags": tags} if tags else {})}
    return conditions or ({"Tag": tags[0]} if tags else {"Prefix": ""})


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


def _cors(value: Mapping[str, Any]) -> dict[str, Any]:
    words = {"Id": "ID", "MaxAge": "MaxAgeSeconds", "ExposedHeaders": "ExposeHeaders"}
    return {
        "CORSRules": [
            {words.get(key, key): item for key, item in rule.items()} for rule in value["CorsRules"]
        ]
    }


def _bucket_tags(bucket: Resource) -> None:
    if tags := in_api_words(bucket.properties.get("Tags")):
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        bucket.call("put_bucket_tagging", Bucket=bucket.name, Tagging={"TagSet": pairs})
    else:
        bucket.call("delete_bucket_tagging", Bucket=bucket.name)


def _backup_rules(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan in the API's words, which differ from the template's in a few places."""
    words = {"BackupPlanRule": "Rules", "TargetBackupVault": "TargetBackupVaultName"}
    return {
        words.get(key, key): [{words.get(k, k): v for k, v in rule.items()} for rule in value]
        if key == "BackupPlanRule"
        else value
        for key, value in plan.items()
    }


def _create_plan(plan: Resource) -> None:
    plan.adopt(
        plan.call(
            "create_backup_plan",
            BackupPlan=_backup_rules(plan.properties["BackupPlan"]),
            BackupPlanTags=plan.properties.get("BackupPlanTags"),
        )
    )


def _keep(resource: Resource, _: Mapping[str, Any] | None = None) -> None:
    resource.physical_id = resource.physical_id or resource.name


TYPES = (
    _s3(
        name="AWS::S3::Bucket",
        create=_create_bucket,
        known=words("ObjectLockEnabled"),
        named="BucketName",
        rename={"BucketName": "Bucket", "ObjectLockEnabled": "ObjectLockEnabledForBucket"},
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
            "ObjectLockConfiguration": sets("put_object_lock_configuration", "ObjectLockConfiguration"),
            "LoggingConfiguration": _logging,
            "CorsConfiguration": sets("put_bucket_cors", "CORSConfiguration", "delete_bucket_cors", _cors),
            "NotificationConfiguration": sets(
                "put_bucket_notification_configuration",
                "NotificationConfiguration",
                value=lambda v: {"EventBridgeConfiguration": {}} if "EventBridgeConfiguration" in v else v,
            ),
            "Tags": _bucket_tags,
        },
        delete="delete_bucket",
        attributes={
            "Arn": "arn:aws:s3:::{name}",
            "DomainName": "{name}.s3.amazonaws.com",
            "RegionalDomainName": "{name}.s3.{region}.amazonaws.com",
            "DualStackDomainName": "{name}.s3.dualstack.{region}.amazonaws.com",
            "WebsiteURL": "http://{name}.s3-website-{region}.amazonaws.com",
        },
        tagged="{name}",
    ),
    _s3(
        name="AWS::S3::BucketPolicy",
        create="put_bucket_policy",
        id="Bucket",
        rename={"PolicyDocument": "Policy"},
        update="put_bucket_policy",
        replace=words("Bucket"),
        delete="delete_bucket_policy",
        delete_with={"Bucket": "Bucket"},
    ),
    _backup(
        name="AWS::Backup::BackupVault",
        create="create_backup_vault",
        named="BackupVaultName",
        settings={
            "LockConfiguration": lambda vault: vault.call(
                "put_backup_vault_lock_configuration",
                BackupVaultName=vault.name,
                **vault.properties["LockConfiguration"],
            )
        },
        ignored=words("AccessPolicy Notifications"),
        delete="delete_backup_vault",
        attributes=same("BackupVaultArn", "BackupVaultName"),
        tagged="BackupVaultArn",
        tags="BackupVaultTags",
    ),
    _backup(
        name="AWS::Backup::BackupPlan",
        create=_create_plan,
        known=words("BackupPlanTags"),
        id="BackupPlanId",
        update=_keep,
        mutable=words("BackupPlan"),
        delete="delete_backup_plan",
        attributes=same("BackupPlanArn", "BackupPlanId", "VersionId"),
        tags="BackupPlanTags",
    ),
    _backup(
        name="AWS::Backup::BackupSelection", create=_keep, attributes={"Id": "{id}", "SelectionId": "{id}"}
    ),
)
