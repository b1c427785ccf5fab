"""What S3 asks for beside the action itself: the object's KMS key, and permission to set an ACL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .calls import ServiceCall
from .policy import AccessRequest, ContextValue
from .resources import find_bucket, find_key

READS = frozenset({"GetObject", "HeadObject", "GetObjectAttributes"})
WRITES = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart"})
MULTIPART = frozenset({"CreateMultipartUpload", "UploadPart"})

_ENCRYPTION = "x-amz-server-side-encryption"


def object_requests(
    call: ServiceCall,
    resource: str,
    caller: str,
    context: Mapping[str, ContextValue],
    headers: Mapping[str, str],
) -> Iterator[AccessRequest]:
    """Yield what must be allowed beside the action of *call* on the object *resource*.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html (an ACL) and
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html (a key). The key that AWS
    manages, `aws/s3`, allows every principal of the account that S3 lets in.
    """
    bucket_arn, _, name = resource.partition("/")
    bucket = find_bucket(bucket_arn)
    if bucket is None or not name:
        return
    names = [name.lower() for name, _ in headers.items()]
    sets_acl = any(name == "x-amz-acl" or name.startswith("x-amz-grant-") for name in names)
    if call.operation in WRITES and sets_acl:
        yield AccessRequest("s3:PutObjectAcl", resource, caller, context)
    key_id, with_bucket_key = _key_id(bucket, call, name, headers)
    key = find_key(call.account, bucket.region_name, key_id) if key_id else None
    if key is None or any(alias.startswith("alias/aws/") for alias in key.aliases):
        return
    via: dict[str, ContextValue] = {
        **{name: value for name, value in context.items() if not name.startswith("s3:")},
        "aws:ViaAWSService": "true",
        "aws:CalledVia": ("s3.amazonaws.com",),
        "kms:ViaService": f"s3.{bucket.region_name}.amazonaws.com",
        "kms:CallerAccount": call.account,
        "kms:ResourceAliases": tuple(key.aliases),
        # With a bucket key the context is the bucket's ARN:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
        "kms:EncryptionContext:aws:s3:arn": bucket_arn if with_bucket_key else resource,
        "kms:EncryptionContextKeys": ("aws:s3:arn",),
    }
    actions = ["kms:Decrypt"] if call.operation in READS else ["kms:GenerateDataKey"]
    if call.operation in MULTIPART:
        actions.append("kms:Decrypt")
    for action in actions:
        yield AccessRequest(action, key.arn, caller, via)


def _key_id(bucket: Any, call: ServiceCall, name: str, headers: Mapping[str, str]) -> tuple[str, bool]:
    """Return the key that an object has or will have, if it is a KMS key, and whether with a bucket key."""
    if call.operation in READS:
        versions = bucket.keys.getlist(name) if name in bucket.keys else []
        wanted = call.params.get("versionId")
        for version in reversed(versions):
            if wanted in (None, getattr(version, "version_id", None)):
                kms = str(getattr(version, "encryption", None) or "").startswith("aws:kms")
                with_bucket_key = str(getattr(version, "bucket_key_enabled", "")).lower() == "true"
                return (getattr(version, "kms_key_id", None) or "" if kms else ""), with_bucket_key
        return "", False
    if call.operation not in WRITES:
        return "", False
    rule = (bucket.encryption or {}).get("Rule", {})
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    algorithm = headers.get(_ENCRYPTION) or default.get("SSEAlgorithm") or ""
    if not algorithm.startswith("aws:kms"):
        return "", False
    with_bucket_key = str(rule.get("BucketKeyEnabled", "")).lower() == "true"
    return headers.get(f"{_ENCRYPTION}-aws-kms-key-id") or default.get(
        "KMSMasterKeyID"
    ) or "", with_bucket_key
