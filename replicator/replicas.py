"""Replica regions: AWS fills them asynchronously, and a tag lists them, because `ListSecrets` doesn't.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets_troubleshoot.html: where a
replication fails, what was replicated before stays until the region is removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .config import Config
from .contract.tags import TAG_REPLICAS
from .errors import TargetError
from .model import Replica, TargetSecret
from .target import Target


@dataclass(frozen=True, slots=True)
class ReplicaResult:
    """*failures* is a cause for each region that failed; *changed* is whether the tag changed."""

    failures: tuple[str, ...] = ()
    changed: bool = False


def settled(current: TargetSecret, config: Config) -> bool:
    """Whether all regions were in sync once, and none is to be removed."""
    return _listed(current) == _tag_value(config)


def tried_before(current: TargetSecret) -> bool:
    return "+" in _listed(current)


def converge(target: Target, current: TargetSecret, config: Config) -> ReplicaResult:
    """Add and remove replica regions, one by one: a region that AWS refuses doesn't stop the others."""
    desired = {each.region: each for each in config.replica_regions}
    before = {each.region: each for each in current.replicas}
    if settled(current, config) and all(_in_sync(before.get(region)) for region in desired):
        return ReplicaResult()
    after = before
    refused: dict[str, TargetError] = {}
    # Only regions that we once added are removed.
    added = {region.removeprefix("+") for region in _listed(current).split(" ")}
    for region in sorted((added & before.keys()) - desired.keys()):
        try:
            target.remove_replicas(current, (region,))
        except TargetError as error:
            refused[region] = error
    not_removed = tuple(refused)
    for region, each in desired.items():
        # A failed one isn't removed before it is tried again: it may hold an older version that is in use.
        if region not in before or before[region].status == "Failed":
            try:
                after = {shown.region: shown for shown in target.replicate(current, each)}
            except TargetError as error:
                refused[region] = error
    unconfirmed = [region for region in desired if not _in_sync(after.get(region))]
    value = _tag_value(config, unconfirmed, not_removed)
    if changed := value != _listed(current):
        target.tag(current, ((TAG_REPLICAS, value),) if value else (), () if value else (TAG_REPLICAS,))
    failures = [f"the replica in {region} could not be removed: {refused[region]}" for region in not_removed]
    for region in desired:
        states = [each[region] for each in (before, after) if region in each]
        causes = [each.message for each in states if each.status == "Failed"]
        causes += [str(refused[region])] if region in refused else []
        if causes and not _in_sync(after.get(region)):
            failures.append(f"replication to {region} failed: {'; '.join(dict.fromkeys(causes))}")
    return ReplicaResult(tuple(failures), changed)


def remove_all(target: Target, current: TargetSecret, config: Config) -> None:
    """Remove all regions, as a deletion requires; the tag is changed first, as the path may return."""
    if not current.replicas:
        return
    value = _tag_value(config, [each.region for each in config.replica_regions])
    if value and value != _listed(current):
        target.tag(current, ((TAG_REPLICAS, value),))
    target.remove_replicas(current, tuple(each.region for each in current.replicas))


def _in_sync(replica: Replica | None) -> bool:
    return replica is not None and replica.status == "InSync"


def _listed(current: TargetSecret) -> str:
    return current.tag(TAG_REPLICAS) or ""


def _tag_value(config: Config, unconfirmed: Iterable[str] = (), not_removed: Iterable[str] = ()) -> str:
    """Return the tag's value: the configured regions, `+` before unconfirmed ones, and those to remove."""
    unconfirmed = set(unconfirmed)
    regions = [each.region for each in config.replica_regions]
    return " ".join([*(f"+{each}" if each in unconfirmed else each for each in regions), *not_removed])
