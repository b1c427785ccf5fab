"""A source and a target in memory; they pass the contracts of the real ones, so tests may trust them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping

from replicator.config import ReplicaRegion
from replicator.errors import SourceChanged, TargetError, TargetMissing
from replicator.model import Absent, Entry, Replica, Revision, SecretValue, Tags, TargetSecret, Unreadable

FAILURE = "Secret name already exists there."


class MemorySource:
    """A mount of KV version 2 called `kv`, with a clock that ticks once a write."""

    mount = "kv"

    def __init__(self) -> None:
        self._ticks = itertools.count(1)
        self._values: dict[str, tuple[Revision, Mapping[str, object] | None]] = {}
        self.unreadable: dict[str, Unreadable] = {}
        self.fetched: list[str] = []

    def write(self, path: str, data: Mapping[str, object], **choices: str) -> Revision:
        source = f"kv/{path}"
        before = self._values.get(source)
        version = before[0].version + 1 if before else 1
        custom = {key.replace("_", "-"): value for key, value in choices.items()}
        if not choices and before:
            custom = dict(before[0].custom)
        revision = Revision(source, version, self._now(), tuple(sorted(custom.items())))
        self._values[source] = (revision, data)
        return revision

    def choose(self, path: str, **choices: str) -> None:
        revision, data = self._values[f"kv/{path}"]
        custom = tuple(sorted((key.replace("_", "-"), value) for key, value in choices.items()))
        self._values[f"kv/{path}"] = (dataclasses.replace(revision, custom=custom), data)

    def delete(self, path: str) -> None:
        """Delete the current version, as `vault kv delete` does."""
        self._values[f"kv/{path}"] = (self._values[f"kv/{path}"][0], None)

    def undelete(self, revision: Revision, **data: object) -> None:
        self._values[revision.source] = (revision, data)

    def remove(self, path: str) -> None:
        """Remove the path with all its metadata."""
        del self._values[f"kv/{path}"]

    def _now(self) -> str:
        return f"2026-01-01T00:00:00.{next(self._ticks):09d}Z"

    def list(self, sources: tuple[str, ...] | None = None) -> Iterator[Entry]:
        for source in sorted(self._values) if sources is None else sources:
            revision, data = self._values.get(source, (None, None))
            if source in self.unreadable:
                yield self.unreadable[source]
            elif revision is None:
                yield Absent(source, "there is no such path in Vault")
            elif data is None:
                yield Absent(source, f"its current version {revision.version} is deleted")
            else:
                yield revision
        if sources is None:
            yield from (each for source, each in self.unreadable.items() if source not in self._values)

    def fetch(self, revision: Revision) -> tuple[Revision, SecretValue]:
        self.fetched.append(revision.source)
        found, data = self._values.get(revision.source, (None, None))
        if found is None or data is None:
            raise SourceChanged(f"{revision.source} was deleted while the run was under way")
        return found, SecretValue(data)


@dataclasses.dataclass
class Held:
    """A secret as Secrets Manager keeps it."""

    arn: str
    values: dict[str, str]
    current: str | None
    previous: str | None = None
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    kms_key: str | None = None
    pending_deletion: bool = False
    replicas: dict[str, Replica] = dataclasses.field(default_factory=dict)

    @property
    def value(self) -> str | None:
        return self.values[self.current] if self.current else None

    def make_current(self, version_id: str) -> None:
        if self.current != version_id:
            self.current, self.previous = version_id, self.current


class MemoryTarget:
    """Secrets Manager, as far as the replicator can see it."""

    def __init__(self) -> None:
        self.secrets: dict[str, Held] = {}
        self.calls: list[str] = []
        self.failing_regions: set[str] = set()
        self.disabled_regions: set[str] = set()
        self.asynchronous = False
        """Whether replication ends only after the call that asks for it, as on AWS."""

    def _arn(self, name: str) -> str:
        return f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}-{len(self.secrets):06d}"

    def _find(self, operation: str, held: TargetSecret) -> Held:
        self.calls.append(operation)
        for secret in self.secrets.values():
            if secret.arn == held.arn:
                return secret
        raise TargetMissing(f"{operation} for {held.name}: it does not exist")

    def _live(self, operation: str, held: TargetSecret) -> Held:
        secret = self._find(operation, held)
        if secret.pending_deletion:
            raise TargetError(f"{operation} for {held.name}: refused (InvalidRequestException)")
        return secret

    def place(self, name: str, value: str, **tags: str) -> Held:
        """Make somebody else's secret."""
        version = f"{len(self.secrets):08d}-0000-0000-0000-000000000000"
        self.secrets[name] = Held(self._arn(name), {version: value}, version, tags=tags)
        return self.secrets[name]

    def _shown(self, name: str, secret: Held) -> TargetSecret:
        return TargetSecret(
            name=name,
            arn=secret.arn,
            current=secret.current,
            staged=(secret.previous,) if secret.previous else (),
            tags=tuple(secret.tags.items()),
            pending_deletion=secret.pending_deletion,
            replicas=tuple(secret.replicas.values()),
        )

    def list(self, prefix: str) -> dict[str, TargetSecret]:
        self.calls.append("ListSecrets")
        return {
            name: dataclasses.replace(self._shown(name, secret), replicas=())
            for name, secret in self.secrets.items()
            if name.startswith(f"{prefix}/")
        }

    def describe(self, name: str) -> TargetSecret | None:
        self.calls.append("DescribeSecret")
        for held_name, secret in self.secrets.items():
            if name in (held_name, secret.arn):
                return self._shown(held_name, secret)
        return None

    def create(self, name: str, value: str, version_id: str, kms_key: str | None, tags: Tags) -> str:
        self.calls.append("CreateSecret")
        if name in self.secrets:
            raise TargetError(f"CreateSecret for {name}: refused (ResourceExistsException)")
        self.secrets[name] = Held(
            self._arn(name), {version_id: value}, version_id, tags=dict(tags), kms_key=kms_key
        )
        return self.secrets[name].arn

    def put(self, held: TargetSecret, value: str, version_id: str) -> None:
        secret = self._live("PutSecretValue", held)
        if secret.values.setdefault(version_id, value) != value:
            raise TargetError(f"PutSecretValue for {held.name}: refused (ResourceExistsException)")
        secret.make_current(version_id)

    def move_stage(self, held: TargetSecret, version_id: str) -> None:
        secret = self._live("UpdateSecretVersionStage", held)
        if version_id not in secret.values:
            raise TargetError(
                f"UpdateSecretVersionStage for {held.name}: refused (InvalidParameterException)"
            )
        secret.make_current(version_id)

    def tag(self, held: TargetSecret, tags: Tags, remove: tuple[str, ...] = ()) -> None:
        if tags:
            self._live("TagResource", held).tags.update(tags)
        if remove:
            secret = self._live("UntagResource", held)
            for key in remove:
                secret.tags.pop(key, None)

    def rekey(self, held: TargetSecret, kms_key: str | None) -> None:
        self._live("UpdateSecret", held).kms_key = kms_key

    def restore(self, held: TargetSecret) -> None:
        self._find("RestoreSecret", held).pending_deletion = False

    def delete(self, held: TargetSecret, days: int) -> None:
        assert 7 <= days <= 30
        secret = self._find("DeleteSecret", held)
        if secret.replicas:
            raise TargetError(f"DeleteSecret for {held.name}: refused (InvalidParameterException)")
        secret.pending_deletion = True

    def replicate(self, held: TargetSecret, region: ReplicaRegion) -> tuple[Replica, ...]:
        secret = self._live("ReplicateSecretToRegions", held)
        if region.region in self.disabled_regions:
            raise TargetError(f"ReplicateSecretToRegions for {held.name} to {region.region}: refused")
        secret.replicas[region.region] = self._replica(region.region)
        begun = Replica(region.region, "InProgress")
        shown = {**secret.replicas, region.region: begun} if self.asynchronous else secret.replicas
        return tuple(shown.values())

    def _replica(self, region: str) -> Replica:
        failed = region in self.failing_regions
        return Replica(region, "Failed" if failed else "InSync", FAILURE if failed else "")

    def remove_replicas(self, held: TargetSecret, regions: tuple[str, ...]) -> None:
        secret = self._live("RemoveRegionsFromReplication", held)
        for region in regions:
            secret.replicas.pop(region, None)
