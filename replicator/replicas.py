"""Replica regions: AWS fills them in its own time, and a tag notes them, because `ListSecrets` doesn't.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets_troubleshoot.html: where a
replication fails, what was replicated before stays until the region is removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .config import Config
from .errors import TargetError
from .model import TAG_REPLICAS, Replica, TargetSecret
from .target import Target


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """What became of the regions: a remark for each that failed, and whether the note changed."""

    remarks: tuple[str, ...] = ()
    news: bool = False


def settled(held: TargetSecret, config: Config) -> bool:
    """Whether all regions were seen in sync once, and none is to be removed."""
    return _noted(held) == _note(config)


def tried_before(held: TargetSecret) -> bool:
    return "+" in _noted(held)


def converge(target: Target, held: TargetSecret, config: Config) -> ReplicaState:
    """Bring the replica regions in line, one by one: a region that AWS refuses doesn't stop the others."""
    wanted = {each.region: each for each in config.replica_regions}
    before = {each.region: each for each in held.replicas}
    if settled(held, config) and all(_in_sync(before.get(region)) for region in wanted):
        return ReplicaState()
    after = before
    refused: dict[str, TargetError] = {}
    # Only regions that we once added are taken away.
    noted = {region.removeprefix("+") for region in _noted(held).split(" ")}
    for region in sorted((noted & before.keys()) - wanted.keys()):
        try:
            target.remove_replicas(held, (region,))
        except TargetError as error:
            refused[region] = error
    kept = tuple(refused)
    for region, each in wanted.items():
        # A failed one isn't removed before it is tried again: it may hold an older version that is in use.
        if region not in before or before[region].status == "Failed":
            try:
                after = {shown.region: shown for shown in target.replicate(held, each)}
            except TargetError as error:
                refused[region] = error
    note = _note(config, [region for region in wanted if not _in_sync(after.get(region))], kept)
    if news := note != _noted(held):
        target.tag(held, ((TAG_REPLICAS, note),) if note else (), () if note else (TAG_REPLICAS,))
    remarks = [f"the replica in {region} could not be removed: {refused[region]}" for region in kept]
    for region in wanted:
        shown = [each[region] for each in (before, after) if region in each]
        causes = [each.message for each in shown if each.status == "Failed"]
        causes += [str(refused[region])] if region in refused else []
        if causes and not _in_sync(after.get(region)):
            remarks.append(f"replication to {region} failed: {'; '.join(dict.fromkeys(causes))}")
    return ReplicaState(tuple(remarks), news)


def remove_all(target: Target, held: TargetSecret, config: Config) -> None:
    """Remove all regions, as a deletion demands; the note is taken back first, as the path may return."""
    if not held.replicas:
        return
    note = _note(config, [each.region for each in config.replica_regions])
    if note and note != _noted(held):
        target.tag(held, ((TAG_REPLICAS, note),))
    target.remove_replicas(held, tuple(each.region for each in held.replicas))


def _in_sync(replica: Replica | None) -> bool:
    return replica is not None and replica.status == "InSync"


def _noted(held: TargetSecret) -> str:
    return held.tag(TAG_REPLICAS) or ""


def _note(config: Config, unconfirmed: Iterable[str] = (), kept: Iterable[str] = ()) -> str:
    """Return the tag's value: the regions asked for, `+` before the unconfirmed, and those still to go."""
    unconfirmed = set(unconfirmed)
    regions = [each.region for each in config.replica_regions]
    return " ".join([*(f"+{each}" if each in unconfirmed else each for each in regions), *kept])
