"""Beanstalk's bucket where it is older than the deployment: what prevents using it, and what stays as it is.

Also reverts what was changed by hand in its policy, which CloudFormation doesn't compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from templates.deployment import Deployment
from templates.functions.harden_bucket import (
    deleted_principals,
    harden,
    listed,
    policy_of,
    put_policy,
    without_deleted,
)
from templates.storage_layer import hardening

from ..artifacts.store import beanstalk_bucket
from ..aws import Aws, code
from ..errors import Refused

SSE_S3 = '{"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}'
NO_ACLS = "BucketOwnerEnforced"
"""The ownership that turns ACLs off; the default of buckets since April 2023."""


@dataclass(frozen=True, slots=True)
class BucketFinding:
    """Something about a bucket that its deployment should know."""

    text: str
    remedy: str = ""
    prevents: bool = False
    """Whether the deployment would fail."""


def examine(aws: Aws, deployment: Deployment) -> Iterator[BucketFinding]:
    """Yield what is to be said of a bucket that an environment or another deployment created.

    Raises:
        ClientError: S3 or KMS refused to say it
    """
    if deployment.storage.beanstalk_bucket != "existing":
        return
    bucket, s3 = beanstalk_bucket(aws), aws.client("s3")
    if _unless("404 NoSuchBucket NotFound", lambda: s3.head_bucket(Bucket=bucket)) is None:
        remedy = 'set [storage] beanstalk_bucket = "create"'
        yield BucketFinding(f"{bucket} does not exist", remedy, prevents=True)
        return
    yield from _ownership(s3, bucket)
    yield from _policy(bucket, policy_of(s3, bucket))
    yield from _key(aws, s3, bucket)
    if left := _left_as_is(s3, bucket):
        settings = ", ".join(left)
        yield BucketFinding(f"{bucket} has other users, so these settings stay as they are: {settings}")


def refuse_unusable(aws: Aws, deployment: Deployment) -> None:
    """Refuse to deploy to a bucket in which Beanstalk can't work, before anything is created.

    Raises:
        Refused: it doesn't exist, takes no ACLs or no change of its policy, or its key can't be used
    """
    for found in examine(aws, deployment):
        if found.prevents:
            raise Refused(found.text, found.remedy)


def restore(aws: Aws, deployment: Deployment, report: Callable[[str], None]) -> None:
    """Put the deployment's statements and rules back where they were taken away or changed by hand."""
    bucket = beanstalk_bucket(aws)
    if deleted := harden(aws.client("s3"), dict(hardening(deployment, bucket, aws.partition))):
        report(f"{bucket}: left deleted principals out of the policy: {', '.join(deleted)}")


def leave_out_deleted(aws: Aws, report: Callable[[str], None]) -> None:
    """Leave deleted principals out of the policy, before Beanstalk adds the role of the instances to it.

    Beanstalk adds each environment's role, and takes none away. The role of a creation that failed is deleted
    with it, and S3 takes no policy that names a deleted role. How Beanstalk copes is not documented, so no
    environment depends on it.

    Raises:
        Refused: the policy can't be changed without changing whom a statement is for
    """
    s3, bucket = aws.client("s3"), beanstalk_bucket(aws)
    policy = policy_of(s3, bucket)
    for found in _policy(bucket, policy):
        if found.prevents:
            raise Refused(found.text, found.remedy)
    if deleted := deleted_principals(policy):
        put_policy(s3, bucket, without_deleted(policy))
        report(f"{bucket}: left deleted principals out of the policy: {', '.join(deleted)}")


def key_arn(aws: Aws) -> str:
    """Return the ARN of the bucket's KMS key; nothing where S3 or AWS manages the key."""
    key = _key_id(aws.client("s3"), beanstalk_bucket(aws))
    return aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"] if key else ""


def _ownership(s3: Any, bucket: str) -> Iterator[BucketFinding]:
    controls = _unless(
        "OwnershipControlsNotFoundError", lambda: s3.get_bucket_ownership_controls(Bucket=bucket)
    )
    rules = controls["OwnershipControls"]["Rules"] if controls else [{"ObjectOwnership": NO_ACLS}]
    if rules[0]["ObjectOwnership"] == NO_ACLS:
        wanted = "Rules=[{ObjectOwnership=BucketOwnerPreferred}]"
        yield BucketFinding(
            f"{bucket} takes no ACLs ({NO_ACLS}); Beanstalk writes with ACLs, so no environment would start",
            f"aws s3api put-bucket-ownership-controls --bucket {bucket} --region {s3.meta.region_name} "
            f"--ownership-controls '{wanted}'",
            prevents=True,
        )


def _policy(bucket: str, policy: dict[str, Any]) -> Iterator[BucketFinding]:
    statements = listed(policy["Statement"])
    excepted = [{"Principal": each["NotPrincipal"]} for each in statements if "NotPrincipal" in each]
    if deleted := deleted_principals({"Statement": excepted}):
        yield BucketFinding(
            f"the policy of {bucket} has NotPrincipal with deleted roles ({', '.join(deleted)}); S3 takes no "
            "change of it",
            f"name existing roles: aws s3api put-bucket-policy --bucket {bucket} --policy file://policy.json",
            prevents=True,
        )
    elif deleted := deleted_principals(policy):
        yield BucketFinding(
            f"the policy of {bucket} names deleted roles or users ({', '.join(deleted)}); S3 takes no policy "
            "with them, so they are left out when the deployment's statement is added"
        )


def _key(aws: Aws, s3: Any, bucket: str) -> Iterator[BucketFinding]:
    key = _key_id(s3, bucket)
    if not key:
        return
    described = _unless(
        "NotFoundException AccessDeniedException", lambda: aws.client("kms").describe_key(KeyId=key)
    )
    if described is None or described["KeyMetadata"]["AWSAccountId"] != aws.account():
        yield BucketFinding(
            f"{bucket} is encrypted with a key that this account can't use or that is deleted ({key})",
            "after agreeing it with the bucket's other users: aws s3api put-bucket-encryption --bucket "
            f"{bucket} --region {aws.region} --server-side-encryption-configuration '{SSE_S3}'",
            prevents=True,
        )
        return
    described = described["KeyMetadata"]
    arn, state = described["Arn"], described["KeyState"]
    if state != "Enabled":
        at = f"--key-id {described['KeyId']} --region {aws.region}"
        cancel = f"aws kms cancel-key-deletion {at} && " if state == "PendingDeletion" else ""
        yield BucketFinding(
            f"{bucket} is encrypted with {arn}, which is {state}",
            f"{cancel}aws kms enable-key {at}",
            prevents=True,
        )
    elif described["KeyManager"] == "CUSTOMER":
        yield BucketFinding(
            f"{bucket} is encrypted with {arn}; the instances can use it if its key policy leaves that to "
            "the account's IAM policies"
        )


def _key_id(s3: Any, bucket: str) -> str:
    """Return the KMS key of a bucket's default encryption; nothing where S3 or AWS manages the key."""
    answer = _unless(
        "ServerSideEncryptionConfigurationNotFoundError", lambda: s3.get_bucket_encryption(Bucket=bucket)
    )
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"] if answer else []
    defaults = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
    found = [default["KMSMasterKeyID"] for default in defaults if "KMSMasterKeyID" in default]
    return found[0] if found and not found[0].endswith("alias/aws/s3") else ""


def _left_as_is(s3: Any, bucket: str) -> list[str]:
    """Return the settings that a bucket of the deployment's own would have otherwise."""
    block = _unless("NoSuchPublicAccessBlockConfiguration", lambda: s3.get_public_access_block(Bucket=bucket))
    blocks = block["PublicAccessBlockConfiguration"] if block else {}
    found = {
        "public access is not blocked": not blocks or not all(blocks.values()),
        "no versioning": s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled",
        "no access log": "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket),
    }
    return [text for text, holds in found.items() if holds]


def _unless(absent: str, call: Callable[[], Any]) -> Any:
    """Return a call's answer; nothing where S3 refuses it with one of the error codes *absent*."""
    try:
        return call()
    except ClientError as error:
        if code(error) not in absent.split():
            raise
        return None
