"""Who may publish to the topic of alerts."""

from awacs import sns
from awacs.aws import Allow, ArnLike, Condition, Principal, Statement, StringEquals
from troposphere import Ref

from templates.policies import Arn

_ACCOUNT = Ref("AWS::AccountId")


def published_by_service(service: str, sources: Arn, topic: Arn) -> Statement:
    """Let one AWS service publish what these sources of this account have to say."""
    return Statement(
        Sid="PublishedBy" + "".join(part.capitalize() for part in service.split(".")[:-2]),
        Effect=Allow,
        Principal=Principal("Service", service),
        Action=[sns.Publish],
        Resource=[topic],
        Condition=Condition(
            [StringEquals({"aws:SourceAccount": _ACCOUNT}), ArnLike({"aws:SourceArn": sources})]
        ),
    )


def published_by_rules(rules: Arn, topic: Arn) -> Statement:
    """Let EventBridge publish what these rules match."""
    return Statement(
        Sid="PublishedByRules",
        Effect=Allow,
        Principal=Principal("Service", "events.amazonaws.com"),
        Action=[sns.Publish],
        Resource=[topic],
        Condition=Condition([ArnLike({"aws:SourceArn": rules})]),
    )
