"""Least privilege, enforced: every call is decided by the policies of its caller and of its resource."""

from __future__ import annotations

from ..settings import LocalAwsSettings
from . import enforcement
from .policy import AccessRequest, Decision, PolicyError, evaluate, parse
from .service_principals import AssumedRoleSession, NotTrustedError, assume_role, may_call

__all__ = [
    "AccessRequest",
    "AssumedRoleSession",
    "Decision",
    "NotTrustedError",
    "PolicyError",
    "assume_role",
    "evaluate",
    "install",
    "may_call",
    "parse",
]


def install(_settings: LocalAwsSettings) -> None:
    """Enforce IAM on every call to this process but those of the operator and of the engine itself."""
    enforcement.install()
