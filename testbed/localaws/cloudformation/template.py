"""Templates as text and as a document: reading, limits, parameters, validation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from .errors import ValidationError

BODY_LIMIT_BYTES = 51_200
URL_LIMIT_BYTES = 1_000_000
"""Maximum bytes of a template in a request and in S3:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""

RESOURCE_KEYS = frozenset(
    {"Type", "Properties", "Condition", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy", "Metadata"}
    | {"CreationPolicy", "UpdatePolicy"}
)
PSEUDO_PARAMETERS = frozenset(
    f"AWS::{name}"
    for name in ("AccountId", "NotificationARNs", "NoValue", "Partition", "Region", "StackId", "StackName")
) | {"AWS::URLSuffix"}
_SUB_NAME = re.compile(r"\$\{([^!}][^}]*)\}")


class _TemplateLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, and dates left as text (`Version: 2012-10-17`)."""


_TemplateLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _short_form(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # the third kind there is
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_TemplateLoader.add_multi_constructor("!", _short_form)


def parse(body: str) -> dict[str, Any]:
    """Return the document of a template, JSON or YAML."""
    try:
        document = json.loads(body) if body.lstrip().startswith("{") else yaml.load(body, _TemplateLoader)  # noqa: S506 - a SafeLoader
    except (ValueError, yaml.YAMLError) as error:
        raise ValidationError(f"Template format error: {error}") from error
    if not isinstance(document, dict) or not document.get("Resources"):
        raise ValidationError("Template format error: At least one Resources member must be defined.")
    return document


def check_size(body: str, limit: int = BODY_LIMIT_BYTES, where: str = "templateBody") -> None:
    if len(body.encode()) > limit:
        raise ValidationError(
            f"1 validation error detected: Value '{body[:64]}…' at '{where}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {limit}"
        )


def walk(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key and value of every mapping in *node*."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield key, value
            yield from walk(value)
    elif isinstance(node, list):
        for item in node:
            yield from walk(item)


def attribute_reference(argument: Any) -> tuple[str, Any]:
    """Split the argument of Fn::GetAtt into logical id and attribute."""
    if isinstance(argument, str):
        name, _, attribute = argument.partition(".")
        return name, attribute
    return argument[0], argument[1] if len(argument) == 2 else ".".join(argument[1:])


def sub_names(argument: Any) -> set[str]:
    """Return the names that a Fn::Sub takes from the template."""
    text, own = argument if isinstance(argument, list) else (argument, {})
    return {name.strip() for name in _SUB_NAME.findall(text)} - set(own)


def attributes_used(node: Any) -> Iterator[tuple[str, Any]]:
    for key, value in walk(node):
        if key == "Fn::GetAtt":
            yield attribute_reference(value)
        elif key == "Fn::Sub":
            yield from (attribute_reference(name) for name in sub_names(value) if "." in name)


def names_used(node: Any) -> set[str]:
    """Return every name that *node* refers to: logical ids, parameters and pseudo parameters."""
    found = {name for name, _ in attributes_used(node)}
    for key, value in walk(node):
        if key == "Ref":
            found.add(value)
        elif key == "Fn::Sub":
            found |= {name for name in sub_names(value) if "." not in name}
    return found


def depends_on(definition: Mapping[str, Any]) -> set[str]:
    declared = definition.get("DependsOn") or []
    return names_used(definition.get("Properties")) | set(
        [declared] if isinstance(declared, str) else declared
    )


def ordered(definitions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the logical ids with what each depends on before it."""
    done: list[str] = []
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in path:
            circle = ", ".join(sorted(path[path.index(name) :]))
            raise ValidationError(f"Circular dependency between resources: [{circle}]")
        path.append(name)
        for needed in sorted(depends_on(definitions[name]) & definitions.keys()):
            visit(needed)
        done.append(path.pop())

    for name in definitions:
        visit(name)
    return done


def check(document: Mapping[str, Any], attributes_of: Mapping[str, Any]) -> None:
    """Refuse templates that CloudFormation refuses before it changes anything.

    *attributes_of* maps each known resource type to an object with `has_attribute(name)`.
    """
    resources = document["Resources"]
    if "Transform" in document:
        raise ValidationError("Transforms aren't supported by the local AWS")
    for name, definition in resources.items():
        if not re.fullmatch("[A-Za-z0-9]{1,255}", name):
            raise ValidationError(f"Template format error: Resource name {name} is non alphanumeric.")
        if not isinstance(definition, Mapping) or "Type" not in definition:
            raise ValidationError(
                f"Template format error: [/Resources/{name}]"
                " Every Resources object must contain a Type member."
            )
        if extra := sorted(definition.keys() - RESOURCE_KEYS):
            raise ValidationError(f"Invalid template resource property '{extra[0]}'")
        if definition["Type"] not in attributes_of and not definition["Type"].startswith("Custom::"):
            raise ValidationError(
                f"Template format error: Unrecognized resource types: [{definition['Type']}]"
            )
    known = resources.keys() | (document.get("Parameters") or {}).keys() | PSEUDO_PARAMETERS
    for section, part in (("Resources", resources), ("Outputs", document.get("Outputs") or {})):
        needed = (
            set[str]().union(*map(depends_on, part.values())) if section == "Resources" else names_used(part)
        )
        if missing := sorted(needed - known):
            raise ValidationError(
                f"Template format error: Unresolved resource dependencies [{', '.join(missing)}]"
                f" in the {section} block of the template"
            )
        for name, attribute in attributes_used(part):
            if name not in resources:
                raise ValidationError(
                    f"Template error: instance of Fn::GetAtt references undefined resource {name}"
                )
            kind = attributes_of.get(resources[name]["Type"])
            if kind is not None and isinstance(attribute, str) and not kind.has_attribute(attribute):
                raise ValidationError(
                    f"Template error: resource {name} does not support attribute type {attribute}"
                    " in Fn::GetAtt"
                )
    conditions = document.get("Conditions") or {}
    for definition in [*resources.values(), *(document.get("Outputs") or {}).values()]:
        if (condition := definition.get("Condition")) and condition not in conditions:
            raise ValidationError(f"Template format error: Unresolved condition dependency {condition}")
    ordered(resources)


def needed_capability(document: Mapping[str, Any]) -> str:
    """Return the capability that a template with IAM resources requires, or an empty string."""
    names = {"AWS::IAM::Role": "RoleName", "AWS::IAM::ManagedPolicy": "ManagedPolicyName"}
    names |= {"AWS::IAM::InstanceProfile": "InstanceProfileName", "AWS::IAM::User": "UserName"}
    identities = [d for d in document["Resources"].values() if d["Type"].startswith("AWS::IAM::")]
    if any(names.get(d["Type"], "") in (d.get("Properties") or {}) for d in identities):
        return "CAPABILITY_NAMED_IAM"
    return "CAPABILITY_IAM" if identities else ""


def parameter_values(
    document: Mapping[str, Any], given: Mapping[str, str | None], previous: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return each parameter's value: the given one, the previous one, or the default.

    None in *given* means the previous value (UsePreviousValue).
    """
    declared: Mapping[str, Mapping[str, Any]] = document.get("Parameters") or {}
    if extra := sorted(given.keys() - declared.keys()):
        raise ValidationError(f"Parameters: [{', '.join(extra)}] do not exist in the template")
    values: dict[str, str] = {}
    missing: list[str] = []
    for name, spec in declared.items():
        value: Any = given.get(name, spec.get("Default"))
        if name in given and given[name] is None:
            value = (previous or {}).get(name, spec.get("Default"))
        if value is None:
            missing.append(name)
        else:
            values[name] = str(value).lower() if isinstance(value, bool) else str(value)
            _check_parameter(name, spec, values[name])
    if missing:
        raise ValidationError(f"Parameters: [{', '.join(missing)}] must have values")
    return values


def _check_parameter(name: str, spec: Mapping[str, Any], value: str) -> None:
    if value not in map(str, spec.get("AllowedValues") or [value]):
        raise ValidationError(f"Parameter '{name}' must be one of AllowedValues")


def is_hidden(spec: Mapping[str, Any]) -> bool:
    return str(spec.get("NoEcho", "")).lower() == "true"
