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
    """A property that has an API call of its own."""

    call: str
    arguments: Callable[[Any], Mapping[str, Any]]
    undo: str = ""
    """What takes the setting back when the property goes; without it the last value stays."""


def sets(call: str, argument: str, undo: str = "", value: Callable[[Any], Any] = lambda v: v) -> Setting:
    """Return a setting whose call takes the property as one argument."""
    return Setting(call, lambda given: {argument: value(given)}, undo)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """One type of resource.

    Texts with braces are formats over `{id}`, `{name}`, `{region}`, `{account}`, the members of the create
    call's answer and the properties; texts without are the name (or the dotted path) of such a member.
    """

    name: str
    service: str
    create: str | Callable[[Resource], None]
    answer: str = ""
    """Where in the answer the resource is described, e.g. `Listeners.0`."""
    id: str = "{name}"
    """What Ref returns."""
    named: str = ""
    """The property that holds the physical name; one is made up when it is absent."""
    name_limit: int = 128
    lower_case: bool = False
    rename: Mapping[str, str] = field(default_factory=dict)
    """Property → the API's parameter, where they differ by more than case."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the create call that no property says."""
    settings: Mapping[str, Setting | Callable[[Resource], object]] = field(default_factory=dict)
    """Properties set by a call of their own; a function sees to presence and absence itself."""
    ignored: frozenset[str] = frozenset()
    """Properties that nothing here can honour and that change nothing a test would see."""
    known: frozenset[str] | None = None
    """Further properties of a type whose create *function* picks from them: any other is refused.

    None means that a call takes them all, and refuses by itself.
    """
    update: str | Callable[[Resource, Mapping[str, Any]], None] = ""
    """Called when a property changed that is neither a setting nor the tags."""
    whole: bool = False
    """The update call takes all properties, not only the changed ones."""
    mutable: frozenset[str] | None = frozenset()
    """Properties that an update *function* handles (None: all); for an operation its parameters tell."""
    replace: frozenset[str] = frozenset()
    """Properties whose change replaces the resource although the update call knows them."""
    delete: str | Callable[[Resource], None] = ""
    delete_with: Mapping[str, Any] = field(default_factory=dict)
    """The delete call's arguments where they aren't simply members of the same names."""
    snapshot: Callable[[Resource], object] | None = None
    deletion_policy: str = "Delete"
    attributes: Mapping[str, str | Callable[[Resource], Any]] | None = field(default_factory=dict)
    """What Fn::GetAtt knows; None means that only the resource itself can tell."""
    tagged: str = ""
    """What tag calls name the resource by; empty where tags don't exist."""
    tag_kind: str = ""
    """EC2's word for the resource in TagSpecifications."""
    tags: str = "Tags"

    def has_attribute(self, name: str) -> bool:
        return self.attributes is None or name in self.attributes

    def check(self, properties: Mapping[str, Any]) -> None:
        """Refuse properties that nothing here would read."""
        if self.known is None:
            return
        read = self.known | (self.mutable or frozenset()) | self.settings.keys() | self.ignored | {self.named}
        if extra := sorted(properties.keys() - read - ({self.tags} if self.tagged else set())):
            raise ResourceFailed(
                f"Properties validation failed: extraneous key [{extra[0]}] is not permitted"
            )

    def replaces(self, changed: set[str]) -> bool:
        """Tell whether a change of these properties makes a new resource."""
        known = changed if self.mutable is None else set(self.mutable)
        if isinstance(self.update, str) and self.update:
            parameters = {member.lower() for member in input_shape(self.service, self.update).members}
            known |= {name for name in changed if self.rename.get(name, name).lower() in parameters}
        kept = (known | self.settings.keys() | self.ignored) - self.replace - {self.named}
        if self.tagged:
            kept.add(self.tags)
        return bool(changed - kept)


def same(*names: str) -> dict[str, str | Callable[[Resource], Any]]:
    """Return attributes that are called as in the API's answer."""
    return {name: name for name in names}


def words(text: str) -> frozenset[str]:
    """Return the names of properties that *text* holds, with spaces between them."""
    return frozenset(text.split())


def in_api_words(pairs: Mapping[str, Any] | list[Mapping[str, Any]] | None) -> dict[str, str]:
    """Return tags, in whichever shape a template has them, as a plain mapping."""
    if isinstance(pairs, Mapping):
        return dict(pairs)
    return {pair["Key"]: pair["Value"] for pair in pairs or []}
