"""The plan: pure, from metadata of both sides to actions, values first, in the order of names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from . import replicas
from .config import Config
from .desired import DesiredState
from .errors import UnsafePlan
from .model import (
    TAG_KMS_KEY,
    TAG_TAGS,
    TAG_VERSION,
    Adopt,
    Change,
    Conflict,
    Create,
    Delete,
    DesiredSecret,
    MoveStage,
    Remark,
    Restore,
    Retag,
    Skip,
    Tags,
    TargetSecret,
    Unreadable,
    Update,
)
from .names import decode, encode, is_encoded


@dataclass(frozen=True, slots=True)
class Ownership:
    """Which paths keep the secrets that they hold, whoever else wants the name; all are encoded as names are.

    *complete* says that both sides were gathered whole: only then is anything known to be given up. *kept*
    are the paths whose wish can't be met, *mounts* are those that are configured.
    """

    complete: bool
    kept: frozenset[str] = frozenset()
    unreadable: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()

    def keep(self, source: str, *, adopting: bool) -> str | None:
        """Return why the secret of *source* is left to it, or None where it has given it up."""
        if not self.complete:
            return "a run over everything settles it"
        if source in self.kept:
            return "whose own wish can't be met"
        if self.unread(source):
            return "which can't be read"
        if not source.startswith(self.mounts) and not adopting:
            return (
                "whose mount is not configured any more; name the secret in BEANVAULT_ADOPT if it moved here"
            )
        return None

    def unread(self, source: str) -> bool:
        return any(
            source == each or (each.endswith("/") and source.startswith(each)) for each in self.unreadable
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is going to do.

    *unchanged* secrets are counted, not kept; *owned* counts those of each configured mount.
    """

    changes: tuple[Change, ...]
    remarks: tuple[Remark, ...]
    unreadable: tuple[Unreadable, ...]
    unchanged: int
    owned: Mapping[str, int]
    holders: Ownership


def make_plan(
    wishes: DesiredState, held: Mapping[str, TargetSecret], config: Config, *, complete: bool
) -> Plan:
    """Return the plan that moves the secrets *held* towards *wishes*.

    *complete* says that both were gathered whole: only then is anything known to be gone.
    """
    remarks: list[Remark] = list(wishes.remarks)
    wanted = dict(wishes.wanted)
    for name, rivals in wishes.rivals.items():
        remarks += _settle_rivals(name, rivals, held.get(name), config, wanted)
    conflicts = [each for each in remarks if isinstance(each, Conflict)]
    holders = Ownership(
        complete,
        frozenset(map(encode, (*wishes.refused, *(each.source for each in conflicts)))),
        tuple(encode(entry.source) for entry in wishes.unreadable),
        tuple(encode(mount.path) + "/" for mount in config.mounts),
    )
    changes, conflicts, holders = _decide_all(wanted, held, config, holders)
    remarks += conflicts
    unchanged = len(wanted) - len(changes) - len(conflicts)
    if complete:
        for gone in _gone(wanted, held, config, holders):
            if isinstance(gone, Delete):
                changes.append(gone)
            else:
                remarks.append(gone)
    live = (each for each in held.values() if _owned(each, config) and not each.pending_deletion)
    owned = Counter(mount for each in live if (mount := _mount_of(each, config)) is not None)
    return Plan(tuple(changes), tuple(remarks), tuple(wishes.unreadable), unchanged, owned, holders)


def _decide_all(
    wanted: Mapping[str, DesiredSecret], held: Mapping[str, TargetSecret], config: Config, holders: Ownership
) -> tuple[list[Change], list[Conflict], Ownership]:
    """Decide each name; a path whose wish turns out to be a conflict keeps what it holds."""
    while True:
        changes: list[Change] = []
        conflicts: list[Conflict] = []
        for name in sorted(wanted):
            action = decide(wanted[name], held.get(name), config, holders)
            if isinstance(action, Conflict):
                conflicts.append(action)
            elif action is not None:
                changes.append(action)
        kept = holders.kept.union(encode(each.source) for each in conflicts)
        if kept == holders.kept:
            return sorted(changes, key=_urgency), conflicts, holders
        holders = replace(holders, kept=kept)


def _urgency(change: Change) -> int:
    """Values go first, and regions that failed before go last: if time ends, it was not theirs."""
    if not isinstance(change, Retag):
        return 0
    return 2 if replicas.tried_before(change.held) else 1


def check_safe(plan: Plan, config: Config) -> None:
    """Raise `UnsafePlan` where the plan would delete more than the allowed share of all secrets or a mount's.

    An emptied or unreadable mount looks exactly like one whose secrets are all gone, and among many others
    it would not be noticed.
    """
    gone = Counter(_mount_of(change.held, config) for change in plan.changes if isinstance(change, Delete))
    shares = [("", gone.total(), sum(plan.owned.values()), 0)]
    # A single secret of a mount, however small, may go where the whole allows it.
    shares += [(f" of the mount {mount}", gone[mount], owned, 1) for mount, owned in plan.owned.items()]
    for where, deletions, owned, least in shares:
        if deletions > max(least, owned * config.max_delete_share):
            raise UnsafePlan(
                f"{deletions} of {owned} owned secrets{where} would be deleted, more than the share of "
                f"{config.max_delete_share:g} allowed by BEANVAULT_MAX_DELETE_SHARE; nothing was changed. "
                "Look whether the mounts are readable and whole; raise the share if the deletions are meant"
            )


def decide(
    wanted: DesiredSecret, held: TargetSecret | None, config: Config, holders: Ownership
) -> Change | Conflict | None:
    """Return what has to happen to one name, or None where all is as wanted."""
    if held is None:
        return Create(wanted)
    if not _owned(held, config):
        return _decide_foreign(wanted, held, config)
    holder = held.source or ""
    adopting = held.name in config.adopt
    if holder != encode(wanted.source) and (why := holders.keep(holder, adopting=adopting)):
        return Conflict(wanted.name, wanted.source, f"the name is held by {holder}; {why}")
    if held.pending_deletion:
        return Restore(wanted, held)
    if held.current == wanted.version_id:
        as_wanted = not tags_to_set(wanted, held) and not tags_to_remove(wanted, held)
        return None if as_wanted and replicas.settled(held, config) else Retag(wanted, held)
    if wanted.version_id in held.staged:
        return MoveStage(wanted, held)
    drifted = (TAG_VERSION, wanted.revision.label) in held.tags and held.source == encode(wanted.source)
    return Update(wanted, held, drifted)


def confirm(
    change: Change, held: TargetSecret | None, config: Config, holders: Ownership
) -> Change | Conflict | None:
    """Decide *change* again in the light of what its secret is now."""
    if not isinstance(change, Delete):
        return decide(change.wanted, held, config, holders)
    gone = held is None or held.pending_deletion
    same = held is not None and _owned(held, config) and held.source == change.held.source
    return replace(change, held=held) if held is not None and same and not gone else None


def still_gone(delete: Delete, wishes: DesiredState) -> bool:
    """Whether the path of *delete* is gone by *wishes*, which are those of this path alone, a moment ago.

    It may have been written anew since everything was listed.
    """
    names = {*wishes.wanted, *wishes.rivals}
    return not wishes.refused and names <= {delete.moved}


def tags_to_set(wanted: DesiredSecret, held: TargetSecret) -> Tags:
    return tuple(pair for pair in wanted.tags if pair not in held.tags)


def tags_to_remove(wanted: DesiredSecret, held: TargetSecret) -> tuple[str, ...]:
    """Return the keys of tags that we once set and that nobody wants any more."""
    wanted_keys = {key for key, _ in wanted.tags}
    # Not split(): a key may have any white space in it but this.
    ours = (*(held.tag(TAG_TAGS) or "").split(" "), TAG_TAGS, TAG_KMS_KEY)
    present = {key for key, _ in held.tags}
    return tuple(key for key in ours if key in present and key not in wanted_keys)


def _mount_of(held: TargetSecret, config: Config) -> str | None:
    source = held.source or ""
    fitting = (each.path for each in config.mounts if source.startswith(encode(each.path) + "/"))
    return max(fitting, key=len, default=None)


def _owned(held: TargetSecret, config: Config) -> bool:
    ours = held.foreign is None and held.owner == config.owner
    return ours and held.source is not None and is_encoded(held.source)


def _decide_foreign(wanted: DesiredSecret, held: TargetSecret, config: Config) -> Adopt | Conflict:
    if held.foreign is not None:
        reason = held.foreign
    elif held.name not in config.adopt:
        whose = f"belongs to {held.owner}" if held.owner else "was not made by the replicator"
        reason = f"the secret {whose}; name it in BEANVAULT_ADOPT if it is to be overwritten"
    elif held.pending_deletion:
        reason = "the secret to adopt is scheduled for deletion; restore it first"
    else:
        return Adopt(wanted, held)
    return Conflict(wanted.name, wanted.source, reason)


def _settle_rivals(
    name: str,
    rivals: list[DesiredSecret],
    held: TargetSecret | None,
    config: Config,
    wanted: dict[str, DesiredSecret],
) -> Iterator[Conflict]:
    """Who holds the name already keeps it, so that a newcomer can't stop a rotation; else nobody gets it."""
    holder = held.source if held is not None and _owned(held, config) else None
    sources = sorted(rival.source for rival in rivals)
    for rival in rivals:
        if encode(rival.source) == holder:
            wanted[name] = rival
        else:
            others = ", ".join(source for source in sources if source != rival.source)
            yield Conflict(name, rival.source, f"the same name is wanted by {others}")


def _gone(
    wanted: Mapping[str, DesiredSecret], held: Mapping[str, TargetSecret], config: Config, holders: Ownership
) -> Iterator[Delete | Skip]:
    """Yield what happens to owned secrets whose path is gone, or has another name now."""
    gone = sorted(held.keys() - wanted.keys())
    names = {each.source: name for name, each in wanted.items()} if gone else {}
    for name in gone:
        secret = held[name]
        if not _owned(secret, config) or secret.pending_deletion:
            continue
        source = secret.source or ""
        if source in holders.kept or holders.unread(source):
            continue
        if not source.startswith(holders.mounts):
            yield Skip(source, f"the secret {name} is kept: its mount is not configured any more")
        elif config.deletion_days is None:
            yield Skip(source, f"the secret {name} is an orphan, kept because BEANVAULT_DELETION is retain")
        else:
            yield Delete(secret, config.deletion_days, names.get(decode(source)))
