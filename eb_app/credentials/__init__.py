"""The app's database credentials: from the replicated secret, or IAM tokens."""

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
