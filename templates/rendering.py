"""A layer's template, from its description to the text that CloudFormation receives."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cfn_flip import to_yaml
from troposphere import Template

from templates.deployment import Deployment

TEMPLATE_LIMIT = 51_200
"""Bytes that CloudFormation accepts in a request; a larger template is uploaded first.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""


def new_template(deployment: Deployment, layer: str, description: str) -> Template:
    """Return the empty template of a layer, with the description that the console shows."""
    return Template(Description=f"beanvault {deployment.name}, {layer}: {description}")


def render(template: Template) -> str:
    """Return the template as readable YAML, or as compact JSON where YAML would exceed the limit.

    The result can still be larger than `TEMPLATE_LIMIT`; then it has to be uploaded.
    """
    document = _in_reading_order(template.to_dict())
    readable: str = to_yaml(json.dumps(document))
    if len(readable.encode()) <= TEMPLATE_LIMIT:
        return readable
    return json.dumps(document, separators=(",", ":"))


def _in_reading_order(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template with its description first, its outputs last, and each resource's type first."""

    def ordered(mapping: Mapping[str, Any], first: Sequence[str]) -> dict[str, Any]:
        return {key: mapping[key] for key in (*first, *mapping) if key in mapping}

    sections = ordered(document, ("Description", "Metadata", "Parameters", "Conditions", "Resources"))
    resources = {name: ordered(body, ("Type", "Metadata")) for name, body in sections["Resources"].items()}
    return {**sections, "Resources": resources}
