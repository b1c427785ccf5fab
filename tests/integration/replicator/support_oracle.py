"""The state of the target after a run, derived from Vault and from the state before the run.

It shares nothing with the plan but the namespace of version ids, which is fixed for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid5

import hvac

from replicator.model import NAMESPACE

from .support_target import SOURCE, StoredSecret


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that decide what is expected; names are those below the prefix."""

    owner: str
    mount: str
    schedule: bool
    adopt: frozenset[str]


@dataclass(frozen=True, slots=True)
class Place:
    """A path, in the deployment's own mount or in the one with *beside* after its name."""

    path: str
    beside: str = ""

    def mount(self, rules: Rules) -> str:
        return rules.mount + self.beside

    def source(self, rules: Rules) -> str:
        return encoded(f"{self.mount(rules)}/{self.path}")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a live path asks for: *text* is None where its value has to be refused."""

    place: Place
    name: str
    version_id: str
    tags: dict[str, str]
    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claims:
    """All claims; *unfit* are the live paths whose custom metadata cannot be followed."""

    all: tuple[Claim, ...]
    unfit: frozenset[Place]

    def of(self, name: str) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.all if claim.name == name)


@dataclass(frozen=True, slots=True)
class Expected:
    """*copies* are current with the claim's value, *deleted* are pending, all others are unchanged."""

    copies: dict[str, Claim]
    deleted: frozenset[str]
    refused: frozenset[str]


def identity(rules: Rules, place: Place, version: int, created_time: str, form: str) -> str:
    suffix = "#plain" if form == "plain" else ""
    source = f"{place.mount(rules)}/{place.path}"
    return str(uuid5(NAMESPACE, f"{rules.owner}/{source}@{version}@{created_time}{suffix}"))


def rendered(data: Mapping[str, str], form: str) -> str | None:
    """Return the text that a path's data becomes, or None where it may not become one."""
    if not any(data.values()) or (form == "plain" and len(data) != 1):
        return None
    if form == "plain":
        return next(iter(data.values()))
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def encoded(path: str) -> str:
    """Return the name of a path; of what needs an escape, the tests use what a URL escapes as well."""
    return quote(path, safe="/_+.@-").replace("%", "=").replace("~", "=7E")


def ask(vault: hvac.Client, rules: Rules, places: tuple[Place, ...]) -> Claims:
    """Read the claims from Vault itself."""
    claims, unfit, kv = [], set(), vault.secrets.kv.v2
    for place in places:
        try:
            metadata = kv.read_secret_metadata(place.path, mount_point=place.mount(rules))["data"]
        except hvac.exceptions.InvalidPath:
            continue
        custom: dict[str, str] = metadata["custom_metadata"] or {}
        version = metadata["versions"].get(str(metadata["current_version"]))
        if version is None or version["destroyed"] or version["deletion_time"]:
            continue
        if custom.get("replicate") == "false":
            continue
        name = custom.get("aws-name", encoded(place.path))
        if name.startswith("/"):
            unfit.add(place)
            continue
        claims.append(_claim(vault, rules, place, name, metadata, custom))
    return Claims(tuple(claims), frozenset(unfit))


def _claim(
    vault: hvac.Client, rules: Rules, place: Place, name: str, metadata: Any, custom: dict[str, str]
) -> Claim:
    form = custom.get("aws-format", "json")
    number = metadata["current_version"]
    created = metadata["versions"][str(number)]["created_time"]
    answer = vault.secrets.kv.v2.read_secret_version(
        place.path, mount_point=place.mount(rules), raise_on_deleted_version=True
    )
    tags = {key.removeprefix("aws-tag-"): value for key, value in custom.items() if "aws-tag-" in key}
    return Claim(
        place,
        name,
        identity(rules, place, number, created, form),
        {
            **tags,
            "beanvault:owner": rules.owner,
            SOURCE: place.source(rules),
            "beanvault:version": str(number),
        },
        rendered(answer["data"]["data"], form),
    )


def expect(before: Mapping[str, StoredSecret], claims: Claims, rules: Rules) -> Expected:
    """Say what a whole run without faults makes of *before*."""
    winners, kept = _settle(before, claims, rules, claims.unfit)
    refused = {name for name, claim in winners.items() if claim.text is None}
    kept |= {winners[name].place for name in refused}
    kept_sources = {place.source(rules) for place in kept}
    deleted = {
        name
        for name, stored in before.items()
        if stored.is_of(rules.owner)
        and (stored.pending or rules.schedule)
        and name not in winners
        and (stored.pending or stored.tags[SOURCE] not in kept_sources)
    }
    copies = {name: claim for name, claim in winners.items() if name not in refused}
    return Expected(copies, frozenset(deleted), frozenset(refused))


def _settle(
    before: Mapping[str, StoredSecret], claims: Claims, rules: Rules, kept: frozenset[Place]
) -> tuple[dict[str, Claim], set[Place]]:
    """Return whose claim each name follows, and the paths that keep the secret they have under another name.

    These are the paths whose claim can't be met, *kept* among them. They keep it against newcomers as well,
    whose claim can't be met then either.
    """
    winners: dict[str, Claim] = {}
    losers: set[Place] = set(kept)
    for name in {claim.name for claim in claims.all}:
        contenders = claims.of(name)
        winner = _winner(name, contenders, before.get(name), rules, kept)
        if winner is not None:
            winners[name] = winner
        losers |= {claim.place for claim in contenders if claim is not winner}
    return (winners, losers) if losers == kept else _settle(before, claims, rules, frozenset(losers))


def _winner(
    name: str,
    contenders: tuple[Claim, ...],
    stored: StoredSecret | None,
    rules: Rules,
    kept: frozenset[Place],
) -> Claim | None:
    """Return the claim that gets the name: none where it is foreign, the owner's where it is disputed."""
    if stored is not None and not stored.is_of(rules.owner):
        adopted = name in rules.adopt and not stored.pending and len(contenders) == 1
        return contenders[0] if adopted else None
    holder = stored.tags[SOURCE] if stored is not None else None
    if len(contenders) == 1:
        others = {place.source(rules) for place in kept} - {contenders[0].tags[SOURCE]}
        return None if holder in others else contenders[0]
    return next((claim for claim in contenders if claim.tags[SOURCE] == holder), None)
