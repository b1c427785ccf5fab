"""Findings for other programs and for a reviewer: JSON, ASFF, and one page of HTML."""

from __future__ import annotations

import datetime as dt
import hashlib
import html
from collections import Counter
from collections.abc import Sequence
from typing import Any

from .model import Finding, Severity, Status

ASFF_STATUS = {
    Status.PASS: "PASSED",
    Status.FAIL: "FAILED",
    Status.NOT_APPLICABLE: "NOT_AVAILABLE",
    Status.UNKNOWN: "WARNING",
}


def plain(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Return findings as JSON's own types."""
    return [
        {
            "control": finding.id,
            "title": finding.title,
            "severity": finding.severity.value,
            "status": finding.status.value,
            "resource": finding.resource,
            "evidence": finding.evidence,
            "remedy": finding.remedy if finding.status is not Status.PASS else "",
        }
        for finding in findings
    ]


def asff(
    findings: Sequence[Finding], name: str, partition: str, region: str, account: str, now: dt.datetime
) -> list[dict[str, Any]]:
    """Return findings in Security Hub's format, ready for BatchImportFindings.

    https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html
    """
    product = f"arn:{partition}:securityhub:{region}:{account}:product/{account}/default"
    stamp = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "SchemaVersion": "2018-10-08",
            # The same finding of the next run is an update of this one.
            "Id": f"beanvault/{name}/{finding.id}/{_short(finding.resource)}",
            "ProductArn": product,
            "GeneratorId": f"beanvault/{finding.id}",
            "AwsAccountId": account,
            "Types": ["Software and Configuration Checks/Industry and Regulatory Standards"],
            "CreatedAt": stamp,
            "UpdatedAt": stamp,
            "Severity": {
                "Label": finding.severity.value if finding.status is Status.FAIL else "INFORMATIONAL"
            },
            "Title": f"{finding.id} {finding.title}"[:256],
            "Description": (finding.evidence or finding.title)[:1024],
            "Remediation": {"Recommendation": {"Text": finding.remedy[:512]}},
            "Resources": [
                {
                    "Type": "Other",
                    "Id": finding.resource or name,
                    "Partition": partition,
                    "Region": region,
                }
            ],
            "Compliance": {"Status": ASFF_STATUS[finding.status]},
        }
        for finding in findings
    ]


def _short(resource: str) -> str:
    return hashlib.sha256(resource.encode()).hexdigest()[:16]


def counts(findings: Sequence[Finding]) -> dict[Status, int]:
    counted = Counter(finding.status for finding in findings)
    return {status: counted[status] for status in Status}


_ORDER = {Status.FAIL: 0, Status.UNKNOWN: 1, Status.PASS: 2, Status.NOT_APPLICABLE: 3}
_WEIGHT = {Severity.CRITICAL: 0, Severity.HIGH: 1, Severity.MEDIUM: 2, Severity.LOW: 3}

_STYLE = """
:root {
  color-scheme: light dark;
  --line: #8884; --pass: #1a7f37; --fail: #b3261e; --unknown: #8a5a00; --na: #57606a;
}
@media (prefers-color-scheme: dark) {
  :root { --pass: #56d364; --fail: #ff8a80; --unknown: #e3b341; --na: #9aa4af }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
caption { text-align: left; font-weight: 600; padding: .5rem 0 }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line) }
td { overflow-wrap: anywhere }
td:nth-child(-n+3) { white-space: nowrap }
.pass { color: var(--pass) }
.fail { color: var(--fail); font-weight: 600 }
.unknown { color: var(--unknown) }
.na { color: var(--na) }
.sums { display: flex; gap: 2rem; flex-wrap: wrap; padding: 0; list-style: none }
.sums b { font-size: 1.8rem; display: block; line-height: 1.2 }
@media (max-width: 45rem) {
  thead { position: absolute; left: -9999px }
  tr, td { display: block }
  td:nth-child(-n+3) { display: inline-block }
}
@media print { body { max-width: none; margin: 0 } }
"""
_CLASS = {
    Status.PASS: "pass",
    Status.FAIL: "fail",
    Status.UNKNOWN: "unknown",
    Status.NOT_APPLICABLE: "na",
}


def page(findings: Sequence[Finding], name: str, region: str, account: str, now: dt.datetime) -> str:
    """Return one HTML page that needs nothing else: what fails comes first, then what couldn't be asked."""
    ordered = sorted(findings, key=lambda f: (_ORDER[f.status], _WEIGHT[f.severity], f.id, f.resource))
    told = counts(findings)
    sums = "".join(
        f'<li class="{_CLASS[status]}"><b>{number}</b>{html.escape(status.value)}</li>'
        for status, number in sorted(told.items(), key=lambda item: _ORDER[item[0]])
    )
    rows = "".join(_row(finding) for finding in ordered)
    title = f"{html.escape(name)}: {'hardened' if not told[Status.FAIL] else 'not hardened'}"
    stamp = now.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{title}</h1>"
        f"<p>Account {html.escape(account)}, {html.escape(region)}, read through AWS's APIs on "
        f'<time datetime="{now.astimezone(dt.UTC).isoformat()}">{stamp}</time>.</p>'
        f'<ul class="sums">{sums}</ul>'
        "<table><caption>Findings, the worst first</caption><thead><tr>"
        + "".join(
            f'<th scope="col">{each}</th>'
            for each in ("Status", "Severity", "Control", "What", "Resource", "Evidence", "Remedy")
        )
        + f"</tr></thead><tbody>{rows}</tbody></table></main></body></html>\n"
    )


def _row(finding: Finding) -> str:
    remedy = finding.remedy if finding.status in (Status.FAIL, Status.UNKNOWN) else ""
    cells = (finding.title, finding.resource, finding.evidence, remedy)
    return (
        f'<tr><td class="{_CLASS[finding.status]}">{html.escape(finding.status.value)}</td>'
        f"<td>{finding.severity.value.lower()}</td><td>{html.escape(finding.id)}</td>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
    )
