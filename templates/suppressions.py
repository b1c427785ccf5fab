"""Findings of checkers that are accepted, each with its reason in the resource's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from troposphere import AWSObject

_PACKS = {"HIPAA": "HIPAA.Security", "NIST": "NIST.800.53.R5", "PCI": "PCI.DSS.321"}
"""cdk-nag's compliance packs, by the prefix of their rule ids."""


def suppress(resource: AWSObject, rule: str, reason: str) -> None:
    """Suppress a finding on this resource, in the metadata of the checker that owns *rule*.

    The form of the rule's id shows the checker: checkov's begin with `CKV`, cfn-lint's are a letter and four
    digits, all others are cdk-nag's (`AwsSolutions-…`, `NIST.800.53.R5-…`, `PCI.DSS.321-…`,
    `HIPAA.Security-…`).

    https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html,
    https://github.com/aws-cloudformation/cfn-lint#metadata,
    https://github.com/cdklabs/cdk-nag#suppressing-a-rule
    """
    metadata: dict[str, Any] = dict(getattr(resource, "Metadata", None) or {})
    if rule.startswith("CKV"):
        entries = metadata.setdefault("checkov", {}).setdefault("skip", [])
        entries.append({"id": rule, "comment": reason})
    elif len(rule) == 5 and rule[0] in "EWI" and rule[1:].isdigit():
        entries = metadata.setdefault("cfn-lint", {}).setdefault("config", {}).setdefault("ignore_checks", [])
        entries.append(rule)
        # cfn-lint has no field for the reason.
        metadata.setdefault("beanvault", {}).setdefault("reasons", {})[rule] = reason
    else:
        entries = metadata.setdefault("cdk_nag", {}).setdefault("rules_to_suppress", [])
        entries.append({"id": rule, "reason": reason})
    resource.Metadata = metadata


def suppress_in_packs(resource: AWSObject, rule: str, reason: str, packs: str = "HIPAA NIST PCI") -> None:
    """Suppress a cdk-nag rule that several compliance packs have under the same name."""
    for pack in packs.split():
        suppress(resource, f"{_PACKS[pack]}-{rule}", reason)


def suppressions(template: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (resource, rule, reason) of all suppressions in a rendered template, in order."""
    found: list[tuple[str, str, str]] = []
    for logical_id, resource in template.get("Resources", {}).items():
        metadata = resource.get("Metadata", {})
        found += [(logical_id, e["id"], e["comment"]) for e in metadata.get("checkov", {}).get("skip", [])]
        found += [
            (logical_id, e["id"], e["reason"])
            for e in metadata.get("cdk_nag", {}).get("rules_to_suppress", [])
        ]
        found += [(logical_id, *entry) for entry in metadata.get("beanvault", {}).get("reasons", {}).items()]
    return found
