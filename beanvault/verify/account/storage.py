"""S3, KMS and CloudWatch Logs: buckets, keys and log groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from ...aws import code
from .parsing import all_items, parses
from .policies import PolicyStatement, statements
from .stacks import DeploymentStacks

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_kms.type_defs import (
        DescribeKeyResponseTypeDef,
        GetKeyPolicyResponseTypeDef,
        GetKeyRotationStatusResponseTypeDef,
    )
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import DescribeLogGroupsResponseTypeDef
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        GetBucketEncryptionOutputTypeDef,
        GetBucketLifecycleConfigurationOutputTypeDef,
        GetBucketLoggingOutputTypeDef,
        GetBucketOwnershipControlsOutputTypeDef,
        GetBucketPolicyOutputTypeDef,
        GetPublicAccessBlockOutputTypeDef,
    )

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class PublicAccessBlock:
    """The four settings that block public access to a bucket."""

    block_acls: bool = False
    ignore_acls: bool = False
    block_policy: bool = False
    restrict_buckets: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """The settings that are off, by S3's names."""
        settings = {
            "BlockPublicAcls": self.block_acls,
            "IgnorePublicAcls": self.ignore_acls,
            "BlockPublicPolicy": self.block_policy,
            "RestrictPublicBuckets": self.restrict_buckets,
        }
        return tuple(name for name, on in settings.items() if not on)


@dataclass(frozen=True, slots=True)
class LogGroup:
    name: str
    retention_days: int | None
    """None keeps the logs for ever."""
    has_kms_key: bool


@parses("GetPublicAccessBlock")
def _public_access_block(answer: GetPublicAccessBlockOutputTypeDef) -> PublicAccessBlock:
    raw = answer["PublicAccessBlockConfiguration"]
    return PublicAccessBlock(
        raw.get("BlockPublicAcls", False),
        raw.get("IgnorePublicAcls", False),
        raw.get("BlockPublicPolicy", False),
        raw.get("RestrictPublicBuckets", False),
    )


@parses("GetBucketEncryption")
def _encryption_algorithms(answer: GetBucketEncryptionOutputTypeDef) -> tuple[str, ...]:
    return tuple(
        rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
        for rule in answer["ServerSideEncryptionConfiguration"]["Rules"]
        if "ApplyServerSideEncryptionByDefault" in rule
    )


@parses("GetBucketPolicy")
def _bucket_policy(answer: GetBucketPolicyOutputTypeDef) -> tuple[PolicyStatement, ...]:
    return statements(answer["Policy"])


@parses("GetBucketLifecycleConfiguration")
def _enabled_lifecycle_rules(answer: GetBucketLifecycleConfigurationOutputTypeDef) -> int:
    return sum(rule["Status"] == "Enabled" for rule in answer["Rules"])


@parses("GetBucketLogging")
def _log_bucket(answer: GetBucketLoggingOutputTypeDef) -> str:
    return answer["LoggingEnabled"]["TargetBucket"] if "LoggingEnabled" in answer else ""


@parses("GetBucketOwnershipControls")
def _object_ownership(answer: GetBucketOwnershipControlsOutputTypeDef) -> tuple[str, ...]:
    return tuple(rule["ObjectOwnership"] for rule in answer["OwnershipControls"]["Rules"])


@parses("GetKeyRotationStatus")
def _key_rotates(answer: GetKeyRotationStatusResponseTypeDef) -> bool:
    return answer["KeyRotationEnabled"]


@parses("DescribeKey")
def _key_state(answer: DescribeKeyResponseTypeDef) -> str:
    return answer["KeyMetadata"]["KeyState"]


@parses("GetKeyPolicy")
def _key_policy(answer: GetKeyPolicyResponseTypeDef) -> tuple[PolicyStatement, ...]:
    return statements(answer["Policy"])


@parses("DescribeLogGroups")
def _log_groups(page: DescribeLogGroupsResponseTypeDef) -> tuple[LogGroup, ...]:
    return tuple(
        LogGroup(each["logGroupName"], each.get("retentionInDays"), "kmsKeyId" in each)
        for each in page["logGroups"]
    )


@dataclass
class StorageState:
    stacks: DeploymentStacks

    @cached_property
    def beanstalk_bucket(self) -> str:
        """The bucket that Beanstalk itself uses, one for each account and region."""
        return f"elasticbeanstalk-{self.stacks.aws.region}-{self.stacks.aws.account()}"

    @cached_property
    def buckets(self) -> tuple[str, ...]:
        """The stacks' buckets, and Beanstalk's own."""
        return tuple(dict.fromkeys([*self.stacks.ids("AWS::S3::Bucket"), self.beanstalk_bucket]))

    def public_access_block(self, bucket: str) -> PublicAccessBlock:
        answer = _unless(
            "NoSuchPublicAccessBlockConfiguration", lambda: self._s3.get_public_access_block(Bucket=bucket)
        )
        return _public_access_block(answer) if answer else PublicAccessBlock()

    def encryption_algorithms(self, bucket: str) -> tuple[str, ...]:
        """Return the algorithms of a bucket's default encryption."""
        answer = _unless(
            "ServerSideEncryptionConfigurationNotFoundError",
            lambda: self._s3.get_bucket_encryption(Bucket=bucket),
        )
        return _encryption_algorithms(answer) if answer else ()

    def bucket_policy(self, bucket: str) -> tuple[PolicyStatement, ...]:
        answer = _unless("NoSuchBucketPolicy", lambda: self._s3.get_bucket_policy(Bucket=bucket))
        return _bucket_policy(answer) if answer else ()

    def versioning(self, bucket: str) -> str:
        """Return `Enabled` or `Suspended`; nothing where a bucket never had versions."""
        return self._s3.get_bucket_versioning(Bucket=bucket).get("Status", "")

    def enabled_lifecycle_rules(self, bucket: str) -> int:
        answer = _unless(
            "NoSuchLifecycleConfiguration",
            lambda: self._s3.get_bucket_lifecycle_configuration(Bucket=bucket),
        )
        return _enabled_lifecycle_rules(answer) if answer else 0

    def log_bucket(self, bucket: str) -> str:
        """Return the bucket that a bucket's access log goes to; nothing where it has none."""
        return _log_bucket(self._s3.get_bucket_logging(Bucket=bucket))

    def object_ownership(self, bucket: str) -> tuple[str, ...]:
        answer = _unless(
            "OwnershipControlsNotFoundError", lambda: self._s3.get_bucket_ownership_controls(Bucket=bucket)
        )
        return _object_ownership(answer) if answer else ()

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return self.stacks.ids("AWS::KMS::Key")

    def key_rotates(self, key: str) -> bool:
        return _key_rotates(self._kms.get_key_rotation_status(KeyId=key))

    def key_state(self, key: str) -> str:
        return _key_state(self._kms.describe_key(KeyId=key))

    def key_policy(self, key: str) -> tuple[PolicyStatement, ...]:
        return _key_policy(self._kms.get_key_policy(KeyId=key, PolicyName="default"))

    @cached_property
    def log_groups(self) -> Mapping[str, LogGroup | None]:
        """The stacks' log groups by name; None where one was deleted."""
        client: CloudWatchLogsClient = self.stacks.aws.client("logs")
        pages = client.get_paginator("describe_log_groups").paginate()
        found = {group.name: group for group in all_items(_log_groups, pages)}
        return {name: found.get(name) for name in self.stacks.ids("AWS::Logs::LogGroup")}

    @property
    def _s3(self) -> S3Client:
        client: S3Client = self.stacks.aws.client("s3")
        return client

    @property
    def _kms(self) -> KMSClient:
        client: KMSClient = self.stacks.aws.client("kms")
        return client


def _unless(absent: str, call: Callable[[], Answer]) -> Answer | None:
    """Return a call's answer; nothing where S3 refuses it with the error code *absent*."""
    try:
        return call()
    except ClientError as error:
        if code(error) != absent:
            raise
        return None
