"""Compares the replicated secrets with Vault, by a dry run of the function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replicator.contract.summary import ChangeSummary, ProblemKind, RunSummary
from replicator.contract.tags import TAG_SOURCE

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
        summary = ReplicatorFunction(state.aws, deployment.function_name).dry_run()
    except BeanvaultError as error:
        raise ResourceMissing(f"the comparison failed: {error}") from error
    retained = deployment.replicator.deletion == "retain"
    yield from compared(summary, state.function.secrets, deployment.name, retained=retained)


def compared(
    summary: RunSummary, secrets: Sequence[SecretMetadata], owner: str, *, retained: bool
) -> Iterator[Observation]:
    """Yield what a dry run found about each secret below the prefix.

    Secrets of other owners are not compared; `BV.SM1` checks those. Orphans are accepted where the deployment
    file has them *retained*.

    Raises:
        ResourceMissing: the run itself failed
    """
    wrong = {change.name: _why(change) for change in summary.changes}
    for problem in summary.problems:
        if problem.kind is ProblemKind.RUN:
            raise ResourceMissing(f"the comparison failed: {problem.error}: {problem.cause}")
        wrong[problem.subject] = f"{problem.error}: {problem.cause}"
    for subject, evidence in sorted(wrong.items()):
        yield Observation(subject, ok=False, evidence=evidence)
    skipped = {each.source: each.reason for each in summary.skipped}
    for secret in secrets:
        if secret.name in wrong or secret.tags.owner != owner:
            continue
        source = secret.tags.source
        if source is None:
            yield Observation(secret.name, ok=False, evidence=f"not compared: {TAG_SOURCE} was edited")
        elif reason := skipped.get(source):
            yield Observation(
                secret.name, ok=False, evidence=f"not compared: {reason}", accepted_by_config=retained
            )
        elif not any(_covers(subject, source) for subject in wrong):
            yield Observation(secret.name, ok=True, evidence="AWSCURRENT is Vault's current version")


def _covers(subject: str, source: str) -> bool:
    """Whether *subject* is *source*, or a folder above it."""
    return source == subject or (subject.endswith("/") and source.startswith(subject))


def _why(change: ChangeSummary) -> str:
    reason = f" ({change.reason})" if change.reason else ""
    return f"not Vault's current version; the next run would do: {change.action}{reason}"
