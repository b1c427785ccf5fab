"""The target: Secrets Manager, called within its quotas and without the right to read a value.

Tags are encoded and decoded here, and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from sys import intern
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .aws import call
from .config import ReplicaRegion
from .contract.tags import TAG_REPLICAS, Tags, decode_tags, encode_tags
from .errors import TargetBusy, TargetError, TargetMissing
from .model import Replica, TargetSecret

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CURRENT = "AWSCURRENT"
PAGE = 100
DEFAULT_KEY = "alias/aws/secretsmanager"
REMOVAL_PAUSES = (0.5, 1.0, 2.0)
"""Seconds between attempts to delete a secret whose replica regions were just removed."""

Answer = TypeVar("Answer")


class Target(Protocol):
    """Where secrets go; every method raises `TargetError`."""

    def list(self, prefix: str) -> dict[str, TargetSecret]:
        """Return the secrets below `<prefix>/`, including those scheduled for deletion; it may lag."""
        ...

    def describe(self, name: str) -> TargetSecret | None:
        """Return the secret that has a name now, or None where the name is free."""
        ...

    def create(self, name: str, value: str, version_id: str, kms_key: str | None, tags: Tags) -> str:
        """Create the secret with value, identity and tags in one call; return its ARN."""
        ...

    def put(self, secret: TargetSecret, value: str, version_id: str) -> None:
        """Write a version and make it `AWSCURRENT`; repeating it changes nothing."""
        ...

    def move_stage(self, secret: TargetSecret, version_id: str) -> None:
        """Make an existing version `AWSCURRENT` again."""
        ...

    def tag(self, secret: TargetSecret, tags: Tags, remove: tuple[str, ...] = ()) -> None:
        """Remove tags, then set tags: which to remove is known from a tag that is set here."""
        ...

    def rekey(self, secret: TargetSecret, kms_key: str | None) -> None:
        """Encrypt with another KMS key from now on; None is the AWS managed one."""
        ...

    def restore(self, secret: TargetSecret) -> None: ...

    def delete(self, secret: TargetSecret, days: int) -> None:
        """Schedule the deletion; raises `TargetBusy` while its replica regions are being removed."""
        ...

    def replicate(self, secret: TargetSecret, region: ReplicaRegion) -> tuple[Replica, ...]:
        """Add a replica region, or retry one that failed; return the state of all."""
        ...

    def remove_replicas(self, secret: TargetSecret, regions: tuple[str, ...]) -> None: ...


class SecretsManagerTarget:
    """Secrets Manager in one region.

    A secret is described by its name, and changed by the full ARN of the answer: a name could belong to
    another secret by now, and one that ends in a hyphen and six characters could be taken for part of an ARN.
    """

    def __init__(self, client: SecretsManagerClient, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._client = client

    def list(self, prefix: str) -> dict[str, TargetSecret]:
        secrets: dict[str, TargetSecret] = {}
        # Tag pairs recur from secret to secret; one tuple for all saves a third of the memory.
        shared: dict[tuple[str, str], tuple[str, str]] = {}
        for page in self._pages(f"{prefix}/"):
            for entry in page:
                secret = self._secret(entry, "SecretVersionsToStages", shared)
                # AWS's filter matches by the beginnings of words; the exact comparison is ours.
                if secret.name.startswith(f"{prefix}/"):
                    secrets[secret.name] = secret
        return secrets

    def _pages(self, prefix: str) -> Iterator[Any]:
        parameters: dict[str, Any] = {
            "MaxResults": PAGE,
            "IncludePlannedDeletion": True,
            "Filters": [{"Key": "name", "Values": [prefix]}],
        }
        while True:
            answer = self._call("ListSecrets", self._client.list_secrets, f"listing {prefix}", **parameters)
            yield answer["SecretList"]
            if not answer.get("NextToken"):
                return
            parameters["NextToken"] = answer["NextToken"]

    def describe(self, name: str) -> TargetSecret | None:
        try:
            answer = self._call("DescribeSecret", self._client.describe_secret, name, SecretId=name)
        except TargetMissing:
            return None
        return self._secret(answer, "VersionIdsToStages", {})

    def create(self, name: str, value: str, version_id: str, kms_key: str | None, tags: Tags) -> str:
        key = {"KmsKeyId": kms_key} if kms_key else {}
        answer = self._call(
            "CreateSecret",
            self._client.create_secret,
            name,
            Name=name,
            SecretString=value,
            ClientRequestToken=version_id,
            Tags=_tag_list(tags),
            **key,
        )
        return answer["ARN"]

    def put(self, secret: TargetSecret, value: str, version_id: str) -> None:
        answer = self._call(
            "PutSecretValue",
            self._client.put_secret_value,
            secret.name,
            SecretId=secret.arn,
            SecretString=value,
            ClientRequestToken=version_id,
        )
        # A version that exists already, even without any stage, is left where it is.
        if CURRENT not in answer.get("VersionStages", ()):
            self.move_stage(secret, version_id)

    def move_stage(self, secret: TargetSecret, version_id: str) -> None:
        origin = {"RemoveFromVersionId": secret.current_version} if secret.current_version else {}
        self._call_once(
            lambda now: now.current_version == version_id,
            "UpdateSecretVersionStage",
            self._client.update_secret_version_stage,
            secret,
            VersionStage=CURRENT,
            MoveToVersionId=version_id,
            **origin,
        )

    def tag(self, secret: TargetSecret, tags: Tags, remove: tuple[str, ...] = ()) -> None:
        if remove:
            self._call(
                "UntagResource",
                self._client.untag_resource,
                secret.name,
                SecretId=secret.arn,
                TagKeys=list(remove),
            )
        if tags:
            self._call(
                "TagResource",
                self._client.tag_resource,
                secret.name,
                SecretId=secret.arn,
                Tags=_tag_list(tags),
            )

    def rekey(self, secret: TargetSecret, kms_key: str | None) -> None:
        self._call(
            "UpdateSecret",
            self._client.update_secret,
            secret.name,
            SecretId=secret.arn,
            KmsKeyId=kms_key or DEFAULT_KEY,
        )

    def restore(self, secret: TargetSecret) -> None:
        self._call("RestoreSecret", self._client.restore_secret, secret.name, SecretId=secret.arn)

    def delete(self, secret: TargetSecret, days: int) -> None:
        """Delete a secret, whose replica regions were removed just before, or by a run that was killed.

        AWS documents no moment at which a region is gone, and until then it refuses the deletion:
        https://github.com/rebuy-de/aws-nuke/issues/1127

        Raises:
            TargetBusy: regions are still there after the last attempt.
        """
        had_replicas = bool(secret.replicas or secret.tag(TAG_REPLICAS))
        pauses = iter(REMOVAL_PAUSES if had_replicas else ())
        while True:
            try:
                return self._delete_once(secret, days)
            except TargetError as error:
                # A refusal because of the secret's state has no class of its own.
                if not had_replicas or type(error) is not TargetError:
                    raise
                if (pause := next(pauses, None)) is None:
                    raise TargetBusy(f"{error}; its replica regions are still being removed") from None
            self._sleep(pause)

    def _delete_once(self, secret: TargetSecret, days: int) -> None:
        self._call_once(
            lambda now: now.pending_deletion,
            "DeleteSecret",
            self._client.delete_secret,
            secret,
            RecoveryWindowInDays=days,
        )

    def replicate(self, secret: TargetSecret, region: ReplicaRegion) -> tuple[Replica, ...]:
        key = {"KmsKeyId": region.kms_key} if region.kms_key else {}
        answer = self._call(
            "ReplicateSecretToRegions",
            self._client.replicate_secret_to_regions,
            f"{secret.name} to {region.region}",
            SecretId=secret.arn,
            AddReplicaRegions=[{"Region": region.region, **key}],
        )
        return _replicas(answer)

    def remove_replicas(self, secret: TargetSecret, regions: tuple[str, ...]) -> None:
        self._call(
            "RemoveRegionsFromReplication",
            self._client.remove_regions_from_replication,
            secret.name,
            SecretId=secret.arn,
            RemoveReplicaRegions=list(regions),
        )

    def _call(self, operation: str, method: Callable[..., Answer], name: str, **parameters: Any) -> Answer:
        return call(method, f"{operation} for {name}", **parameters)

    def _call_once(
        self,
        done: Callable[[TargetSecret], bool],
        operation: str,
        method: Callable[..., Any],
        secret: TargetSecret,
        **parameters: Any,
    ) -> None:
        """Make a call that can't be repeated: one that is refused after a retry may have succeeded before."""
        try:
            self._call(operation, method, secret.name, SecretId=secret.arn, **parameters)
        except TargetError:
            now = self.describe(secret.arn)
            if now is None or not done(now):
                raise

    def _secret(
        self, entry: Mapping[str, Any], stages_key: str, shared: dict[tuple[str, str], tuple[str, str]]
    ) -> TargetSecret:
        current_version, staged = None, []
        for version, stages in entry.get(stages_key, {}).items():
            if CURRENT in stages:
                current_version = version
            elif stages:
                staged.append(version)
        pairs = decode_tags((intern(each["Key"]), each["Value"]) for each in entry.get("Tags", ()))
        return TargetSecret(
            name=entry["Name"],
            arn=entry["ARN"],
            current_version=current_version,
            staged=tuple(staged),
            tags=tuple(shared.setdefault(pair, pair) for pair in pairs),
            pending_deletion=entry.get("DeletedDate") is not None,
            foreign=_foreign(entry),
            replicas=_replicas(entry),
        )


def _foreign(entry: Mapping[str, Any]) -> str | None:
    if entry.get("OwningService"):
        return f"the secret is managed by {entry['OwningService']}"
    primary = entry.get("PrimaryRegion")
    # A primary names its own region here.
    if primary and entry["ARN"].split(":")[3] != primary:
        return f"the secret is a replica of one in {primary}"
    return None


def _replicas(entry: Mapping[str, Any]) -> tuple[Replica, ...]:
    return tuple(
        Replica(each["Region"], each.get("Status", "InProgress"), each.get("StatusMessage", ""))
        for each in entry.get("ReplicationStatus", ())
    )


def _tag_list(tags: Tags) -> list[Any]:
    return [{"Key": key, "Value": value} for key, value in encode_tags(tags)]
