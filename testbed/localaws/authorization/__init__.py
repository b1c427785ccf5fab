"""Least privilege, enforced: every call is decided by the policies of its caller and of its resource."""

from __future__ import annotations

from ..settings import Settings
from . import enforcement
from .policy import Decision, PolicyError, Request, evaluate, parse
from .services import NotTrustedError, Session, assume_role, may_call

__all__ = [
    "Decision",
    "NotTrustedError",
    "PolicyError",
    "Request",
    "Session",
    "assume_role",
    "evaluate",
    "install",
    "may_call",
    "parse",
]


def install(_settings: Settings) -> None:
    """Enforce IAM on every call to this process but those of the operator and of the engine itself."""
    enforcement.install()
