"""The function's settings: read once from the environment, typed, and with all problems reported at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Self

from .contract.mounts import Mount, MountError, parse_mount, repeated
from .contract.names import is_valid_name
from .contract.tags import MAX_TAG_VALUE
from .errors import ConfigError

REQUIRED = ("BEANVAULT_CONNECTION_SECRET", "BEANVAULT_MOUNT", "BEANVAULT_PREFIX", "BEANVAULT_OWNER")
OPTIONAL = (
    "BEANVAULT_KMS_KEY_ID",
    "BEANVAULT_DELETION",
    "BEANVAULT_MAX_DELETE_SHARE",
    "BEANVAULT_ADOPT",
    "BEANVAULT_REPLICA_REGIONS",
    "BEANVAULT_TOPIC_ARN",
    "BEANVAULT_BUS_NAME",
    "BEANVAULT_ALLOW_HTTP",
)
DEFAULT_MAX_DELETE_SHARE = 0.1

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z-]+:[a-z0-9-]*:\d*:.+")
_OWNER = re.compile(r"[A-Za-z0-9_.:/=+@-]{1,128}")


@dataclass(frozen=True, slots=True)
class ReplicaRegion:
    """A region to replicate to; *kms_key* is a key of that region, or None for its AWS managed one."""

    region: str
    kms_key: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of the function. `docs/replicator.md` describes each variable."""

    connection_secret: str
    mounts: tuple[Mount, ...]
    prefix: str
    owner: str
    kms_key: str | None = None
    kms_keys_allowed: frozenset[str] = frozenset()
    deletion_days: int | None = None
    max_delete_share: float = DEFAULT_MAX_DELETE_SHARE
    adopt: frozenset[str] = frozenset()
    replica_regions: tuple[ReplicaRegion, ...] = ()
    topic_arn: str | None = None
    bus_name: str | None = None
    allow_http: bool = False

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables.

        Raises:
            ConfigError: with everything that is wrong with them.
        """
        reader = _Reader(environ)
        prefix = reader.prefix()
        keys = reader.items("BEANVAULT_KMS_KEY_ID")
        config = cls(
            connection_secret=reader.connection_secret(prefix),
            mounts=reader.mounts(),
            prefix=prefix,
            owner=reader.owner(),
            kms_key=keys[0] if keys else None,
            kms_keys_allowed=frozenset(keys),
            deletion_days=reader.deletion_days(),
            max_delete_share=reader.share(),
            adopt=reader.adopt(prefix),
            replica_regions=reader.replica_regions(environ.get("AWS_REGION")),
            topic_arn=reader.topic_arn(),
            bus_name=environ.get("BEANVAULT_BUS_NAME", "").strip() or None,
            allow_http=reader.switch("BEANVAULT_ALLOW_HTTP"),
        )
        if reader.problems:
            raise ConfigError(reader.problems)
        return config


class _Reader:
    """Reads one variable after another and collects the problems."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []
        known = {*REQUIRED, *OPTIONAL}
        for name in sorted(environ):
            # Other programs have BEANVAULT_ variables of their own; a near match is a typing error.
            if name.startswith("BEANVAULT_") and name not in known:
                for meant in get_close_matches(name, known, n=1, cutoff=0.9):
                    self._wrong(name, f"is not a setting; did you mean {meant}?")

    def _wrong(self, name: str, what: str) -> None:
        self.problems.append(f"{name} {what}")

    def _required(self, name: str) -> str:
        value = self._environ.get(name, "").strip()
        if not value:
            self._wrong(name, "is not set")
        return value

    def items(self, name: str) -> list[str]:
        return [item.strip() for item in self._environ.get(name, "").split(",") if item.strip()]

    def prefix(self) -> str:
        prefix = self._required("BEANVAULT_PREFIX").strip("/")
        if prefix and not is_valid_name(prefix):
            self._wrong("BEANVAULT_PREFIX", "takes ASCII letters, digits and /_+=.@- only")
        return prefix

    def owner(self) -> str:
        owner = self._required("BEANVAULT_OWNER")
        if owner and not _OWNER.fullmatch(owner):
            self._wrong("BEANVAULT_OWNER", "takes up to 128 ASCII letters, digits and _.:/=+@-")
        return owner

    def connection_secret(self, prefix: str) -> str:
        secret = self._required("BEANVAULT_CONNECTION_SECRET")
        name = secret.partition(":secret:")[2] or secret
        if prefix and name.startswith(f"{prefix}/"):
            # The function reads this one secret; below the prefix it must not be able to read any.
            self._wrong("BEANVAULT_CONNECTION_SECRET", f"must not lie below the prefix {prefix}/")
        return secret

    def mounts(self) -> tuple[Mount, ...]:
        self._required("BEANVAULT_MOUNT")
        mounts = []
        for item in self.items("BEANVAULT_MOUNT"):
            try:
                mounts.append(parse_mount(item))
            except MountError as error:
                self._wrong("BEANVAULT_MOUNT", str(error))
        for path in repeated(mounts):
            self._wrong("BEANVAULT_MOUNT", f"names the mount {path} twice")
        return tuple(mounts)

    def deletion_days(self) -> int | None:
        text = self._environ.get("BEANVAULT_DELETION", "").strip() or "retain"
        if text == "retain":
            return None
        days = text.removeprefix("schedule:")
        if text.startswith("schedule:") and days.isdecimal() and 7 <= int(days) <= 30:
            return int(days)
        self._wrong("BEANVAULT_DELETION", "is retain, or schedule:<days> with 7 to 30 days")
        return None

    def share(self) -> float:
        text = self._environ.get("BEANVAULT_MAX_DELETE_SHARE", "").strip()
        try:
            share = float(text) if text else DEFAULT_MAX_DELETE_SHARE
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self._wrong("BEANVAULT_MAX_DELETE_SHARE", "is a number from 0 to 1")
        return share

    def adopt(self, prefix: str) -> frozenset[str]:
        names = self.items("BEANVAULT_ADOPT")
        for name in names:
            if not name.startswith(f"{prefix}/") or not is_valid_name(name):
                self._wrong("BEANVAULT_ADOPT", f"{name!r} is not the name of a secret below {prefix}/")
        return frozenset(names)

    def replica_regions(self, home: str | None) -> tuple[ReplicaRegion, ...]:
        regions: dict[str, ReplicaRegion] = {}
        for item in self.items("BEANVAULT_REPLICA_REGIONS"):
            region, _, key = item.partition("=")
            if not _REGION.fullmatch(region):
                self._wrong("BEANVAULT_REPLICA_REGIONS", f"{item!r} is not a region, or region=KMS key")
            elif region == home:
                self._wrong("BEANVAULT_REPLICA_REGIONS", f"{region} is the region of the secrets themselves")
            elif region in regions:
                self._wrong("BEANVAULT_REPLICA_REGIONS", f"names {region} twice")
            regions[region] = ReplicaRegion(region, key or None)
        # One tag of each secret lists them, with a sign before those that are not confirmed yet.
        if len(" ".join(f"+{region}" for region in regions)) > MAX_TAG_VALUE:
            self._wrong(
                "BEANVAULT_REPLICA_REGIONS",
                f"names {len(regions)} regions, more than fit into the {MAX_TAG_VALUE} characters of a tag",
            )
        return tuple(regions[region] for region in sorted(regions))

    def topic_arn(self) -> str | None:
        arn = self._environ.get("BEANVAULT_TOPIC_ARN", "").strip()
        if arn and not _ARN.fullmatch(arn):
            self._wrong("BEANVAULT_TOPIC_ARN", "is not an ARN")
        return arn or None

    def switch(self, name: str) -> bool:
        text = self._environ.get(name, "").strip().lower()
        if text not in ("", "0", "1", "false", "true"):
            self._wrong(name, "is true or false")
        return text in ("1", "true")
