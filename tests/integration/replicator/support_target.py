"""What the operator sees in Secrets Manager: everything, values included, without asking the replicator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

CURRENT = "AWSCURRENT"
OWNER, SOURCE = "beanvault:owner", "beanvault:source"


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """One secret; *values* go by stage, *stages* by version id. One pending deletion shows no values."""

    arn: str
    pending: bool
    tags: dict[str, str]
    stages: dict[str, tuple[str, ...]]
    changed: datetime | None
    values: dict[str, str] = field(repr=False)

    @property
    def current(self) -> str | None:
        return next((version for version, stages in self.stages.items() if CURRENT in stages), None)

    @property
    def text(self) -> str | None:
        return self.values.get(CURRENT)

    def is_of(self, owner: str) -> bool:
        """Whether the secret carries both marks of a managed secret of *owner*."""
        return self.tags.get(OWNER) == owner and SOURCE in self.tags


def entries(aws: Any, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield the entry of `ListSecrets` for each secret below *prefix*."""
    parameters: dict[str, Any] = {
        "Filters": [{"Key": "name", "Values": [f"{prefix}/"]}],
        "IncludePlannedDeletion": True,
        "MaxResults": 100,
    }
    for page in aws.get_paginator("list_secrets").paginate(**parameters):
        yield from page["SecretList"]


def read_secrets(aws: Any, prefix: str, stages: tuple[str, ...] = (CURRENT,)) -> dict[str, StoredSecret]:
    """Return all secrets below *prefix*, by the name below it, with the values that carry *stages*."""
    return {
        entry["Name"].removeprefix(f"{prefix}/"): _stored_secret(aws, entry, stages)
        for entry in entries(aws, prefix)
    }


def _stored_secret(aws: Any, entry: dict[str, Any], shown_stages: tuple[str, ...]) -> StoredSecret:
    stages = {id_: tuple(sorted(each)) for id_, each in entry.get("SecretVersionsToStages", {}).items()}
    pending = "DeletedDate" in entry
    shown = () if pending else {stage for each in stages.values() for stage in each if stage in shown_stages}
    values = {}
    for stage in sorted(shown):
        answer = aws.get_secret_value(SecretId=entry["ARN"], VersionStage=stage)
        assert stage in stages[answer["VersionId"]]
        values[stage] = answer["SecretString"]
    tags = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", ())}
    return StoredSecret(entry["ARN"], pending, tags, stages, entry.get("LastChangedDate"), values)
