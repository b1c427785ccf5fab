"""What every layer stands on: outputs between stacks, tags, suppressions with reasons, rendering."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cfn_flip import to_yaml
from troposphere import AWSObject, Export, ImportValue, Output, Tags, Template

from templates.deployment import Deployment

_PACKS = {"HIPAA": "HIPAA.Security", "NIST": "NIST.800.53.R5", "PCI": "PCI.DSS.321"}
"""cdk-nag's compliance packs, by what its rule ids begin with."""

TEMPLATE_LIMIT = 51_200
"""Bytes CloudFormation takes in a request; above, the template is uploaded.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""


@dataclass(frozen=True, slots=True)
class LayerOutput:
    """A value that one layer exports and later layers import.

    Identifiers, not choices: CloudFormation refuses to change an export in use.
    """

    layer: str
    name: str

    def export_name(self, deployment: Deployment) -> str:
        """Return the name under which the region's account knows the value."""
        return f"{deployment.name}-{self.layer}-{self.name}"

    def output(self, deployment: Deployment, value: Any, description: str) -> Output:
        """Return the output of the exporting layer's template."""
        return Output(
            self.name, Description=description, Value=value, Export=Export(self.export_name(deployment))
        )

    def imported(self, deployment: Deployment) -> ImportValue:
        """Return what an importing layer writes in the value's place."""
        return ImportValue(self.export_name(deployment))


@dataclass(frozen=True, slots=True)
class ZonedOutput:
    """A value that a layer exports once for each of its zones: one more zone changes no export there is."""

    layer: str
    name: str

    def of(self, zone: int) -> LayerOutput:
        """Return the output of one zone, counted from 0."""
        return LayerOutput(self.layer, f"{self.name}{zone}")

    def imported(self, deployment: Deployment) -> list[ImportValue]:
        """Return the imports of all zones of the deployment."""
        return [self.of(zone).imported(deployment) for zone in range(deployment.network.availability_zones)]


def new_template(deployment: Deployment, layer: str, description: str) -> Template:
    """Return the empty template of a layer, described for the person who meets the stack in the console."""
    return Template(Description=f"beanvault {deployment.name}, {layer}: {description}")


def tags(deployment: Deployment, layer: str, name: str | None = None) -> Tags:
    """Return the tags of a resource: the deployment's own, its name and layer, and *name* for the console."""
    ours = {"beanvault:deployment": deployment.name, "beanvault:layer": layer}
    named = {"Name": f"{deployment.name}-{name}"} if name else {}
    return Tags(**{**deployment.tags, **ours, **named})


def tag_map(deployment: Deployment, layer: str, name: str | None = None) -> dict[str, str]:
    """Return the same tags for the few resources that take a map."""
    return {tag["Key"]: tag["Value"] for tag in tags(deployment, layer, name).to_dict()}


def suppress(resource: AWSObject, rule: str, reason: str) -> None:
    """Tell the checker that owns *rule* why a finding on this resource stays, next to the resource.

    Whose rule it is shows in its form: checkov's begin with `CKV`, cfn-lint's are a letter and four digits,
    anything else is cdk-nag's (`AwsSolutions-…`, `NIST.800.53.R5-…`, `PCI.DSS.321-…`, `HIPAA.Security-…`).

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
        metadata.setdefault("beanvault", {}).setdefault("reasons", {})[rule] = (
            reason  # cfn-lint has no field for it
        )
    else:
        entries = metadata.setdefault("cdk_nag", {}).setdefault("rules_to_suppress", [])
        entries.append({"id": rule, "reason": reason})
    resource.Metadata = metadata


def suppress_in_packs(resource: AWSObject, rule: str, reason: str, packs: str = "HIPAA NIST PCI") -> None:
    """Suppress a rule of cdk-nag's that several compliance packs have under the same name."""
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


def render(template: Template) -> str:
    """Return the template as YAML for people, or as compact JSON where YAML would exceed the limit.

    The result may still be larger than `TEMPLATE_LIMIT`; then it has to be uploaded.
    """
    document = _in_reading_order(template.to_dict())
    readable: str = to_yaml(json.dumps(document))
    if len(readable.encode()) <= TEMPLATE_LIMIT:
        return readable
    return json.dumps(document, separators=(",", ":"))


def _in_reading_order(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template with what it is first and what it hands on last, each resource's type first."""

    def ordered(mapping: Mapping[str, Any], first: Sequence[str]) -> dict[str, Any]:
        return {key: mapping[key] for key in (*first, *mapping) if key in mapping}

    sections = ordered(document, ("Description", "Metadata", "Parameters", "Conditions", "Resources"))
    resources = {name: ordered(body, ("Type", "Metadata")) for name, body in sections["Resources"].items()}
    return {**sections, "Resources": resources}
