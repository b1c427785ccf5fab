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
from .resource_type import ResourceType, Setting, in_api_words

GONE = re.compile("NotFound|NoSuch|DoesNotExist|NonExistent|NotExist|ResourceNotFound")
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
"""How a service adds and removes tags, and the argument that says where; the rest do it by `ResourceArn`."""


@dataclass(frozen=True, slots=True)
class ResourceScope:
    """Where a stack's resources live."""

    region: str
    account: str
    stack_name: str
    stack_id: str


@dataclass(slots=True, eq=False)
class Resource:
    """One resource of a stack: what was asked for, and what it became."""

    type: ResourceType
    type_name: str
    logical_id: str
    place: ResourceScope
    properties: dict[str, Any] = field(repr=False)
    """Resolved, but with dynamic references as they are in the template: values don't stay here."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """DeletionPolicy and UpdateReplacePolicy, where the template has them."""
    name: str = ""
    physical_id: str = ""
    answer: dict[str, Any] = field(default_factory=dict, repr=False)
    status: str = ""

    def __post_init__(self) -> None:
        given = self.properties.get(self.type.named)
        self.name = (
            str(given) if given else _made_up(self.place.stack_name, self.logical_id, self.type.name_limit)
        )
        if self.type.lower_case:
            self.name = self.name.lower()

    # what templates see

    def attribute(self, name: str) -> Any:
        if self.type.attributes is None:
            return self.lookup(name)
        source = self.type.attributes.get(name)
        if source is None:
            raise ResourceFailed(
                f"resource {self.logical_id} does not support attribute type {name} in Fn::GetAtt"
            )
        return source(self) if callable(source) else self.say(source)

    # what types use

    def client(self, service: str = "") -> Any:
        return moto_client.client(service or self.type.service, self.place.region, self.place.account)

    def call(self, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """Call an operation with template values, converted to what its parameters want."""
        service = self.type.service
        present = {key: value for key, value in arguments.items() if value is not None}
        fitted = fit(input_shape(service, operation), dereferenced(present, self.client))
        answer: dict[str, Any] = getattr(self.client(), operation)(**fitted)
        return answer

    def lookup(self, path: str) -> Any:
        """Return a member of the answer, else a property; a dotted path goes inside."""
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
        place = self.place
        own = {"id": self.physical_id, "name": self.name, "region": place.region, "account": place.account}
        if name in own:
            return own[name]
        renamed = {self.type.rename.get(key, key): value for key, value in self.properties.items()}
        for members in (self.named_argument(), self.answer, renamed, self.properties):
            for key, value in members.items():
                if key.lower() == name.lower():
                    return value
        raise KeyError(name)

    def say(self, text: str) -> Any:
        if "{" not in text:
            return self.lookup(text)
        return re.sub(r"\{([^}]+)\}", lambda match: str(self.lookup(match[1])), text)

    def changed(self, old: Mapping[str, Any], *names: str) -> bool:
        return any(old.get(name) != self.properties.get(name) for name in names)

    def difference(self, old: Mapping[str, Any], name: str) -> tuple[list[Any], list[Any]]:
        """Return what went out of a list, and what came into it."""
        was, now = old.get(name) or [], self.properties.get(name) or []
        return [item for item in was if item not in now], [item for item in now if item not in was]

    def pick(self, *names: str) -> dict[str, Any]:
        """Return these properties, where given, under the API's names."""
        return {self.type.rename.get(n, n): self.properties[n] for n in names if n in self.properties}

    def plain(self) -> dict[str, Any]:
        """Return the properties that belong in the create call, under the API's names."""
        apart = self.type.settings.keys() | self.type.ignored | {self.type.tags, self.type.named}
        return self.pick(*(name for name in self.properties if name not in apart))

    def named_argument(self) -> dict[str, str]:
        return {self.type.rename.get(self.type.named, self.type.named): self.name} if self.type.named else {}

    def tag_arguments(self, operation: str) -> dict[str, Any]:
        tags = in_api_words(self.properties.get(self.type.tags))
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
        """Return the arguments of *operation* that the resource itself can say."""
        shape = input_shape(self.type.service, operation)
        found = {}
        for member in shape.members if optional else shape.required_members:
            try:
                found[member] = self.lookup(member)
            except KeyError:
                continue
        return found

    # its life

    def create(self) -> None:
        kind = self.type
        kind.check(self.properties)
        if callable(kind.create):
            kind.create(self)
        else:
            arguments = (
                self.named_argument() | self.plain() | dict(kind.constants) | self.tag_arguments(kind.create)
            )
            self.adopt(self.call(kind.create, **arguments))
        for name in kind.settings:
            if name in self.properties:
                self._set(name)

    def adopt(self, answer: Mapping[str, Any]) -> None:
        """Take over what the create call answered."""
        described: Any = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        for part in filter(None, self.type.answer.split(".")):
            described = described[int(part)] if part.isdigit() else described[part]
        self.answer = described
        self.physical_id = str(self.say(self.type.id))

    def update(self, properties: dict[str, Any]) -> None:
        """Bring the resource from its properties to these, in place."""
        kind, old = self.type, self.properties
        kind.check(properties)
        self.properties = properties
        changed = {name for name in old.keys() | properties.keys() if old.get(name) != properties.get(name)}
        for name in (name for name in kind.settings if name in changed):
            self._set(name)
        if kind.tagged and kind.tags in changed - kind.settings.keys():
            self._retag(in_api_words(old.get(kind.tags)), in_api_words(properties.get(kind.tags)))
        rest = changed - kind.settings.keys() - kind.ignored - {kind.tags}
        if rest and callable(kind.update):
            kind.update(self, old)
        elif rest and isinstance(kind.update, str):
            self._update_by(kind.update, rest)

    def _update_by(self, operation: str, changed: set[str]) -> None:
        whole = self.type.whole or operation == self.type.create
        arguments = self.plain() if whole else self.pick(*changed)
        known = {member.lower() for member in input_shape(self.type.service, operation).members}
        arguments = {key: value for key, value in arguments.items() if key.lower() in known}
        self.call(operation, **self.named_argument() | self.identified(operation) | arguments)

    def delete(self) -> None:
        """Delete the resource; one that is gone already is no failure."""
        try:
            if callable(self.type.delete):
                self.type.delete(self)
            elif self.type.delete_with:
                arguments = {key: self._said(value) for key, value in self.type.delete_with.items()}
                self.call(self.type.delete, **arguments)
            elif self.type.delete:
                self.call(self.type.delete, **self.identified(self.type.delete, optional=True))
        except ClientError as error:
            if not GONE.search(error.response["Error"]["Code"]):
                raise

    def _said(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._said(item) for item in value]
        return self.say(value) if isinstance(value, str) else value

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
        gone = sorted(old.keys() - new.keys())
        added = {key: value for key, value in new.items() if old.get(key) != value}
        for operation, tags, spelt in (
            (remove, gone, ("tagkeys", "tagkeylist", "tagstoremove", "tags")),
            (add, added, ("tagstoadd", "tags")),
        ):
            if tags:
                members = input_shape(self.type.service, operation).members
                names = next(member for member in members if member.lower() in spelt)
                self.call(operation, **{argument: self.say(self.type.tagged), names: tags})


def reason(error: Exception) -> str:
    """Say what failed, without any value that was passed."""
    if isinstance(error, ValidationError):
        return str(error.message)
    if isinstance(error, ClientError):
        said = error.response["Error"]
        call = f"{said['Code']}, {error.operation_name}"
        return f'Resource handler returned message: "{said["Message"]}" ({call})'
    if isinstance(error, ParamValidationError):
        return "Properties validation failed: " + _SHOWN_VALUE.sub(", type:", str(error))
    if isinstance(error, KeyError):
        return f"Properties validation failed: required key {error} not found"
    if isinstance(error, (ResourceFailed, BotoCoreError)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _made_up(stack: str, logical_id: str, limit: int) -> str:
    letters = string.ascii_uppercase + string.digits
    suffix = "".join(secrets.choice(letters) for _ in range(12))
    return f"{stack}-{logical_id}"[: limit - 13].rstrip("-") + f"-{suffix}"
