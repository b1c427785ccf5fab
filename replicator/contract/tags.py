"""Tags of a managed secret and of the connection secret.

A source is plain inside the program. It is encoded where a tag is written and decoded where one is read,
by the two functions here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from .names import decode, encode

RESERVED = "beanvault:"
"""The prefix of all tags of this project."""

TAG_OWNER = "beanvault:owner"
TAG_SOURCE = "beanvault:source"
TAG_VERSION = "beanvault:version"
TAG_KMS_KEY = "beanvault:kms-key"
TAG_REPLICAS = "beanvault:replicas"
TAG_TAGS = "beanvault:tags"
TAG_HEALTH = "beanvault:health"
"""On the connection secret: the `HealthState` that was reported last."""

MAX_TAG_VALUE = 256
"""https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Tag.html"""

Tags: TypeAlias = tuple[tuple[str, str], ...]


def encode_tags(tags: Iterable[tuple[str, str]]) -> Tags:
    """Return *tags* as they are written to AWS."""
    return tuple((key, encode(value) if key == TAG_SOURCE else value) for key, value in tags)


def decode_tags(tags: Iterable[tuple[str, str]]) -> Tags:
    """Return tags as they were read from AWS, with the source plain.

    A source that `encode` can't have made was edited by a person and names no path: it is left out, so that
    the secret counts as one without a source.
    """
    return tuple(
        (key, plain)
        for key, value in tags
        if (plain := decode(value) if key == TAG_SOURCE else value) is not None
    )


def encoded_length(source: str) -> int:
    """Return how long the tag of *source* is; it must not exceed `MAX_TAG_VALUE`."""
    return len(encode(source))


class HealthState(StrEnum):
    """Whether replication works; without a tag it counts as healthy."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    NOT_CONNECTED = "not connected"
    """No connection to Vault has been stored yet."""


@dataclass(frozen=True, slots=True)
class ManagedTags:
    """What the tags of one secret record about its replication."""

    owner: str | None
    source: str | None
    """`<mount>/<path>`, plain; None where there is none or a person edited it."""
    version: str | None
    """The version in Vault, for people."""


def read_tags(tags: Iterable[Mapping[str, object]] | None) -> ManagedTags:
    """Read the `Tags` of an answer of Secrets Manager, which may be missing."""
    plain = dict(decode_tags((str(tag["Key"]), str(tag["Value"])) for tag in tags or ()))
    return ManagedTags(plain.get(TAG_OWNER), plain.get(TAG_SOURCE), plain.get(TAG_VERSION))
