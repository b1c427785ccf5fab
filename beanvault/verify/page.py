"""The report of a verification for a reviewer: one self-contained page of HTML without scripts.

First the verdict, then what fails and how to fix it, then every control. Radio buttons filter the controls by
means of the style sheet alone. The markup is in `page.html.j2`, the style in `page.css`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .. import __version__
from .checks import CONTROLS
from .export import counts
from .model import Finding, Severity, Status

ORDER = (Status.FAIL, Status.UNKNOWN, Status.PASS, Status.NOT_APPLICABLE)
"""The order of the statuses on the page, the worst first."""
SEVERITIES = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
CLASS = {Status.PASS: "pass", Status.FAIL: "fail", Status.UNKNOWN: "unknown", Status.NOT_APPLICABLE: "na"}
SIGN = {Status.PASS: "✓", Status.FAIL: "✗", Status.UNKNOWN: "?", Status.NOT_APPLICABLE: "·"}
MEANING = {
    Status.FAIL: "The account's state is not what the control requires.",
    Status.UNKNOWN: "AWS refused or failed to answer; the evidence says why. The control may be met or not.",
    Status.PASS: "The account's state is what the control requires.",
    Status.NOT_APPLICABLE: "There is no such resource, or the deployment file explicitly asks for less.",
}


@dataclass(frozen=True, slots=True)
class ControlResult:
    """A control with its findings, the worst first."""

    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Finding:
        return self.findings[0]


@dataclass(frozen=True, slots=True)
class AreaResult:
    name: str
    counts: Mapping[Status, int]
    controls: tuple[ControlResult, ...]

    @property
    def classes(self) -> str:
        """The style classes by which the filter hides areas without a matching control."""
        return " ".join(sorted({f"has-{CLASS[control.worst.status]}" for control in self.controls}))


def render(findings: Sequence[Finding], name: str, region: str, account: str, now: dt.datetime) -> str:
    """Return the page. All text in it is escaped, and it can't load anything."""
    return TEMPLATE.render(
        title=f"{name}: {verdict(findings)}",
        region=region,
        account=account,
        now=now.astimezone(dt.UTC),
        checked=_checked(findings),
        total=len(CONTROLS),
        version=__version__,
        counts=counts(findings),
        failed=_most_severe_first(findings, Status.FAIL),
        unknown=_most_severe_first(findings, Status.UNKNOWN),
        areas=[_area(area, list(group)) for area, group in groupby(findings, lambda each: each.area)],
    )


def verdict(findings: Sequence[Finding]) -> str:
    """Return the result in a few words; *hardened* only if every control was checked and none fails."""
    counted = counts(findings)
    if failed := counted[Status.FAIL]:
        return f"not hardened, {failed} to fix"
    if unknown := counted[Status.UNKNOWN]:
        return f"nothing fails, {unknown} unknown"
    if (checked := _checked(findings)) < len(CONTROLS):
        return f"nothing fails, {checked} of {len(CONTROLS)} controls checked"
    if accepted := sum(finding.accepted_by_config for finding in findings):
        return f"hardened, except for {accepted} accepted by the deployment file"
    return "hardened"


def _checked(findings: Sequence[Finding]) -> int:
    """Return the number of controls."""
    return len({finding.id for finding in findings})


def _most_severe_first(findings: Sequence[Finding], status: Status) -> list[Finding]:
    return sorted(
        (finding for finding in findings if finding.status is status),
        key=lambda each: (SEVERITIES.index(each.severity), each.id, each.resource),
    )


def _area(name: str, findings: Sequence[Finding]) -> AreaResult:
    controls = tuple(_control(list(group)) for _, group in groupby(findings, lambda each: each.id))
    return AreaResult(name, counts(findings), controls)


def _control(findings: Sequence[Finding]) -> ControlResult:
    return ControlResult(tuple(sorted(findings, key=lambda each: (ORDER.index(each.status), each.resource))))


def _template_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"order": ORDER, "classes": CLASS, "signs": SIGN, "meanings": MEANING}
    return environment


TEMPLATE = _template_environment().get_template("page.html.j2")
