"""Reading one secret and no other: what every role has that logs in with a secret."""

from awacs import kms, secretsmanager
from awacs.aws import Allow, Condition, Deny, Statement, StringEquals, StringLike
from troposphere import Sub

from templates.policies import Arn

SECRETS_MANAGER = Sub("secretsmanager.${AWS::Region}.amazonaws.com")
"""Secrets Manager, as `kms:ViaService` names it."""


def read_secret(secret: Arn) -> Statement:
    """Read this one secret's value."""
    return Statement(
        Sid="ReadSecret",
        Effect=Allow,
        Action=[secretsmanager.DescribeSecret, secretsmanager.GetSecretValue],
        Resource=[secret],
    )


def decrypt_secret(key: Arn, secret: Arn) -> Statement:
    """Decrypt this one secret's value, through Secrets Manager only."""
    return Statement(
        Sid="DecryptSecret",
        Effect=Allow,
        Action=[kms.Decrypt],
        Resource=[key],
        Condition=Condition(
            [
                StringEquals({"kms:ViaService": SECRETS_MANAGER}),
                StringLike({"kms:EncryptionContext:SecretARN": secret}),
            ]
        ),
    )


def deny_reading_other_secrets(secret: Arn) -> Statement:
    """Deny the value of every secret but this one, whatever else the role is given."""
    return Statement(
        Sid="DenyReadingOtherSecrets",
        Effect=Deny,
        Action=[secretsmanager.BatchGetSecretValue, secretsmanager.GetSecretValue],
        NotResource=[secret],
    )
