"""The desired state: from revisions and their custom metadata to names, KMS keys, forms and tags."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from .changes import Conflict, Refuse, Skip
from .config import Config
from .contract.mounts import mount_of
from .contract.names import MAX_NAME, is_valid_name, secret_name
from .contract.tags import (
    MAX_TAG_VALUE,
    RESERVED,
    TAG_KMS_KEY,
    TAG_OWNER,
    TAG_SOURCE,
    TAG_TAGS,
    TAG_VERSION,
    Tags,
    encoded_length,
)
from .model import Absent, DesiredSecret, Entry, Revision, Unreadable

CHOICE_REPLICATE = "replicate"
CHOICE_NAME = "aws-name"
CHOICE_KMS_KEY = "aws-kms-key"
CHOICE_FORMAT = "aws-format"
CHOICE_TAG = "aws-tag-"

PLAIN = "plain"
"""The form of a secret that is a plain string; the other form, a JSON object, has no name."""

MAX_TAG_KEY = 128
MAX_USER_TAGS = 40
"""Secrets Manager takes 50 tags; ours and some of the organisation's must fit as well."""


def is_beanvault_key(key: str) -> bool:
    """Whether a key of custom metadata is one that a source has to pass on."""
    return key == CHOICE_REPLICATE or key.startswith("aws-")


class _RefusedChoice(Exception):
    """A choice that cannot be followed, with the reason."""


@dataclass(slots=True)
class DesiredState:
    """What Vault's side asks for.

    *secrets* are the desired secrets by name. *contenders* are those of each name that several paths claim.
    *refused* are the paths whose custom metadata can't be followed.
    """

    secrets: dict[str, DesiredSecret] = field(default_factory=dict)
    contenders: dict[str, list[DesiredSecret]] = field(default_factory=dict)
    remarks: list[Conflict | Refuse | Skip] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


def resolve_desired(entries: Iterable[Entry], config: Config) -> DesiredState:
    """Return the desired state that *entries* make; names that two paths claim go to `contenders`."""
    state = DesiredState()
    for entry in entries:
        match entry:
            case Revision():
                _add(entry, config, state)
            case Absent(source, reason):
                state.remarks.append(Skip(source, reason))
            case Unreadable():
                state.unreadable.append(entry)
    return state


def _add(revision: Revision, config: Config, state: DesiredState) -> None:
    choices = dict(revision.custom)
    if choices.get(CHOICE_REPLICATE, "true").strip().lower() in ("false", "no", "0"):
        state.remarks.append(Skip(revision.source, "its custom metadata has replicate=false"))
        return
    try:
        desired = _desired_secret(revision, choices, config)
    except _RefusedChoice as refusal:
        state.remarks.append(Refuse(revision.source, str(refusal)))
        state.refused.add(revision.source)
        return
    if desired.name in state.contenders:
        state.contenders[desired.name].append(desired)
    elif (other := state.secrets.pop(desired.name, None)) is not None:
        state.contenders[desired.name] = [other, desired]
    else:
        state.secrets[desired.name] = desired


def _desired_secret(revision: Revision, choices: Mapping[str, str], config: Config) -> DesiredSecret:
    form = choices.get(CHOICE_FORMAT, "json")
    if form not in ("json", PLAIN):
        raise _RefusedChoice(f"{CHOICE_FORMAT}={form!r} is not a format; choose json or plain")
    form = form if form == PLAIN else ""
    kms_key = _kms_key(choices, config)
    return DesiredSecret(
        name=_name(revision, choices, config),
        revision=revision,
        version_id=revision.version_id(config.owner, form),
        form=form,
        kms_key=kms_key,
        tags=_managed_tags(revision, config.owner, kms_key) + _user_tags(choices),
    )


def with_revision(desired: DesiredSecret, revision: Revision, owner: str) -> DesiredSecret:
    """Return *desired* for the *revision* of the same path that was read in the end."""
    known = desired.revision
    if (revision.version, revision.created_time) == (known.version, known.created_time):
        return desired
    tags = _managed_tags(revision, owner, desired.kms_key)
    users = tuple(pair for pair in desired.tags if pair[0] not in dict(tags))
    return replace(
        desired,
        revision=revision,
        version_id=revision.version_id(owner, desired.form),
        tags=tags + users,
    )


def _managed_tags(revision: Revision, owner: str, kms_key: str | None) -> Tags:
    """Return the tags that every managed secret has.

    The KMS key is a tag because AWS does not promise to return a key in the form in which it was given: only
    what we noted ourselves can be compared.
    """
    tags = ((TAG_OWNER, owner), (TAG_SOURCE, revision.source), (TAG_VERSION, revision.label))
    return (*tags, (TAG_KMS_KEY, kms_key)) if kms_key else tags


def _name(revision: Revision, choices: Mapping[str, str], config: Config) -> str:
    if (length := encoded_length(revision.source)) > MAX_TAG_VALUE:
        raise _RefusedChoice(
            f"mount and path are {length} characters long as they would be written into a tag, "
            f"which holds {MAX_TAG_VALUE}; shorten the path"
        )
    chosen = choices.get(CHOICE_NAME)
    if chosen is None:
        mount = mount_of(revision.source, config.mounts)
        path = revision.source.removeprefix(f"{mount.path}/") if mount else revision.source
        name = secret_name(config.prefix, path)
    elif chosen.startswith("/") or not is_valid_name(chosen):
        raise _RefusedChoice(
            f"{CHOICE_NAME} takes ASCII letters, digits and /_+=.@-, and does not begin with /"
        )
    else:
        name = f"{config.prefix}/{chosen}"
    if len(name) > MAX_NAME:
        raise _RefusedChoice(f"its name is {len(name)} characters long; Secrets Manager takes {MAX_NAME}")
    return name


def _kms_key(choices: Mapping[str, str], config: Config) -> str | None:
    chosen = choices.get(CHOICE_KMS_KEY)
    if chosen is None:
        return config.kms_key
    if chosen not in config.kms_keys_allowed:
        raise _RefusedChoice(f"{CHOICE_KMS_KEY}={chosen!r} is not among the keys in BEANVAULT_KMS_KEY_ID")
    return chosen


def _user_tags(choices: Mapping[str, str]) -> Tags:
    tags = tuple(sorted(_tags_chosen(choices)))
    if not tags:
        return ()
    # The keys are noted so that a tag that the user no longer asks for is removed, and no other is.
    keys = " ".join(key for key, _ in tags)
    if len(tags) > MAX_USER_TAGS or len(keys) > MAX_TAG_VALUE:
        raise _RefusedChoice(
            f"it asks for too many {CHOICE_TAG}* tags: {MAX_USER_TAGS} keys, 256 characters in all"
        )
    return (*tags, (TAG_TAGS, keys))


def _tags_chosen(choices: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for choice, value in choices.items():
        if not choice.startswith(CHOICE_TAG):
            continue
        key = choice.removeprefix(CHOICE_TAG)
        if not key or len(key) > MAX_TAG_KEY or not _tag_text(key):
            raise _RefusedChoice(f"{choice} is not a tag key that AWS accepts")
        if " " in key:
            raise _RefusedChoice(f"{choice} contains a space, which separates the keys in {TAG_TAGS}")
        if key.lower().startswith(("aws:", RESERVED)):
            raise _RefusedChoice(f"{choice} is reserved")
        if len(value) > MAX_TAG_VALUE or not _tag_text(value):
            raise _RefusedChoice(f"the value of {choice} is not one that AWS accepts for a tag")
        yield key, value


def _tag_text(text: str) -> bool:
    """Whether AWS accepts *text* in a tag.

    https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
    """
    return all(char in "_.:/=+-@ " or unicodedata.category(char)[0] in "LNZ" for char in text)
