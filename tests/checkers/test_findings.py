"""Story of templates/.

No checker has an open finding in any template of any configuration.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checkers.conftest import HERE, Renders, run

PACKS = ("AwsSolutions-", "HIPAA.Security-", "NIST.800.53.R5-", "PCI.DSS.321-")

Finding = tuple[str, str, str]
"""Template, resource, rule."""


@pytest.fixture(scope="module")
def nag_findings(renders: Renders, nag: Path) -> list[tuple[Finding, str]]:
    """What cdk-nag finds before any suppression, with its explanation."""
    found = json.loads(run(["node", str(nag), *renders.files]).splitlines()[-1])
    return [
        ((entry["template"].removesuffix(".json"), entry["resource"], entry["rule"]), entry["says"])
        for entry in found
    ]


def test_cfn_lint_has_no_finding(renders: Renders) -> None:
    """Neither errors nor warnings."""
    lint = Path(sys.executable).parent / "cfn-lint"
    run([str(lint), "--regions", "eu-central-1", "--", *renders.files])


def test_checkov_has_no_open_finding(renders: Renders, python: Path) -> None:
    """All its checks for CloudFormation; a suppression has its reason in the resource's metadata."""
    command = [str(python), "-m", "checkov.main", "--framework", "cloudformation", "--soft-fail"]
    report = json.loads(run([*command, "--quiet", "-o", "json", "-d", str(renders.folder)]))
    failed = report["results"]["failed_checks"]
    assert [f"{c['file_path']} {c['resource']} {c['check_id']} {c['check_name']}" for c in failed] == []
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 1000


def test_cdk_nag_has_no_open_finding(renders: Renders, nag_findings: list[tuple[Finding, str]]) -> None:
    """AWS Solutions, HIPAA, NIST 800-53 R5 and PCI DSS."""
    answered = {(template, resource, rule) for template, resource, rule, _ in renders.suppressed()}
    open_findings = [
        f"{' '.join(finding)}: {says}" for finding, says in nag_findings if not answered & _answers(finding)
    ]
    assert open_findings == []


def test_no_suppression_outlives_its_finding(
    renders: Renders,
    nag_findings: list[tuple[Finding, str]],
    record_property: Callable[[str, object], None],
) -> None:
    """A suppression without a finding would hide the next finding of the same rule."""
    counted = Counter(template.partition("-")[0] for template, *_ in renders.suppressed())
    for configuration, number in sorted(counted.items()):
        record_property(f"suppressions in {configuration}", number)
    needed = {answer for finding, _ in nag_findings for answer in _answers(finding)}
    stale = {
        f"{template} {resource} {rule}"
        for template, resource, rule, _ in renders.suppressed()
        if rule.startswith(PACKS) and (template, resource, rule) not in needed
    }
    assert stale == set()


def test_cdk_nag_finds_what_is_wrong(renders: Renders, nag: Path, tmp_path: Path) -> None:
    """A negative control: an open load balancer and a wildcard policy are found."""
    wrong = json.loads(json.dumps(renders.templates["production-edge"]))
    wrong["Resources"]["LoadBalancer"]["Properties"]["LoadBalancerAttributes"] = []
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    found = json.loads(run(["node", str(nag), str(tmp_path / "wrong.json")]).splitlines()[-1])
    assert "AwsSolutions-ELB2" in {entry["rule"] for entry in found}


# False positives of parliament: part of the finding, and the reason.
FALSE_POSITIVES = {
    "Unknown condition lambda:SourceFunctionArn": "Lambda adds the key to every call of a function's code.",
    "Unknown condition kms:ResourceAliases": "The key is younger than parliament's list.",
    "RESOURCE_STAR: ['ec2:AssignPrivateIpAddresses'": (
        "Lambda requires these on all resources; see CKV_AWS_111."
    ),
    "RESOURCE_MISMATCH: [{'action': 'ec2:AttachVolume'": (
        "Volume and instance stand in two statements, because only instances carry the condition; "
        "AWS decides on each of the two."
    ),
    "BucketHardeningRoleAllow: RESOURCE_POLICY_PRIVILEGE_ESCALATION": (
        "Its task is to set the bucket's policy."
    ),
}


def test_iam_checkers_have_no_open_finding(policies: Path, python: Path) -> None:
    """parliament: valid policies. cloudsplaining: no escalation, exfiltration or exposure."""
    findings = json.loads(run([str(python), str(HERE / "iam.py"), str(policies)]).splitlines()[-1])
    unused = {part for part in FALSE_POSITIVES if not any(part in finding for finding in findings)}
    assert unused == set(), "these false positives are no longer reported"
    assert [finding for finding in findings if not any(part in finding for part in FALSE_POSITIVES)] == []


def test_iam_checkers_find_what_is_wrong(python: Path, tmp_path: Path) -> None:
    """A negative control for both."""
    statement = {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "iam:PassRole", "s3:Nonsense"],
        "Resource": "*",
    }
    (tmp_path / "wrong.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    findings = json.loads(run([str(python), str(HERE / "iam.py"), str(tmp_path)]).splitlines()[-1])
    assert {finding.split(": ")[1] for finding in findings} >= {"data exfiltration", "UNKNOWN_ACTION"}


def _answers(finding: Finding) -> set[Finding]:
    """Return the ids that suppress a finding: its own, or its rule's (`IAM5[Resource::*]` and `IAM5`)."""
    template, resource, rule = finding
    return {finding, (template, resource, rule.partition("[")[0])}
