"""Findings for the tests of what is made of them."""

from __future__ import annotations

from beanvault.verify.model import Finding, Severity, Status


def finding(
    status: Status,
    resource: str = "bucket",
    severity: Severity = Severity.HIGH,
    area: str = "Storage",
    control: str = "S3.17",
) -> Finding:
    return Finding(area, control, "Buckets are encrypted", severity, status, resource, "evidence", "fix it")


FOUND = [
    finding(Status.PASS, "fine"),
    finding(Status.FAIL, "<script>alert(1)</script>"),
    finding(Status.FAIL, "worst", Severity.CRITICAL, control="BV.DATA2"),
    finding(Status.UNKNOWN, "dark", area="Roles", control="SEC03-BP02"),
    finding(Status.NOT_APPLICABLE, "", area="Roles", control="IAM.1"),
]
