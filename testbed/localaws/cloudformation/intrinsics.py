"""Intrinsic functions, conditions and dynamic references.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import ValidationError
from .template import attribute_reference

UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""What a change set shows for a value that is known only after it was executed."""

ZONES = {
    "us-east-1": "abcdef",
    "us-west-1": "ac",
    "us-west-2": "abcd",
    "ap-northeast-1": "acd",
    "ca-central-1": "abd",
}
"""Availability zones of regions that have others than a, b and c."""

_NO_VALUE = object()
_SUB = re.compile(r"\$\{([^}]+)\}")
_DYNAMIC = re.compile(r"\{\{resolve:ssm:([^}]*)\}\}")


class Referable(Protocol):
    """A resource as templates see it."""

    @property
    def physical_id(self) -> str: ...

    def attribute(self, name: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class NotYetCreated:
    """A resource that does not exist before the change set is executed."""

    physical_id: str = UNKNOWN

    def attribute(self, name: str) -> Any:  # noqa: ARG002 - the protocol's
        return UNKNOWN


@dataclass(slots=True)
class Resolver:
    """Turns a template's expressions into values, from the parameters and resources known so far."""

    document: Mapping[str, Any]
    parameters: Mapping[str, Any]
    """Parameters and pseudo parameters."""
    resources: Mapping[str, Referable]
    imported: Callable[[str], str]
    """Returns the value of an export; raises ValidationError if it does not exist."""
    _conditions: dict[str, bool] = field(default_factory=dict)

    def resolve(self, node: Any) -> Any:
        """Return the value of *node*; dynamic references stay as they are (see `dereferenced`)."""
        value = self._resolve(node)
        return None if value is _NO_VALUE else value

    def condition(self, name: str) -> bool:
        if name not in self._conditions:
            expressions = self.document.get("Conditions") or {}
            if name not in expressions:
                raise ValidationError(f"Template error: unresolved condition dependency {name}")
            self._conditions[name] = bool(self._resolve(expressions[name]))
        return self._conditions[name]

    def applies(self, definition: Mapping[str, Any]) -> bool:
        """Return whether a resource or an output exists under the current conditions."""
        return "Condition" not in definition or self.condition(definition["Condition"])

    def _resolve(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self._resolve, node) if value is not _NO_VALUE]
        if not isinstance(node, Mapping):
            return node
        if len(node) == 1:
            (name, argument), *_ = node.items()
            if function := _FUNCTIONS.get(name):
                return function(self, argument)
            if name == "Condition" and isinstance(argument, str):
                return self.condition(argument)
            if name.startswith("Fn::"):
                raise ValidationError(f"Template error: {name} isn't supported by the local AWS")
        resolved = {key: self._resolve(value) for key, value in node.items()}
        return {key: value for key, value in resolved.items() if value is not _NO_VALUE}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self.parameters:
            return self.parameters[name]
        return self._resource(name).physical_id

    def _resource(self, name: str) -> Referable:
        if name not in self.resources:
            raise ValidationError(
                f"Template format error: Unresolved resource dependencies [{name}]"
                " in the Resources block of the template"
            )
        return self.resources[name]

    def _get_att(self, argument: Any) -> Any:
        name, attribute = attribute_reference(argument)
        return self._resource(name).attribute(self._resolve(attribute))

    def _sub(self, argument: Any) -> Any:
        text, own = argument if isinstance(argument, list) else (argument, {})
        own = {key: self._resolve(value) for key, value in own.items()}

        def one(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in own:
                return _text(own[name])
            return _text(self._get_att(name) if "." in name else self._ref(name))

        return _SUB.sub(one, text)

    def _select(self, argument: Any) -> Any:
        index, items = int(self._resolve(argument[0])), self._resolve(argument[1])
        if UNKNOWN in items:  # as text or as an item
            return UNKNOWN
        if not 0 <= index < len(items):
            raise ValidationError(
                f"Template error: Fn::Select cannot select nonexistent value at index {index}"
            )
        return items[index]

    def _join(self, argument: Any) -> str:
        items = self._resolve(argument[1])
        return str(argument[0]).join([items] if isinstance(items, str) else map(_text, items))

    def _split(self, argument: Any) -> list[str]:
        return str(self._resolve(argument[1])).split(argument[0])

    def _get_azs(self, argument: Any) -> list[str]:
        region = self._resolve(argument) or self.parameters["AWS::Region"]
        return [region + zone for zone in ZONES.get(region, "abc")]

    def _if(self, argument: Any) -> Any:
        return self._resolve(argument[1 if self.condition(argument[0]) else 2])

    def _equals(self, argument: Any) -> bool:
        first, second = map(self._resolve, argument)
        return _text(first) == _text(second)


_FUNCTIONS: dict[str, Callable[[Resolver, Any], Any]] = {
    "Ref": Resolver._ref,
    "Fn::GetAtt": Resolver._get_att,
    "Fn::Sub": Resolver._sub,
    "Fn::Join": Resolver._join,
    "Fn::Select": Resolver._select,
    "Fn::Split": Resolver._split,
    "Fn::GetAZs": Resolver._get_azs,
    "Fn::If": Resolver._if,
    "Fn::Equals": Resolver._equals,
    "Fn::ImportValue": lambda resolver, argument: resolver.imported(resolver._resolve(argument)),
    "Fn::Base64": lambda resolver, argument: base64.b64encode(
        str(resolver._resolve(argument)).encode()
    ).decode(),
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def dereferenced(node: Any, client: Callable[[str], Any]) -> Any:
    """Return *node* with its dynamic references read; *client* makes a client of a named service.

    The values go only into the API call: the stack keeps the references.
    """
    if isinstance(node, list):
        return [dereferenced(item, client) for item in node]
    if isinstance(node, Mapping):
        return {key: dereferenced(value, client) for key, value in node.items()}
    if isinstance(node, str) and "{{resolve:" in node:
        return _DYNAMIC.sub(lambda match: _parameter(match[1], client), node)
    return node


def _parameter(name: str, client: Callable[[str], Any]) -> str:
    return str(client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
