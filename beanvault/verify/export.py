"""Findings for other programs: plain JSON, Security Hub's format, and OCSF."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from .. import __version__
from .model import Finding, Severity, Status

ASFF_STATUS = {
    Status.PASS: "PASSED",
    Status.FAIL: "FAILED",
    Status.NOT_APPLICABLE: "NOT_AVAILABLE",
    Status.UNKNOWN: "WARNING",
}


def plain(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Return findings as values of JSON."""
    return [
        {
            "area": finding.area,
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
    """Return findings in Security Hub's format, ready for BatchImportFindings (see `batches`).

    https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html
    """
    product = f"arn:{partition}:securityhub:{region}:{account}:product/{account}/default"
    stamp = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "SchemaVersion": "2018-10-08",
            "Id": _id(name, finding),
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
            "Remediation": {
                "Recommendation": {"Text": finding.remedy[:512]}
                | ({"Url": finding.reference} if finding.reference else {})
            },
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


BATCH = 100
"""https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html"""


def batches(findings: Sequence[dict[str, Any]]) -> list[Sequence[dict[str, Any]]]:
    """Return *findings* in batches of the size that one call of BatchImportFindings accepts."""
    return [findings[start : start + BATCH] for start in range(0, max(len(findings), 1), BATCH)]


OCSF_VERSION = "1.3.0"
"""The first that has `resources`; newer versions accept it as well."""
OCSF_STATUS = {
    Status.PASS: (1, "Pass"),
    Status.UNKNOWN: (2, "Warning"),
    Status.FAIL: (3, "Fail"),
    Status.NOT_APPLICABLE: (99, "Not applicable"),
}
OCSF_SEVERITY = {
    Severity.LOW: (2, "Low"),
    Severity.MEDIUM: (3, "Medium"),
    Severity.HIGH: (4, "High"),
    Severity.CRITICAL: (5, "Critical"),
}
INFORMATIONAL = (1, "Informational")


def ocsf(
    findings: Sequence[Finding], name: str, partition: str, region: str, account: str, now: dt.datetime
) -> list[dict[str, Any]]:
    """Return findings as events of OCSF's class Compliance Finding (2003), activity Create.

    https://schema.ocsf.io/1.3.0/classes/compliance_finding
    """
    moment = int(now.timestamp() * 1000)
    return [
        {
            "activity_id": 1,
            "activity_name": "Create",
            "category_uid": 2,
            "category_name": "Findings",
            "class_uid": 2003,
            "class_name": "Compliance Finding",
            "type_uid": 200301,
            "type_name": "Compliance Finding: Create",
            "time": moment,
            "severity_id": severity[0],
            "severity": severity[1],
            "message": finding.evidence or finding.title,
            "metadata": {
                "version": OCSF_VERSION,
                "profiles": ["cloud"],
                "product": {"name": "beanvault verify", "vendor_name": "beanvault", "version": __version__},
            },
            "cloud": {
                "provider": "AWS",
                "region": region,
                "account": {"uid": account, "type": "AWS Account", "type_id": 10},
            },
            "finding_info": {
                "uid": _id(name, finding),
                "title": f"{finding.id} {finding.title}",
                "desc": finding.evidence or finding.title,
                "created_time": moment,
                "types": ["Software and Configuration Checks"],
            },
            "compliance": {
                "control": finding.id,
                "standards": [finding.standard],
                "status_id": OCSF_STATUS[finding.status][0],
                "status": OCSF_STATUS[finding.status][1],
                "status_detail": finding.evidence,
            },
            "remediation": {"desc": finding.remedy}
            | ({"references": [finding.reference]} if finding.reference else {}),
            "resources": [{"uid": finding.resource or name, "region": region, "cloud_partition": partition}],
        }
        for finding in findings
        for severity in [OCSF_SEVERITY[finding.severity] if finding.status is Status.FAIL else INFORMATIONAL]
    ]


def _id(name: str, finding: Finding) -> str:
    """Return an id that the same finding has in every run."""
    return f"beanvault/{name}/{finding.id}/{hashlib.sha256(finding.resource.encode()).hexdigest()[:16]}"


def counts(findings: Sequence[Finding]) -> dict[Status, int]:
    counted = Counter(finding.status for finding in findings)
    return {status: counted[status] for status in Status}
