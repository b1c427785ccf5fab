"""As whom the app logs in to the database: with the replicated secret, or with IAM tokens."""

from .iam import IamCredentials
from .model import Credential, Credentials, CredentialUnavailable, Health, Rotation
from .secret import SecretCredentials

__all__ = [
    "Credential",
    "CredentialUnavailable",
    "Credentials",
    "Health",
    "IamCredentials",
    "Rotation",
    "SecretCredentials",
]
