"""The replicated secrets, each beside what a run would do to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replicator.contract.summary import ChangeSummary, RunSummary
from replicator.contract.tags import ManagedTags, read_tags

from ..aws import Aws

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


@dataclass(frozen=True, slots=True)
class SecretStatus:
    """One secret, or one path that has no secret yet."""

    name: str
    source: str
    source_version: str
    """In Vault; empty where it is not known."""
    target_version: str
    """In Secrets Manager; empty where there is none."""
    changed: dt.datetime | None
    state: str
    """`current`, `not compared`, what a run would do, or what is wrong."""


def secret_statuses(
    aws: Aws, prefix: str, owner: str, summary: RunSummary | None
) -> tuple[SecretStatus, ...]:
    """Return a line for each managed secret, change, problem and skipped path, in the order of names.

    Args:
        summary: of a dry run; without it only the secrets are shown
    """
    secrets = {secret["Name"]: secret for secret in _secrets(aws, prefix)}
    tags = {name: read_tags(secret.get("Tags")) for name, secret in secrets.items()}
    managed = {name for name, each in tags.items() if each.owner == owner}
    problems: dict[str, str] = {}
    for each in summary.problems if summary else ():
        before = f"{problems[each.subject]}; " if each.subject in problems else ""
        problems[each.subject] = f"{before}{each.error}: {each.cause}"
    skipped = {each.source: each.reason for each in summary.skipped} if summary else {}
    changes = {change.name: change for change in summary.changes} if summary else {}
    found = [
        _status(
            name,
            secrets.get(name, {}),
            tags.get(name) if name in managed else None,
            changes.get(name),
            problems.get(name),
            skipped,
            compared=summary is not None,
        )
        for name in sorted(managed | changes.keys() | (problems.keys() & secrets.keys()))
    ]
    known = ({line.name for line in found} | {line.source for line in found}) - {""}
    others = sorted({**problems, **skipped}.items())
    found += [
        SecretStatus("", subject or "the run", "", "", None, state)
        for subject, state in others
        if subject not in known
    ]
    return tuple(found)


def _status(
    name: str,
    secret: Mapping[str, Any],
    tags: ManagedTags | None,
    change: ChangeSummary | None,
    problem: str | None,
    skipped: Mapping[str, str],
    *,
    compared: bool,
) -> SecretStatus:
    target_version = (tags.version if tags else None) or ""
    source = (change.source if change else None) or (tags.source if tags else None) or ""
    state = problem or (change.action if change else None) or skipped.get(source)
    unchanged_version = target_version if compared and not state else ""
    return SecretStatus(
        name=name,
        source=source,
        source_version=change.version if change else unchanged_version,
        target_version=target_version,
        changed=secret.get("LastChangedDate") if tags else None,
        state=state or ("current" if compared else "not compared"),
    )


def _secrets(aws: Aws, prefix: str) -> list[Mapping[str, Any]]:
    client: SecretsManagerClient = aws.client("secretsmanager")
    pages = client.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [f"{prefix}/"]}])
    return [
        secret for page in pages for secret in page["SecretList"] if secret["Name"].startswith(f"{prefix}/")
    ]
