"""The result of a pre-flight check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from templates.deployment import Deployment

from ...aws import Aws


class Verdict(Enum):
    GOOD = "good"
    BAD = "bad"
    WARNING = "warning"
    """It works now, and won't for long."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PreflightResult:
    check: str
    """What was checked."""
    verdict: Verdict
    detail: str
    """What was found."""
    remedy: str = ""


Check = Callable[[Deployment, Aws], Iterator[PreflightResult]]
