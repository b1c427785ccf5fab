"""Breaks of buckets, keys and logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .support_breaks import OPEN, Site, Table, policy

BREAKS = Table()


def _bucket(site: Site) -> str:
    return site.physical_id("storage", "LogBucket")


def _setting(get: str, put: str, delete: str, argument: str, member: str, site: Site) -> Iterator[None]:
    """Delete a bucket's setting, then restore it."""
    s3, bucket = site.client("s3"), _bucket(site)
    kept = getattr(s3, get)(Bucket=bucket)[member]
    getattr(s3, delete)(Bucket=bucket)
    yield
    getattr(s3, put)(Bucket=bucket, **{argument: kept})


for _control, _get, _put, _delete, _argument, _member in (
    (
        "S3.8",
        "get_public_access_block",
        "put_public_access_block",
        "delete_public_access_block",
        "PublicAccessBlockConfiguration",
        "PublicAccessBlockConfiguration",
    ),
    (
        "S3.17",
        "get_bucket_encryption",
        "put_bucket_encryption",
        "delete_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfiguration",
    ),
):
    BREAKS.add(_control, partial(_setting, _get, _put, _delete, _argument, _member), _delete)


@BREAKS.breaks("S3.13")
def _a_bucket_has_no_lifecycle(site: Site) -> Iterator[None]:
    s3, bucket = site.client("s3"), _bucket(site)
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    s3.delete_bucket_lifecycle(Bucket=bucket)
    yield
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def _bucket_policy(change: Callable[[list[Any]], list[Any]], site: Site) -> Iterator[None]:
    s3, bucket = site.client("s3"), _bucket(site)
    kept = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(*change(json.loads(kept)["Statement"])))
    yield
    s3.put_bucket_policy(Bucket=bucket, Policy=kept)


BREAKS.add(
    "S3.5",
    partial(_bucket_policy, lambda found: [each for each in found if each["Effect"] != "Deny"]),
    "a_bucket_accepts_plain_http",
)
BREAKS.add("S3.6", partial(_bucket_policy, lambda found: [*found, OPEN]), "a_bucket_is_open_to_every_account")
_ELSEWHERE = {**OPEN, "Condition": {"StringEquals": {"aws:PrincipalAccount": "999999999999"}}}
BREAKS.add(
    "S3.6", partial(_bucket_policy, lambda found: [*found, _ELSEWHERE]), "a_bucket_is_open_to_another_account"
)


@BREAKS.breaks("S3.14")
def _a_bucket_keeps_no_old_versions(site: Site) -> Iterator[None]:
    s3, bucket = site.client("s3"), _bucket(site)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    yield
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


@BREAKS.breaks("S3.9")
def _access_to_beanstalks_bucket_is_not_logged(site: Site) -> Iterator[None]:
    s3, bucket = site.client("s3"), site.physical_id("storage", "BeanstalkBucket")
    kept = s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    yield
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": kept})


@BREAKS.breaks("S3.12")
def _objects_belong_to_their_writers(site: Site) -> Iterator[None]:
    s3, bucket = site.client("s3"), _bucket(site)
    for owner in ("ObjectWriter", "BucketOwnerEnforced"):
        rules = {"Rules": [{"ObjectOwnership": owner}]}
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
        if owner == "ObjectWriter":
            yield


@BREAKS.breaks("KMS.4")
def _a_key_does_not_rotate(site: Site) -> Iterator[None]:
    kms, key = site.client("kms"), site.physical_id("keys", "DataKey")
    kms.disable_key_rotation(KeyId=key)
    yield
    kms.enable_key_rotation(KeyId=key)


@BREAKS.breaks("KMS.3")
def _a_key_is_scheduled_for_deletion(site: Site) -> Iterator[None]:
    kms, key = site.client("kms"), site.physical_id("keys", "FunctionKey")
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    yield
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)


@BREAKS.breaks("KMS.5")
def _a_key_is_open_to_every_account(site: Site) -> Iterator[None]:
    kms, key = site.client("kms"), site.physical_id("keys", "DataKey")
    kept = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    opened = policy(*json.loads(kept)["Statement"], OPEN)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=opened)
    yield
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=kept)


@BREAKS.breaks("BV.LOG1")
def _logs_are_kept_for_a_day(site: Site) -> Iterator[None]:
    logs, group = site.client("logs"), site.physical_id("replicator", "FunctionLogGroup")
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    yield
    logs.put_retention_policy(logGroupName=group, retentionInDays=site.deployment.logs.retention_days)


@BREAKS.breaks("BV.LOG1")
def _a_log_group_is_deleted(site: Site) -> Iterator[None]:
    logs, name = site.client("logs"), site.physical_id("replicator", "FunctionLogGroup")
    (group,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    logs.delete_log_group(logGroupName=name)
    yield
    logs.create_log_group(logGroupName=name, kmsKeyId=group["kmsKeyId"])
    logs.put_retention_policy(logGroupName=name, retentionInDays=group["retentionInDays"])
