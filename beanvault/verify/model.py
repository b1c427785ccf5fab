"""The nouns of a verification."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .live import AccountState


class Status(Enum):
    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    """There is nothing it could apply to, or the deployment file chose otherwise, openly."""
    UNKNOWN = "unknown"
    """It couldn't be asked; the evidence says why."""


class Severity(Enum):
    """As Security Hub's."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one resource was seen to be."""

    resource: str
    ok: bool
    evidence: str
    chosen: bool = False
    """Whether the deployment file asks for what isn't ok: a trial's cheapness is no finding."""


@dataclass(frozen=True, slots=True)
class Control:
    """A rule, and how to look whether it is kept."""

    id: str
    """Security Hub's (FSBP), or `C…` for CIS AWS Foundations, `SEC…`/`REL…` for Well-Architected, `BV…` for
    ours.
    """
    title: str
    severity: Severity
    remedy: str
    look: Callable[[AccountState], Iterator[Observation]]


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

    @property
    def standard(self) -> str:
        """Whose rule the control is."""
        if self.id.startswith("BV."):
            return "beanvault"
        if self.id.startswith(("SEC", "REL")) and not self.id.startswith("SecretsManager"):
            return "AWS Well-Architected Framework"
        return "AWS Foundational Security Best Practices"

    @property
    def reference(self) -> str:
        """The page that explains the control; empty for those that have no address of their own."""
        service, dot, number = self.id.partition(".")
        if not dot or service == "BV":
            return ""
        page = service.lower()
        return (
            f"https://docs.aws.amazon.com/securityhub/latest/userguide/{page}-controls.html#{page}-{number}"
        )
