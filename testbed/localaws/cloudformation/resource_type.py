"""Resource types as data.

A type names the operations of its service. `resource.py` finds what goes into a call by name: properties and
API parameters mostly have the same names (letter case aside), and a type declares what differs. A property
that no declared operation takes is an error, never silently dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .api_parameters import input_shape
from .errors import ResourceFailed

if TYPE_CHECKING:
    from .resource import Resource


@dataclass(frozen=True, slots=True)
class Setting:
    """A property that is set by an API call of its own."""

    call: str
    arguments: Callable[[Any], Mapping[str, Any]]
    undo: str = ""
    """The call that removes the setting when the property is removed; without it the last value stays."""


def sets(call: str, argument: str, undo: str = "", value: Callable[[Any], Any] = lambda v: v) -> Setting:
    """Return a setting whose call takes the property as one argument."""
    return Setting(call, lambda given: {argument: value(given)}, undo)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """One type of resource.

    Texts with braces are filled in with `{id}`, `{name}`, `{region}`, `{account}`, members of the create
    call's answer and properties; a text without braces is the name (or the dotted path) of such a member.
    """

    name: str
    service: str
    create: str | Callable[[Resource], None]
    answer: str = ""
    """Where in the answer the resource is described, e.g. `Listeners.0`."""
    id: str = "{name}"
    """What Ref returns."""
    named: str = ""
    """The property that holds the physical name; a name is generated if it is absent."""
    name_limit: int = 128
    lower_case: bool = False
    rename: Mapping[str, str] = field(default_factory=dict)
    """Property → the API's parameter, where they differ by more than case."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the create call that no property provides."""
    settings: Mapping[str, Setting | Callable[[Resource], object]] = field(default_factory=dict)
    """Properties set by a call of their own; a function handles a property that is present or absent."""
    ignored: frozenset[str] = frozenset()
    """Properties without effect here, and without effect on any test."""
    known: frozenset[str] | None = None
    """Further properties that a create *function* reads: any other is refused.

    None means that the create call takes all properties and refuses unknown ones.
    """
    update: str | Callable[[Resource, Mapping[str, Any]], None] = ""
    """Called when a property changed that is neither a setting nor the tags."""
    whole: bool = False
    """The update call takes all properties, not only the changed ones."""
    mutable: frozenset[str] | None = frozenset()
    """Properties that an update *function* handles (None: all); an operation handles its parameters."""
    replace: frozenset[str] = frozenset()
    """Properties whose change replaces the resource although the update call knows them."""
    delete: str | Callable[[Resource], None] = ""
    delete_with: Mapping[str, Any] = field(default_factory=dict)
    """The delete call's arguments, if they are not members of the same names."""
    snapshot: Callable[[Resource], object] | None = None
    find: Callable[[Resource], Mapping[str, Any] | None] | None = None
    """Returns the description of what already has the resource's name, or None.

    Where a type has it, a change set checks the name before anything is created, and can import what it
    finds; of other types the creation fails.
    """
    deletion_policy: str = "Delete"
    attributes: Mapping[str, str | Callable[[Resource], Any]] | None = field(default_factory=dict)
    """The attributes of Fn::GetAtt; None means that only a created resource knows them."""
    tagged: str = ""
    """What identifies the resource in tag calls; empty if the type takes no tags."""
    tag_kind: str = ""
    """The ResourceType of EC2's TagSpecifications."""
    tags: str = "Tags"

    def has_attribute(self, name: str) -> bool:
        return self.attributes is None or name in self.attributes

    def check(self, properties: Mapping[str, Any]) -> None:
        """Refuse properties that the type does not read."""
        if self.known is None:
            return
        read = self.known | (self.mutable or frozenset()) | self.settings.keys() | self.ignored | {self.named}
        if extra := sorted(properties.keys() - read - ({self.tags} if self.tagged else set())):
            raise ResourceFailed(
                f"Properties validation failed: extraneous key [{extra[0]}] is not permitted"
            )

    def replaces(self, changed: set[str]) -> bool:
        """Return whether a change of these properties replaces the resource."""
        known = changed if self.mutable is None else set(self.mutable)
        if isinstance(self.update, str) and self.update:
            parameters = {member.lower() for member in input_shape(self.service, self.update).members}
            known |= {name for name in changed if self.rename.get(name, name).lower() in parameters}
        kept = (known | self.settings.keys() | self.ignored) - self.replace - {self.named}
        if self.tagged:
            kept.add(self.tags)
        return bool(changed - kept)


def attributes_named(*names: str) -> dict[str, str | Callable[[Resource], Any]]:
    """Return attributes that have the same names in the API's answer."""
    return {name: name for name in names}


def names(text: str) -> frozenset[str]:
    """Return the property names in *text*, which are separated by spaces."""
    return frozenset(text.split())


def tag_mapping(pairs: Mapping[str, Any] | list[Mapping[str, Any]] | None) -> dict[str, str]:
    """Return tags as a mapping, whether a template has a list of pairs or a mapping."""
    if isinstance(pairs, Mapping):
        return dict(pairs)
    return {pair["Key"]: pair["Value"] for pair in pairs or []}
