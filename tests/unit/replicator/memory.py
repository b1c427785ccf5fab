"""A source and a target in memory; they pass the contracts of the real ones, so tests can trust them."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Iterator, Mapping

from replicator.config import ReplicaRegion
from replicator.contract.tags import Tags, decode_tags, encode_tags
from replicator.errors import SourceChanged, TargetBusy, TargetError, TargetMissing
from replicator.model import Absent, Entry, Replica, Revision, SecretValue, TargetSecret, Unreadable

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
class StoredSecret:
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
    """Secrets Manager, as far as the replicator can see it.

    The replicator calls it from several threads, and a dict that grows can't be iterated over: use `_stored`.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._growing = threading.Lock()
        self.secrets: dict[str, StoredSecret] = {}
        self.calls: list[str] = []
        self.failing_regions: set[str] = set()
        self.disabled_regions: set[str] = set()
        self.busy: set[str] = set()
        """Names of secrets whose replica regions AWS is still removing."""
        self.asynchronous = False
        """Whether replication ends only after the call that asks for it, as on AWS."""

    def _arn(self, name: str) -> str:
        return f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}-{next(self._numbers):06d}"

    @property
    def _stored(self) -> list[tuple[str, StoredSecret]]:
        with self._growing:
            return list(self.secrets.items())

    def _find(self, operation: str, secret: TargetSecret) -> StoredSecret:
        self.calls.append(operation)
        for _, stored in self._stored:
            if stored.arn == secret.arn:
                return stored
        raise TargetMissing(f"{operation} for {secret.name}: it does not exist")

    def _live(self, operation: str, secret: TargetSecret) -> StoredSecret:
        stored = self._find(operation, secret)
        if stored.pending_deletion:
            raise TargetError(f"{operation} for {secret.name}: refused (InvalidRequestException)")
        return stored

    def place(self, name: str, value: str, **tags: str) -> StoredSecret:
        """Create a secret of another owner."""
        version = f"{len(self.secrets):08d}-0000-0000-0000-000000000000"
        self.secrets[name] = StoredSecret(self._arn(name), {version: value}, version, tags=tags)
        return self.secrets[name]

    def _shown(self, name: str, secret: StoredSecret) -> TargetSecret:
        return TargetSecret(
            name=name,
            arn=secret.arn,
            current_version=secret.current,
            staged=(secret.previous,) if secret.previous else (),
            tags=decode_tags(secret.tags.items()),
            pending_deletion=secret.pending_deletion,
            replicas=tuple(secret.replicas.values()),
        )

    def list(self, prefix: str) -> dict[str, TargetSecret]:
        self.calls.append("ListSecrets")
        return {
            name: dataclasses.replace(self._shown(name, secret), replicas=())
            for name, secret in self._stored
            if name.startswith(f"{prefix}/")
        }

    def describe(self, name: str) -> TargetSecret | None:
        self.calls.append("DescribeSecret")
        for stored_name, secret in self._stored:
            if name in (stored_name, secret.arn):
                return self._shown(stored_name, secret)
        return None

    def create(self, name: str, value: str, version_id: str, kms_key: str | None, tags: Tags) -> str:
        self.calls.append("CreateSecret")
        created = StoredSecret(
            self._arn(name), {version_id: value}, version_id, tags=dict(encode_tags(tags)), kms_key=kms_key
        )
        with self._growing:
            if self.secrets.setdefault(name, created) is not created:
                raise TargetError(f"CreateSecret for {name}: refused (ResourceExistsException)")
        return created.arn

    def put(self, secret: TargetSecret, value: str, version_id: str) -> None:
        stored = self._live("PutSecretValue", secret)
        if stored.values.setdefault(version_id, value) != value:
            raise TargetError(f"PutSecretValue for {secret.name}: refused (ResourceExistsException)")
        stored.make_current(version_id)

    def move_stage(self, secret: TargetSecret, version_id: str) -> None:
        stored = self._live("UpdateSecretVersionStage", secret)
        if version_id not in stored.values:
            raise TargetError(
                f"UpdateSecretVersionStage for {secret.name}: refused (InvalidParameterException)"
            )
        stored.make_current(version_id)

    def tag(self, secret: TargetSecret, tags: Tags, remove: tuple[str, ...] = ()) -> None:
        if tags:
            self._live("TagResource", secret).tags.update(encode_tags(tags))
        if remove:
            stored = self._live("UntagResource", secret)
            for key in remove:
                stored.tags.pop(key, None)

    def rekey(self, secret: TargetSecret, kms_key: str | None) -> None:
        self._live("UpdateSecret", secret).kms_key = kms_key

    def restore(self, secret: TargetSecret) -> None:
        self._find("RestoreSecret", secret).pending_deletion = False

    def delete(self, secret: TargetSecret, days: int) -> None:
        assert 7 <= days <= 30
        stored = self._find("DeleteSecret", secret)
        if secret.name in self.busy:
            raise TargetBusy(f"DeleteSecret for {secret.name}: refused; its replica regions remain")
        if stored.replicas:
            raise TargetError(f"DeleteSecret for {secret.name}: refused (InvalidParameterException)")
        stored.pending_deletion = True

    def replicate(self, secret: TargetSecret, region: ReplicaRegion) -> tuple[Replica, ...]:
        stored = self._live("ReplicateSecretToRegions", secret)
        if region.region in self.disabled_regions:
            raise TargetError(f"ReplicateSecretToRegions for {secret.name} to {region.region}: refused")
        stored.replicas[region.region] = self._replica(region.region)
        begun = Replica(region.region, "InProgress")
        shown = {**stored.replicas, region.region: begun} if self.asynchronous else stored.replicas
        return tuple(shown.values())

    def _replica(self, region: str) -> Replica:
        failed = region in self.failing_regions
        return Replica(region, "Failed" if failed else "InSync", FAILURE if failed else "")

    def remove_replicas(self, secret: TargetSecret, regions: tuple[str, ...]) -> None:
        stored = self._live("RemoveRegionsFromReplication", secret)
        for region in regions:
            stored.replicas.pop(region, None)
