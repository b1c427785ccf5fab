"""What is replicated and how far: the managed secrets beside what a run would do to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replicator.model import TAG_OWNER, TAG_SOURCE, TAG_VERSION
from replicator.names import decode

from ..aws import Aws

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


@dataclass(frozen=True, slots=True)
class SecretStatus:
    """One secret, or one path that isn't a secret yet."""

    name: str
    source: str
    source_version: str
    """In Vault; empty where it isn't known."""
    target_version: str
    """In Secrets Manager; empty where there is none."""
    changed: dt.datetime | None
    state: str
    """`current`, what a run would do, or what is wrong."""


def secret_statuses(
    aws: Aws, prefix: str, owner: str, report: Mapping[str, Any] | None
) -> tuple[SecretStatus, ...]:
    """Return a line for each managed secret and each path with something to say, in the order of names.

    Args:
        report: a dry run's, as `Report.as_json` returns it; without it only AWS's side is shown
    """
    held = {secret["Name"]: secret for secret in _secrets(aws, prefix)}
    managed = {name: secret for name, secret in held.items() if _tags(secret).get(TAG_OWNER) == owner}
    told = report or {"changes": (), "problems": (), "skipped": ()}
    changes = {change["name"]: change for change in told["changes"]}
    problems = {each["what"]: f"{each['kind']}: {each['cause']}" for each in told["problems"]}
    skipped = {each["source"]: each["reason"] for each in told["skipped"]}
    found: list[SecretStatus] = []
    for name in sorted(managed.keys() | changes.keys() | (problems.keys() & held.keys())):
        secret = managed.get(name, {})
        tags = _tags(secret)
        change = changes.get(name, {})
        source = change.get("source") or decode(tags.get(TAG_SOURCE, ""))
        state = problems.get(name) or change.get("action") or skipped.get(source) or ""
        version = tags.get(TAG_VERSION, "")
        found.append(
            SecretStatus(
                name=name,
                source=source,
                source_version=change["version"] if change else (version if report and not state else ""),
                target_version=version,
                changed=secret.get("LastChangedDate"),
                state=state or ("current" if report else "not compared"),
            )
        )
    known = {line.name for line in found} | {line.source for line in found}
    rest = {**problems, **skipped}
    found += [
        SecretStatus("", what, "", "", None, why) for what, why in sorted(rest.items()) if what not in known
    ]
    return tuple(found)


def _secrets(aws: Aws, prefix: str) -> list[Mapping[str, Any]]:
    client: SecretsManagerClient = aws.client("secretsmanager")
    pages = client.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [f"{prefix}/"]}])
    return [
        secret for page in pages for secret in page["SecretList"] if secret["Name"].startswith(f"{prefix}/")
    ]


def _tags(secret: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in secret.get("Tags") or ()}
