"""Which condition keys a service principal sends to another service, as far as a source says so.

A condition on a key that is not in the request is false, so an `Allow` with it allows nothing, and the
delivery is lost in silence. Whoever is not listed here sends none of these keys. Looked up on 2026-11-30.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ACCOUNT = "aws:SourceAccount"
ARN = "aws:SourceArn"
EXTERNAL_ID = "sts:ExternalId"

SENT: Mapping[tuple[str, str], frozenset[str]] = MappingProxyType(
    {
        # https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html and
        # https://repost.aws/knowledge-center/cloudwatch-receive-sns-for-alarm-trigger
        ("cloudwatch.amazonaws.com", "sns"): frozenset({ACCOUNT, ARN}),
        # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
        ("cloudwatch.amazonaws.com", "kms"): frozenset({ACCOUNT, ARN}),
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.GrantingPermissions.html. Of the
        # topic's key that page says nothing, so RDS is not listed with `kms`.
        ("events.rds.amazonaws.com", "sns"): frozenset({ACCOUNT, ARN}),
        # Lambda and SQS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html,
        # whose examples require the ARN alone. With the account an event is reported to be lost:
        # https://github.com/awsdocs/aws-cloudformation-user-guide/pull/481
        ("events.amazonaws.com", "lambda"): frozenset({ARN}),
        ("events.amazonaws.com", "sqs"): frozenset({ARN}),
        # Not listed: EventBridge with SNS ("You can't use Condition blocks in Amazon SNS topic policies for
        # EventBridge", the same guide's troubleshooting) and with KMS ("not supported for
        # EventBridge-to-encrypted topics", the guide of SNS; landing-zone-accelerator-on-aws#407).
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
        ("logging.s3.amazonaws.com", "s3"): frozenset({ACCOUNT, ARN}),
        # Not listed: logdelivery.elasticloadbalancing.amazonaws.com. AWS's example has no condition, and with
        # one on the ARN "Access Denied for bucket" is reported:
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
        # https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/iam-servicerole.html
        ("elasticbeanstalk.amazonaws.com", "sts"): frozenset({EXTERNAL_ID}),
    }
)
"""The principal and the prefix of the called service → the keys."""


def sent(principal: str, action: str, source_arn: str) -> dict[str, str]:
    """Return those keys of a call of *action* that *principal* makes on behalf of *source_arn*."""
    known = {EXTERNAL_ID: "elasticbeanstalk"}
    if source_arn:
        known |= {ARN: source_arn, ACCOUNT: source_arn.split(":")[4]}
    keys = SENT.get((principal, action.partition(":")[0]), frozenset())
    return {key: value for key, value in known.items() if key in keys}
