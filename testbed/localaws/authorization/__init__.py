"""IAM, enforced: each call is allowed or denied by the policies of its caller and of its resource."""

from __future__ import annotations

from ..settings import LocalAwsSettings
from . import enforcement
from .policy import AccessRequest, Decision, PolicyError, evaluate, parse
from .service_principals import AssumedRoleSession, NotTrustedError, assume_role, service_is_allowed

__all__ = [
    "AccessRequest",
    "AssumedRoleSession",
    "Decision",
    "NotTrustedError",
    "PolicyError",
    "assume_role",
    "evaluate",
    "install",
    "parse",
    "service_is_allowed",
]


def install(_settings: LocalAwsSettings) -> None:
    """Enforce IAM on every call to this process, except those of the operator and of the engine itself."""
    enforcement.install()
