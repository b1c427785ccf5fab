"""What Vault's users want: from revisions and their custom metadata to names, keys, forms and tags."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .config import Config
from .model import (
    TAG_KMS_KEY,
    TAG_OWNER,
    TAG_SOURCE,
    TAG_TAGS,
    TAG_VERSION,
    Absent,
    Conflict,
    DesiredSecret,
    Entry,
    Refuse,
    Revision,
    Skip,
    Tags,
    Unreadable,
)
from .names import MAX_NAME, MAX_TAG_VALUE, encode, taken_as_it_is

CHOICE_REPLICATE = "replicate"
CHOICE_NAME = "aws-name"
CHOICE_KMS_KEY = "aws-kms-key"
CHOICE_FORMAT = "aws-format"
CHOICE_TAG = "aws-tag-"

PLAIN = "plain"
"""The form of a secret that is a plain string; the other form, a JSON object, has no name."""

MAX_TAG_KEY = 128
MAX_USER_TAGS = 40
"""Secrets Manager takes 50 tags; ours and some of the organisation's have to fit as well."""


def is_beanvault_key(key: str) -> bool:
    """Whether a key of custom metadata is one that a source has to pass on."""
    return key == CHOICE_REPLICATE or key.startswith("aws-")


class _Refusal(Exception):
    """A choice that cannot be followed, with the reason."""


@dataclass(slots=True)
class DesiredState:
    """Everything Vault's side asks for: what is wanted, by name, and what stands in the way."""

    wanted: dict[str, DesiredSecret] = field(default_factory=dict)
    rivals: dict[str, list[DesiredSecret]] = field(default_factory=dict)
    remarks: list[Conflict | Refuse | Skip] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


def resolve_desired(entries: Iterable[Entry], config: Config) -> DesiredState:
    """Sort *entries* into what is wanted and what is not; names that two paths want go to `rivals`."""
    wishes = DesiredState()
    for entry in entries:
        match entry:
            case Revision():
                _add(entry, config, wishes)
            case Absent(source, reason):
                wishes.remarks.append(Skip(source, reason))
            case Unreadable():
                wishes.unreadable.append(entry)
    return wishes


def _add(revision: Revision, config: Config, wishes: DesiredState) -> None:
    choices = dict(revision.custom)
    if choices.get(CHOICE_REPLICATE, "true").strip().lower() in ("false", "no", "0"):
        wishes.remarks.append(Skip(revision.source, "its custom metadata says replicate=false"))
        return
    try:
        wanted = _wanted(revision, choices, config)
    except _Refusal as refusal:
        wishes.remarks.append(Refuse(revision.source, str(refusal)))
        wishes.refused.add(revision.source)
        return
    if wanted.name in wishes.rivals:
        wishes.rivals[wanted.name].append(wanted)
    elif (other := wishes.wanted.pop(wanted.name, None)) is not None:
        wishes.rivals[wanted.name] = [other, wanted]
    else:
        wishes.wanted[wanted.name] = wanted


def _wanted(revision: Revision, choices: Mapping[str, str], config: Config) -> DesiredSecret:
    form = choices.get(CHOICE_FORMAT, "json")
    if form not in ("json", PLAIN):
        raise _Refusal(f"{CHOICE_FORMAT}={form!r} is not a format; choose json or plain")
    form = form if form == PLAIN else ""
    kms_key = _kms_key(choices, config)
    return DesiredSecret(
        name=_name(revision, choices, config),
        revision=revision,
        version_id=revision.version_id(config.owner, form),
        form=form,
        kms_key=kms_key,
        tags=our_tags(revision, config.owner, kms_key) + _user_tags(choices),
    )


def at(wanted: DesiredSecret, revision: Revision, owner: str) -> DesiredSecret:
    """Return *wanted* for the *revision* of the same path that was read in the end."""
    if revision.version == wanted.revision.version and revision.created_time == wanted.revision.created_time:
        return wanted
    tags = our_tags(revision, owner, wanted.kms_key)
    users = tuple(pair for pair in wanted.tags if pair[0] not in dict(tags))
    return DesiredSecret(
        name=wanted.name,
        revision=revision,
        version_id=revision.version_id(owner, wanted.form),
        form=wanted.form,
        kms_key=wanted.kms_key,
        tags=tags + users,
    )


def our_tags(revision: Revision, owner: str, kms_key: str | None) -> Tags:
    """Return the tags that every managed secret has.

    The KMS key is a tag because AWS does not promise to show a key in the words it was given in, so only
    what we noted ourselves can be compared.
    """
    tags = ((TAG_OWNER, owner), (TAG_SOURCE, encode(revision.source)), (TAG_VERSION, revision.label))
    return (*tags, (TAG_KMS_KEY, kms_key)) if kms_key else tags


def _name(revision: Revision, choices: Mapping[str, str], config: Config) -> str:
    encoded = encode(revision.source)
    if len(encoded) > MAX_TAG_VALUE:
        raise _Refusal(
            f"mount and path are {len(encoded)} characters long as they would be written into a tag, "
            f"which holds {MAX_TAG_VALUE}; shorten the path"
        )
    chosen = choices.get(CHOICE_NAME)
    if chosen is None:
        below = encode(revision.source.removeprefix(_mount_of(revision.source, config) + "/"))
    elif chosen.startswith("/") or not taken_as_it_is(chosen):
        raise _Refusal(f"{CHOICE_NAME} takes ASCII letters, digits and /_+=.@-, and does not begin with /")
    else:
        below = chosen
    name = f"{config.prefix}/{below}"
    if len(name) > MAX_NAME:
        raise _Refusal(f"its name is {len(name)} characters long; Secrets Manager takes {MAX_NAME}")
    return name


def _mount_of(source: str, config: Config) -> str:
    return max(
        (mount.path for mount in config.mounts if source.startswith(f"{mount.path}/")), key=len, default=""
    )


def _kms_key(choices: Mapping[str, str], config: Config) -> str | None:
    chosen = choices.get(CHOICE_KMS_KEY)
    if chosen is None:
        return config.kms_key
    if chosen not in config.kms_keys_allowed:
        raise _Refusal(f"{CHOICE_KMS_KEY}={chosen!r} is not among the keys in BEANVAULT_KMS_KEY_ID")
    return chosen


def _user_tags(choices: Mapping[str, str]) -> Tags:
    tags = tuple(sorted(_tags_chosen(choices)))
    if not tags:
        return ()
    # The keys are noted so that a tag the user takes back is removed, and nobody else's is.
    keys = " ".join(key for key, _ in tags)
    if len(tags) > MAX_USER_TAGS or len(keys) > MAX_TAG_VALUE:
        raise _Refusal(
            f"it asks for too many {CHOICE_TAG}* tags: {MAX_USER_TAGS} keys, 256 characters in all"
        )
    return (*tags, (TAG_TAGS, keys))


def _tags_chosen(choices: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for choice, value in choices.items():
        if not choice.startswith(CHOICE_TAG):
            continue
        key = choice.removeprefix(CHOICE_TAG)
        if not key or len(key) > MAX_TAG_KEY or not _tag_text(key):
            raise _Refusal(f"{choice} is not a tag key that AWS takes")
        if " " in key:
            raise _Refusal(f"{choice} has a space in it, which parts the keys in {TAG_TAGS}")
        if key.lower().startswith(("aws:", "beanvault:")):
            raise _Refusal(f"{choice} is reserved")
        if len(value) > MAX_TAG_VALUE or not _tag_text(value):
            raise _Refusal(f"the value of {choice} is not one that AWS takes as a tag's")
        yield key, value


def _tag_text(text: str) -> bool:
    """Whether AWS takes *text* in a tag.

    https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
    """
    return all(char in "_.:/=+-@ " or unicodedata.category(char)[0] in "LNZ" for char in text)
