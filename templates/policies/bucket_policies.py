"""Bucket policies: deletion denied, log delivery allowed. TLS only is in `resource_policies`."""

from collections.abc import Sequence

from awacs import s3
from awacs.aws import Allow, ArnLike, Condition, Deny, Principal, Statement, StringEquals
from troposphere import Ref

from templates.policies import Arn

ANY_BUCKET_ACTION = s3.Action("*")


def deny_bucket_deletion(bucket: Arn) -> Statement:
    """Deny deleting the bucket, as Beanstalk's own policy does."""
    return Statement(
        Sid="DenyBucketDeletion",
        Effect=Deny,
        Principal=Principal("*"),
        Action=[s3.DeleteBucket],
        Resource=[bucket],
    )


def deliver_logs(sid: str, service: str, objects: Arn, sources: Sequence[Arn]) -> Statement:
    """Let an AWS service deliver the logs of these resources of this account.

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
            [
                StringEquals({"aws:SourceAccount": Ref("AWS::AccountId")}),
                ArnLike({"aws:SourceArn": list(sources)}),
            ]
        ),
    )
