"""One resource of a stack: the API calls that create, update, tag and delete it."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from .. import moto_client
from .api_parameters import fit, input_shape
from .errors import ResourceFailed, ValidationError
from .intrinsics import dereferenced
from .resource_type import ResourceType, Setting, tag_mapping

MISSING_CODES = re.compile("NotFound|NoSuch|DoesNotExist|NonExistent|NotExist|ResourceNotFound")
_SHOWN_VALUE = re.compile(r", value: .*?, type:", re.DOTALL)

_TAG_OPERATIONS = {
    "acm": ("add_tags_to_certificate", "remove_tags_from_certificate", "CertificateArn"),
    "elasticbeanstalk": ("update_tags_for_resource", "update_tags_for_resource", "ResourceArn"),
    "ec2": ("create_tags", "delete_tags", "Resources"),
    "elbv2": ("add_tags", "remove_tags", "ResourceArns"),
    "kms": ("tag_resource", "untag_resource", "KeyId"),
    "lambda": ("tag_resource", "untag_resource", "Resource"),
    "rds": ("add_tags_to_resource", "remove_tags_from_resource", "ResourceName"),
    "secretsmanager": ("tag_resource", "untag_resource", "SecretId"),
    "sqs": ("tag_queue", "untag_queue", "QueueUrl"),
}
"""A service's operations that add and remove tags, and the argument that names the resource.

Services that are not listed use `tag_resource`, `untag_resource` and `ResourceArn`.
"""


@dataclass(frozen=True, slots=True)
class ResourceScope:
    """The account, region and stack that a resource belongs to."""

    region: str
    account: str
    stack_name: str
    stack_id: str


@dataclass(slots=True, eq=False)
class Resource:
    """One resource of a stack: its properties, and what the create call answered."""

    type: ResourceType
    type_name: str
    logical_id: str
    scope: ResourceScope
    properties: dict[str, Any] = field(repr=False)
    """Resolved, but for dynamic references: their values are not kept."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """DeletionPolicy and UpdateReplacePolicy, where the template has them."""
    name: str = ""
    physical_id: str = ""
    answer: dict[str, Any] = field(default_factory=dict, repr=False)
    status: str = ""

    def __post_init__(self) -> None:
        given = self.properties.get(self.type.named)
        self.name = (
            str(given)
            if given
            else _generated_name(self.scope.stack_name, self.logical_id, self.type.name_limit)
        )
        if self.type.lower_case:
            self.name = self.name.lower()

    # what templates refer to

    def attribute(self, name: str) -> Any:
        if self.type.attributes is None:
            return self.lookup(name)
        source = self.type.attributes.get(name)
        if source is None:
            raise ResourceFailed(
                f"resource {self.logical_id} does not support attribute type {name} in Fn::GetAtt"
            )
        return source(self) if callable(source) else self.expand(source)

    # what resource types use

    def client(self, service: str = "") -> Any:
        return moto_client.client(service or self.type.service, self.scope.region, self.scope.account)

    def call(self, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """Call an operation with template values, converted to the types of its parameters."""
        service = self.type.service
        present = {key: value for key, value in arguments.items() if value is not None}
        fitted = fit(input_shape(service, operation), dereferenced(present, self.client))
        answer: dict[str, Any] = getattr(self.client(), operation)(**fitted)
        return answer

    def lookup(self, path: str) -> Any:
        """Return a member of the answer, else a property; a dotted path descends into it."""
        found: Any = None
        for part in path.split("."):
            if part.isdigit() and isinstance(found, list):
                found = found[int(part)]
            elif found is None:
                found = self._member(part)
            else:
                found = found[part]
        return found

    def _member(self, name: str) -> Any:
        scope = self.scope
        own = {"id": self.physical_id, "name": self.name, "region": scope.region, "account": scope.account}
        if name in own:
            return own[name]
        renamed = {self.type.rename.get(key, key): value for key, value in self.properties.items()}
        for members in (self.named_argument(), self.answer, renamed, self.properties):
            for key, value in members.items():
                if key.lower() == name.lower():
                    return value
        raise KeyError(name)

    def expand(self, text: str) -> Any:
        """Return *text* with its `{members}` filled in; a text without braces is a member's name."""
        if "{" not in text:
            return self.lookup(text)
        return re.sub(r"\{([^}]+)\}", lambda match: str(self.lookup(match[1])), text)

    def changed(self, old: Mapping[str, Any], *names: str) -> bool:
        return any(old.get(name) != self.properties.get(name) for name in names)

    def difference(self, old: Mapping[str, Any], name: str) -> tuple[list[Any], list[Any]]:
        """Return the items removed from a list property, and those added to it."""
        was, now = old.get(name) or [], self.properties.get(name) or []
        return [item for item in was if item not in now], [item for item in now if item not in was]

    def pick(self, *names: str) -> dict[str, Any]:
        """Return these properties, where set, under the API's names."""
        return {self.type.rename.get(n, n): self.properties[n] for n in names if n in self.properties}

    def create_arguments(self) -> dict[str, Any]:
        """Return the properties that belong in the create call, under the API's names."""
        apart = self.type.settings.keys() | self.type.ignored | {self.type.tags, self.type.named}
        return self.pick(*(name for name in self.properties if name not in apart))

    def named_argument(self) -> dict[str, str]:
        return {self.type.rename.get(self.type.named, self.type.named): self.name} if self.type.named else {}

    def tag_arguments(self, operation: str) -> dict[str, Any]:
        tags = tag_mapping(self.properties.get(self.type.tags))
        if not tags or not self.type.tagged:
            return {}
        members = input_shape(self.type.service, operation).members
        if self.type.tag_kind:
            pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
            return {"TagSpecifications": [{"ResourceType": self.type.tag_kind, "Tags": pairs}]}
        argument = next(
            (m for m in members if m.lower() in ("tags", "taglist", self.type.tags.lower())), None
        )
        return {argument: tags} if argument else {}

    def identified(self, operation: str, *, optional: bool = False) -> dict[str, Any]:
        """Return the arguments of *operation* that identify the resource."""
        shape = input_shape(self.type.service, operation)
        found = {}
        for member in shape.members if optional else shape.required_members:
            try:
                found[member] = self.lookup(member)
            except KeyError:
                continue
        return found

    # creating, updating, deleting

    def create(self) -> None:
        kind = self.type
        kind.check(self.properties)
        if callable(kind.create):
            kind.create(self)
        else:
            arguments = (
                self.named_argument()
                | self.create_arguments()
                | dict(kind.constants)
                | self.tag_arguments(kind.create)
            )
            self.take_answer(self.call(kind.create, **arguments))
        for name in kind.settings:
            if name in self.properties:
                self._set(name)

    def take_answer(self, answer: Mapping[str, Any]) -> None:
        """Keep the create call's answer, and the physical id from it."""
        described: Any = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        for part in filter(None, self.type.answer.split(".")):
            described = described[int(part)] if part.isdigit() else described[part]
        self.answer = described
        self.physical_id = str(self.expand(self.type.id))

    def update(self, properties: dict[str, Any]) -> None:
        """Change the resource in place to these properties."""
        kind, old = self.type, self.properties
        kind.check(properties)
        self.properties = properties
        changed = {name for name in old.keys() | properties.keys() if old.get(name) != properties.get(name)}
        for name in (name for name in kind.settings if name in changed):
            self._set(name)
        if kind.tagged and kind.tags in changed - kind.settings.keys():
            self._retag(tag_mapping(old.get(kind.tags)), tag_mapping(properties.get(kind.tags)))
        rest = changed - kind.settings.keys() - kind.ignored - {kind.tags}
        if rest and callable(kind.update):
            kind.update(self, old)
        elif rest and isinstance(kind.update, str):
            self._update_by(kind.update, rest)

    def _update_by(self, operation: str, changed: set[str]) -> None:
        whole = self.type.whole or operation == self.type.create
        arguments = self.create_arguments() if whole else self.pick(*changed)
        known = {member.lower() for member in input_shape(self.type.service, operation).members}
        arguments = {key: value for key, value in arguments.items() if key.lower() in known}
        self.call(operation, **self.named_argument() | self.identified(operation) | arguments)

    def delete(self, *, with_snapshot: bool = False) -> None:
        """Delete the resource; a missing one is no failure."""
        try:
            if with_snapshot and self.type.snapshot:
                self.type.snapshot(self)
            if callable(self.type.delete):
                self.type.delete(self)
            elif self.type.delete_with:
                arguments = {key: self._expanded(value) for key, value in self.type.delete_with.items()}
                self.call(self.type.delete, **arguments)
            elif self.type.delete:
                self.call(self.type.delete, **self.identified(self.type.delete, optional=True))
        except ClientError as error:
            if not MISSING_CODES.search(error.response["Error"]["Code"]):
                raise

    def _expanded(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._expanded(item) for item in value]
        return self.expand(value) if isinstance(value, str) else value

    def _set(self, name: str) -> None:
        setting = self.type.settings[name]
        if not isinstance(setting, Setting):
            setting(self)
        elif name in self.properties:
            arguments = setting.arguments(self.properties[name])
            self.call(setting.call, **self.identified(setting.call) | dict(arguments))
        elif setting.undo:
            self.call(setting.undo, **self.identified(setting.undo))

    def _retag(self, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        add, remove, argument = _TAG_OPERATIONS.get(
            self.type.service, ("tag_resource", "untag_resource", "ResourceArn")
        )
        removed = sorted(old.keys() - new.keys())
        added = {key: value for key, value in new.items() if old.get(key) != value}
        for operation, tags, spellings in (
            (remove, removed, ("tagkeys", "tagkeylist", "tagstoremove", "tags")),
            (add, added, ("tagstoadd", "tags")),
        ):
            if tags:
                members = input_shape(self.type.service, operation).members
                names = next(member for member in members if member.lower() in spellings)
                self.call(operation, **{argument: self.expand(self.type.tagged), names: tags})


def failure_reason(error: Exception) -> str:
    """Return what failed, without any value that was passed."""
    if isinstance(error, ValidationError):
        return str(error.message)
    if isinstance(error, ClientError):
        answer = error.response["Error"]
        call = f"{answer['Code']}, {error.operation_name}"
        return f'Resource handler returned message: "{answer["Message"]}" ({call})'
    if isinstance(error, ParamValidationError):
        return "Properties validation failed: " + _SHOWN_VALUE.sub(", type:", str(error))
    if isinstance(error, KeyError):
        return f"Properties validation failed: required key {error} not found"
    if isinstance(error, (ResourceFailed, BotoCoreError)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _generated_name(stack: str, logical_id: str, limit: int) -> str:
    letters = string.ascii_uppercase + string.digits
    suffix = "".join(secrets.choice(letters) for _ in range(12))
    return f"{stack}-{logical_id}"[: limit - 13].rstrip("-") + f"-{suffix}"
