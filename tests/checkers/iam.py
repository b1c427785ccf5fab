"""Runs parliament and cloudsplaining over a folder of policies; prints one JSON list of findings.

Runs in the checkers' own environment, so it imports nothing of the project.
"""

import json
import sys
from pathlib import Path

import parliament
from cloudsplaining.scan.policy_document import PolicyDocument

# Younger than parliament's list of actions.
_UNKNOWN_TO_PARLIAMENT = {"sts:GetWebIdentityToken"}


def _findings(path: Path) -> list[str]:
    text = path.read_text()
    policy = PolicyDocument(json.loads(text))
    found = {
        "privilege escalation": policy.allows_privilege_escalation,
        "data exfiltration": policy.allows_data_exfiltration_actions,
        "exposed credentials": policy.credentials_exposure,
        "exposed resources": policy.permissions_management_without_constraints,
        "whole services": policy.service_wildcard,
    }
    exposed = [f"{path.stem}: {kind}: {what}" for kind, what in found.items() if what]
    mistaken = [
        f"{path.stem}: {finding.issue}: {finding.detail}"
        for finding in parliament.analyze_policy_string(text).findings
        if not any(action.partition(":")[2] in str(finding.detail) for action in _UNKNOWN_TO_PARLIAMENT)
    ]
    return exposed + mistaken


print(json.dumps([line for path in sorted(Path(sys.argv[1]).glob("*.json")) for line in _findings(path)]))
