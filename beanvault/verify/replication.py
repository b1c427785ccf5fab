"""Compares the replicated secrets with Vault, by a dry run of the function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from replicator.model import TAG_OWNER, TAG_SOURCE
from replicator.names import decode

from ..errors import BeanvaultError
from ..replication.function import ReplicatorFunction
from .account.function import SecretMetadata
from .account.stacks import ResourceMissing
from .account.state import AccountState
from .model import Observation


def compare_with_vault(state: AccountState) -> Iterator[Observation]:
    """Yield for each secret below the prefix whether the function would change it."""
    deployment = state.deployment
    try:
        report = ReplicatorFunction(state.aws, deployment.function_name).dry_run()
    except BeanvaultError as error:
        raise ResourceMissing(f"the comparison failed: {error}") from error
    retained = deployment.replicator.deletion == "retain"
    yield from compared(report, state.function.secrets, deployment.name, retained=retained)


def compared(
    report: Mapping[str, Any], secrets: Sequence[SecretMetadata], owner: str, *, retained: bool
) -> Iterator[Observation]:
    """Yield what the *report* of a dry run says of each secret below the prefix.

    A secret of somebody else was compared with nothing, and is `BV.SM1`'s. Orphans are meant to stay where
    they are *retained*.

    Raises:
        ResourceMissing: the run itself failed
    """
    wrong = {change["name"]: _why(change) for change in report["changes"]}
    for problem in report["problems"]:
        if problem["what"] == "the run":
            raise ResourceMissing(f"the comparison didn't run: {problem['kind']}: {problem['cause']}")
        wrong[problem["what"]] = f"{problem['kind']}: {problem['cause']}"
    for what, evidence in sorted(wrong.items()):
        yield Observation(what, ok=False, evidence=evidence)
    skipped = {skip["source"]: skip["reason"] for skip in report["skipped"]}
    for secret in secrets:
        if secret.name in wrong or secret.tags.get(TAG_OWNER) != owner:
            continue
        held = secret.tags.get(TAG_SOURCE, "")
        source = decode(held)
        if reason := skipped.get(source) or skipped.get(held):
            yield Observation(
                secret.name, ok=False, evidence=f"not compared: {reason}", accepted_by_config=retained
            )
        elif not any(source == what or (what.endswith("/") and source.startswith(what)) for what in wrong):
            yield Observation(secret.name, ok=True, evidence="AWSCURRENT is Vault's current version")


def _why(change: Mapping[str, str]) -> str:
    because = f" ({change['why']})" if change["why"] else ""
    return f"it isn't what Vault holds; the next run would do: {change['action']}{because}"
