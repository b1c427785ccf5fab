"""Bucket policies, and what the function that hardens an existing bucket may do."""

from collections.abc import Sequence

from awacs import s3
from awacs.aws import (
    Allow,
    ArnLike,
    Bool,
    Condition,
    Deny,
    Principal,
    Statement,
    StringEquals,
)
from troposphere import Ref

from templates.policies import Arn

_ACCOUNT = Ref("AWS::AccountId")


def only_over_tls(bucket: Arn, objects: Arn) -> Statement:
    """Refuse requests in plain text, by anybody and for anything."""
    return Statement(
        Sid="OnlyOverTls",
        Effect=Deny,
        Principal=Principal("*"),
        Action=[s3.Action("*")],
        Resource=[bucket, objects],
        Condition=Condition([Bool({"aws:SecureTransport": "false"})]),
    )


def never_deleted(bucket: Arn) -> Statement:
    """Refuse to delete the bucket, as Beanstalk's own policy does."""
    return Statement(
        Sid="NeverDeleted",
        Effect=Deny,
        Principal=Principal("*"),
        Action=[s3.DeleteBucket],
        Resource=[bucket],
    )


def delivers_logs(sid: str, service: str, objects: Arn, sources: Sequence[Arn]) -> Statement:
    """Let a service of AWS leave the logs of these resources of this account.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html,
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """
    return Statement(
        Sid=sid,
        Effect=Allow,
        Principal=Principal("Service", service),
        Action=[s3.PutObject],
        Resource=objects,
        Condition=Condition(
            [StringEquals({"aws:SourceAccount": _ACCOUNT}), ArnLike({"aws:SourceArn": list(sources)})]
        ),
    )


def harden_bucket(bucket: Arn) -> Statement:
    """Change how this bucket guards its objects, not the objects."""
    return Statement(
        Sid="HardenTheBucket",
        Effect=Allow,
        Action=[
            s3.GetBucketPolicy,
            s3.GetEncryptionConfiguration,
            s3.PutBucketLogging,
            s3.PutBucketOwnershipControls,
            s3.PutBucketPolicy,
            s3.PutBucketPublicAccessBlock,
            s3.PutBucketVersioning,
            s3.PutEncryptionConfiguration,
            s3.PutLifecycleConfiguration,
        ],
        Resource=[bucket],
        Condition=Condition([StringEquals({"aws:ResourceAccount": _ACCOUNT})]),
    )
