"""Policies of resources rather than roles: who may assume, send and read at all, and over TLS only."""

from collections.abc import Sequence

from awacs import events, secretsmanager, sqs, sts
from awacs.aws import (
    Action,
    Allow,
    ArnEquals,
    Bool,
    Condition,
    Deny,
    Principal,
    Statement,
    StringEquals,
    StringNotEquals,
)
from troposphere import Ref

from templates.policies import Arn

_ACCOUNT = Ref("AWS::AccountId")


def assumed_by(service: str) -> Statement:
    """Let one AWS service take the role."""
    return Statement(
        Sid="OnlyTheService",
        Effect=Allow,
        Action=[sts.AssumeRole],
        Principal=Principal("Service", service),
    )


def assumed_by_beanstalk() -> Statement:
    """Let Beanstalk take the service role; the external id is what Beanstalk sends.

    https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/iam-servicerole.html
    """
    return Statement(
        Sid="OnlyBeanstalk",
        Effect=Allow,
        Action=[sts.AssumeRole],
        Principal=Principal("Service", "elasticbeanstalk.amazonaws.com"),
        Condition=Condition([StringEquals({"sts:ExternalId": "elasticbeanstalk"})]),
    )


def only_over_tls(action: Action, resource: Arn) -> Statement:
    """Refuse requests in plain text."""
    return Statement(
        Sid="OnlyOverTls",
        Effect=Deny,
        Action=[action],
        Principal=Principal("*"),
        Resource=[resource],
        Condition=Condition([Bool({"aws:SecureTransport": "false"})]),
    )


def only_this_account(action: Action, resource: Arn) -> Statement:
    """Refuse everybody from elsewhere, whatever their own policies say."""
    return Statement(
        Sid="OnlyThisAccount",
        Effect=Deny,
        Action=[action],
        Principal=Principal("*"),
        Resource=[resource],
        Condition=Condition([StringNotEquals({"aws:PrincipalAccount": _ACCOUNT})]),
    )


def dead_letters_of(rules: Sequence[Arn], queue: Arn) -> Statement:
    """Let EventBridge leave in the queue what these rules couldn't deliver."""
    return Statement(
        Sid="DeadLettersOfTheRules",
        Effect=Allow,
        Action=[sqs.SendMessage],
        Principal=Principal("Service", "events.amazonaws.com"),
        Resource=[queue],
        Condition=Condition([ArnEquals({"aws:SourceArn": list(rules)})]),
    )


ANY_SECRET_ACTION = secretsmanager.Action("*")
ANY_QUEUE_ACTION = sqs.Action("*")
PUT_EVENTS = events.PutEvents
