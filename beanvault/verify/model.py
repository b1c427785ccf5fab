"""The nouns of a verification."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .account.state import AccountState


class Status(Enum):
    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    """There is no such resource, or the deployment file explicitly asks for less."""
    UNKNOWN = "unknown"
    """AWS didn't give the answer; the evidence says why."""


class Severity(Enum):
    """As Security Hub's."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True)
class Observation:
    """The state of one resource, as far as one control is about it."""

    resource: str
    ok: bool
    evidence: str
    accepted_by_config: bool = False
    """Whether the deployment file asks for what isn't ok, such as a trial's single zone: not a failure."""
    accepted_because: str = ""
    """Why what isn't ok is no failure, where it is not the deployment file that asks for it."""


Check = Callable[["AccountState"], Iterator[Observation]]
"""Yields one observation for each resource that a control is about."""

WELL_ARCHITECTED = re.compile(r"(SEC|REL)[\d-].*")


@dataclass(frozen=True, slots=True)
class Control:
    """A rule, the check that decides whether it is met, and the command that fixes it."""

    id: str
    """Security Hub's (FSBP), `SEC…`/`REL…` for the Well-Architected Framework, `BV…` for beanvault's own."""
    title: str
    severity: Severity
    remedy: str
    check: Check


@dataclass(frozen=True, slots=True)
class Finding:
    """A control's result for one resource."""

    area: str
    """The part of the deployment, for people: `Network`, `Database`."""
    id: str
    title: str
    severity: Severity
    status: Status
    resource: str
    evidence: str
    remedy: str
    accepted_by_config: bool = False
    """Whether it is not applicable because the deployment file explicitly asks for less."""

    @property
    def standard(self) -> str:
        """The publisher of the rule."""
        if self.id.startswith("BV."):
            return "beanvault"
        if WELL_ARCHITECTED.fullmatch(self.id):
            return "AWS Well-Architected Framework"
        return "AWS Foundational Security Best Practices"

    @property
    def reference(self) -> str:
        """The page that explains the control; empty for those without an address of their own."""
        service, dot, number = self.id.partition(".")
        if not dot or service == "BV":
            return ""
        page = service.lower()
        return (
            f"https://docs.aws.amazon.com/securityhub/latest/userguide/{page}-controls.html#{page}-{number}"
        )
