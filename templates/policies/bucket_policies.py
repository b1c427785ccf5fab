"""Bucket policies: log delivery allowed. TLS only is in `resource_policies`."""

from awacs import s3
from awacs.aws import Allow, ArnLike, Condition, Principal, Statement, StringEquals
from troposphere import Ref

from templates.policies import Arn

ANY_BUCKET_ACTION = s3.Action("*")


def deliver_balancer_logs(objects: Arn) -> Statement:
    """Let load balancers deliver logs to *objects*, whose names begin with this account's id.

    Without a condition: the delivery is reported refused with one on `aws:SourceArn`, and no source says that
    it sends `aws:SourceAccount`. Elastic Load Balancing itself writes an account's logs below its id. All
    regions accept this principal; the accounts of the older regions are AWS's "legacy" policy.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
    """
    return Statement(
        Sid="AllowLoadBalancersToDeliverLogs",
        Effect=Allow,
        Principal=Principal("Service", "logdelivery.elasticloadbalancing.amazonaws.com"),
        Action=[s3.PutObject],
        Resource=objects,
    )


def deliver_access_logs(objects: Arn, source: Arn) -> Statement:
    """Let S3 deliver the access log of the bucket *source* of this account.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """
    return Statement(
        Sid="AllowBucketsToDeliverLogs",
        Effect=Allow,
        Principal=Principal("Service", "logging.s3.amazonaws.com"),
        Action=[s3.PutObject],
        Resource=objects,
        Condition=Condition(
            [
                StringEquals({"aws:SourceAccount": Ref("AWS::AccountId")}),
                ArnLike({"aws:SourceArn": [source]}),
            ]
        ),
    )
