"""Statements that the policies of several kinds of resources share: TLS only, this account only.

The dead-letter queue's own statement is here too.
"""

from collections.abc import Sequence

from awacs import secretsmanager, sqs
from awacs.aws import (
    Action,
    Allow,
    ArnEquals,
    Bool,
    Condition,
    Deny,
    Principal,
    Statement,
    StringNotEquals,
)
from troposphere import Ref

from templates.policies import Arn

ANY_SECRET_ACTION = secretsmanager.Action("*")
ANY_QUEUE_ACTION = sqs.Action("*")

_ACCOUNT = Ref("AWS::AccountId")


def deny_insecure_transport(action: Action, *resources: Arn) -> Statement:
    """Deny requests without TLS to every principal."""
    return Statement(
        Sid="DenyInsecureTransport",
        Effect=Deny,
        Principal=Principal("*"),
        Action=[action],
        Resource=list(resources),
        Condition=Condition([Bool({"aws:SecureTransport": "false"})]),
    )


def deny_other_accounts(action: Action, resource: Arn) -> Statement:
    """Deny principals of other accounts, whatever their own policies allow."""
    return Statement(
        Sid="DenyOtherAccounts",
        Effect=Deny,
        Action=[action],
        Principal=Principal("*"),
        Resource=[resource],
        Condition=Condition([StringNotEquals({"aws:PrincipalAccount": _ACCOUNT})]),
    )


def send_dead_letters(rules: Sequence[Arn], queue: Arn) -> Statement:
    """Let EventBridge send to the queue what it could not deliver for these rules."""
    return Statement(
        Sid="AllowRulesToSendDeadLetters",
        Effect=Allow,
        Action=[sqs.SendMessage],
        Principal=Principal("Service", "events.amazonaws.com"),
        Resource=[queue],
        Condition=Condition([ArnEquals({"aws:SourceArn": list(rules)})]),
    )
