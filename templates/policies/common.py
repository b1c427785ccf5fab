"""Permissions that more than one role has."""

from awacs import events, kms, logs
from awacs.aws import Allow, Condition, Statement, StringEquals
from troposphere import Sub

from replicator.contract.events import EventType
from templates.policies import Arn


def encrypt_alerts(key: Arn) -> Statement:
    """Encrypt messages to the topic, and nothing else, with the topic's key."""
    return Statement(
        Sid="EncryptAlerts",
        Effect=Allow,
        Action=[kms.Decrypt, kms.GenerateDataKey],
        Resource=[key],
        Condition=Condition([StringEquals({"kms:ViaService": Sub("sns.${AWS::Region}.amazonaws.com")})]),
    )


def use_bucket_key(key: Arn) -> Statement:
    """Let S3 encrypt and decrypt with the key of Beanstalk's bucket."""
    return Statement(
        Sid="UseTheKeyOfTheBucket",
        Effect=Allow,
        Action=[kms.Decrypt, kms.GenerateDataKey],
        Resource=[key],
        Condition=Condition([StringEquals({"kms:ViaService": Sub("s3.${AWS::Region}.amazonaws.com")})]),
    )


def put_events(sid: str, bus: Arn, event: EventType) -> Statement:
    """Put one kind of event on one bus."""
    return Statement(
        Sid=sid,
        Effect=Allow,
        Action=[events.PutEvents],
        Resource=[bus],
        Condition=Condition(
            [StringEquals({"events:source": event.source, "events:detail-type": event.detail_type})]
        ),
    )


def write_logs(group: Arn) -> Statement:
    """Write to a log group that exists."""
    return Statement(
        Sid="WriteLogs", Effect=Allow, Action=[logs.CreateLogStream, logs.PutLogEvents], Resource=[group]
    )
