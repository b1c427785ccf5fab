"""Who can publish to the topic of alerts."""

from awacs import sns
from awacs.aws import Allow, ArnLike, Condition, Principal, Statement, StringEquals
from troposphere import Ref

from templates.policies import Arn

_ACCOUNT = Ref("AWS::AccountId")


def published_by_alarms(alarms: Arn, topic: Arn) -> Statement:
    """Let alarms of this account publish."""
    return _published_by("AllowAlarmsToPublish", "cloudwatch.amazonaws.com", alarms, topic)


def published_by_database_events(sources: Arn, topic: Arn) -> Statement:
    """Let RDS publish the events of databases of this account."""
    return _published_by("AllowDatabaseEventsToPublish", "events.rds.amazonaws.com", sources, topic)


def published_by_rules(topic: Arn) -> Statement:
    """Let EventBridge publish what rules match.

    "You can't use Condition blocks in Amazon SNS topic policies for EventBridge": every event would be lost.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-troubleshooting.html
    """
    return Statement(
        Sid="AllowRulesToPublish",
        Effect=Allow,
        Principal=Principal("Service", "events.amazonaws.com"),
        Action=[sns.Publish],
        Resource=[topic],
    )


def _published_by(sid: str, service: str, sources: Arn, topic: Arn) -> Statement:
    return Statement(
        Sid=sid,
        Effect=Allow,
        Principal=Principal("Service", service),
        Action=[sns.Publish],
        Resource=[topic],
        Condition=Condition(
            [StringEquals({"aws:SourceAccount": _ACCOUNT}), ArnLike({"aws:SourceArn": sources})]
        ),
    )
