"""What the database's helpers may do: bootstrap, proxy and monitoring."""

from awacs import kms, secretsmanager
from awacs.aws import Allow, Condition, Deny, Statement, StringEquals, StringLike
from troposphere import Sub

from templates.policies import Arn

_SECRETS_MANAGER = Sub("secretsmanager.${AWS::Region}.amazonaws.com")


def read_secret(secret: Arn) -> Statement:
    """Read this one secret's value."""
    return Statement(
        Sid="ReadTheSecret",
        Effect=Allow,
        Action=[secretsmanager.DescribeSecret, secretsmanager.GetSecretValue],
        Resource=[secret],
    )


def decrypt_secret(key: Arn, secret: Arn) -> Statement:
    """Decrypt this one secret's value, through Secrets Manager only."""
    return Statement(
        Sid="DecryptTheSecret",
        Effect=Allow,
        Action=[kms.Decrypt],
        Resource=[key],
        Condition=Condition(
            [
                StringEquals({"kms:ViaService": _SECRETS_MANAGER}),
                StringLike({"kms:EncryptionContext:SecretARN": secret}),
            ]
        ),
    )


def never_read_secrets_but(secret: Arn) -> Statement:
    """Refuse every other secret's value, whatever else the role is given."""
    return Statement(
        Sid="NeverReadOtherSecrets",
        Effect=Deny,
        Action=[secretsmanager.BatchGetSecretValue, secretsmanager.GetSecretValue],
        NotResource=[secret],
    )
