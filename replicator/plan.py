"""The plan: pure, from the metadata of both sides to changes, values first, in the order of names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from . import replicas
from .changes import Adopt, Change, Conflict, Create, Delete, MoveStage, Remark, Restore, Retag, Skip, Update
from .config import Config
from .contract.mounts import Mount, mount_of
from .contract.tags import TAG_KMS_KEY, TAG_TAGS, TAG_VERSION, Tags
from .desired import DesiredState
from .errors import UnsafePlan
from .model import DesiredSecret, TargetSecret, Unreadable


@dataclass(frozen=True, slots=True)
class Ownership:
    """Which paths retain their secrets when another path claims the name.

    *complete* is whether both sides were listed in full: only then is it known that a path was deleted.
    *blocked* are the paths whose own desired state can't be reached, *unreadable* those that could not be
    read (with a final `/`: all below).
    """

    complete: bool
    blocked: frozenset[str] = frozenset()
    unreadable: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()

    def retains(self, source: str, *, adopting: bool) -> str | None:
        """Return why *source* retains its secret, or None where it has given the secret up."""
        if not self.complete:
            return "a run over everything will decide"
        if source in self.blocked:
            return "whose own desired state can't be reached"
        if self.is_unreadable(source):
            return "which can't be read"
        if mount_of(source, self.mounts) is None and not adopting:
            return "whose mount is no longer configured; name the secret in BEANVAULT_ADOPT if it moved here"
        return None

    def is_unreadable(self, source: str) -> bool:
        return any(
            source == each or (each.endswith("/") and source.startswith(each)) for each in self.unreadable
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is going to do.

    *unchanged* is a number; *owned* counts the secrets of each configured mount.
    """

    changes: tuple[Change, ...]
    remarks: tuple[Remark, ...]
    unreadable: tuple[Unreadable, ...]
    unchanged: int
    owned: Mapping[str, int]
    ownership: Ownership


def make_plan(
    state: DesiredState, current: Mapping[str, TargetSecret], config: Config, *, complete: bool
) -> Plan:
    """Return the plan that moves the *current* secrets towards the desired *state*.

    *complete* is whether both were listed in full: only then is it known that a path was deleted.
    """
    remarks: list[Remark] = list(state.remarks)
    desired = dict(state.secrets)
    for name, contenders in state.contenders.items():
        remarks += _resolve_contenders(name, contenders, current.get(name), config, desired)
    conflicts = [each for each in remarks if isinstance(each, Conflict)]
    ownership = Ownership(
        complete,
        frozenset((*state.refused, *(each.source for each in conflicts))),
        tuple(entry.source for entry in state.unreadable),
        config.mounts,
    )
    changes, conflicts, ownership = _decide_all(desired, current, config, ownership)
    remarks += conflicts
    unchanged = len(desired) - len(changes) - len(conflicts)
    if complete:
        for each in _without_path(desired, current, config, ownership):
            if isinstance(each, Delete):
                changes.append(each)
            else:
                remarks.append(each)
    live = (each for each in current.values() if _is_owned(each, config) and not each.pending_deletion)
    owned = Counter(path for each in live if (path := _mount_path(each, config)) is not None)
    return Plan(tuple(changes), tuple(remarks), tuple(state.unreadable), unchanged, owned, ownership)


def _decide_all(
    desired: Mapping[str, DesiredSecret],
    current: Mapping[str, TargetSecret],
    config: Config,
    ownership: Ownership,
) -> tuple[list[Change], list[Conflict], Ownership]:
    """Decide each name, again whenever a conflict shows that one more path retains its secret."""
    while True:
        changes: list[Change] = []
        conflicts: list[Conflict] = []
        for name in sorted(desired):
            decision = decide(desired[name], current.get(name), config, ownership)
            if isinstance(decision, Conflict):
                conflicts.append(decision)
            elif decision is not None:
                changes.append(decision)
        blocked = ownership.blocked.union(each.source for each in conflicts)
        if blocked == ownership.blocked:
            return sorted(changes, key=_urgency), conflicts, ownership
        ownership = replace(ownership, blocked=blocked)


def _urgency(change: Change) -> int:
    """Values go first. Regions that failed before go last, so that they take no time from others."""
    if not isinstance(change, Retag):
        return 0
    return 2 if replicas.tried_before(change.current) else 1


def check_safe(plan: Plan, config: Config) -> None:
    """Refuse a plan that deletes too much.

    An emptied or unreadable mount looks exactly like one whose paths were all deleted, and a small one would
    go unnoticed among many others: the share is that of all secrets, and of each mount's.

    Raises:
        UnsafePlan: the plan would delete more than the allowed share.
    """
    deleted = Counter(
        _mount_path(change.current, config) for change in plan.changes if isinstance(change, Delete)
    )
    shares = [("", deleted.total(), sum(plan.owned.values()), 0)]
    # A single secret of a mount, however small, can be deleted where the share of all secrets allows it.
    shares += [(f" of the mount {path}", deleted[path], owned, 1) for path, owned in plan.owned.items()]
    for where, deletions, owned, least in shares:
        if deletions > max(least, owned * config.max_delete_share):
            raise UnsafePlan(
                f"{deletions} of {owned} owned secrets{where} would be deleted, more than the share of "
                f"{config.max_delete_share:g} allowed by BEANVAULT_MAX_DELETE_SHARE; nothing was changed. "
                "Check that the mounts are readable and complete; raise the share if the deletions are "
                "intended"
            )


# Cases of `decide`, of which the first that fits counts. "Ours" is a secret that carries our owner tag and a
# source; its path is "another" one where the name moved from path to path.
#
# | case                | the secret that has the name now                                     | decision  |
# |---------------------|----------------------------------------------------------------------|-----------|
# | free                | none                                                                 | Create    |
# | foreign             | managed by an AWS service, or a replica                              | Conflict  |
# | unowned             | not ours, and not in BEANVAULT_ADOPT                                 | Conflict  |
# | source edited       | our owner tag, but the source tag was edited; not in BEANVAULT_ADOPT | Conflict  |
# | adopt pending       | in BEANVAULT_ADOPT, and scheduled for deletion                       | Conflict  |
# | adopt               | not ours, and in BEANVAULT_ADOPT                                     | Adopt     |
# | retained            | ours, of another path that retains it                                | Conflict  |
# | pending             | ours, scheduled for deletion                                         | Restore   |
# | up to date          | ours, the desired version is current, tags and regions are too       | None      |
# | tags differ         | ours, the desired version is current, tags or KMS key are not        | Retag     |
# | regions differ      | ours, the desired version is current, replica regions are not        | Retag     |
# | rolled back         | ours, the desired version has another stage                          | MoveStage |
# | edited              | ours, another version is current, but the tags name the desired one  | Update    |
# | new version         | ours, another version is current                                     | Update    |
# | taken over          | ours, of another path that has given it up                           | Update    |
def decide(
    desired: DesiredSecret, current: TargetSecret | None, config: Config, ownership: Ownership
) -> Change | Conflict | None:
    """Return what has to happen to one name, or None where it is up to date."""
    if current is None:
        return Create(desired)
    if not _is_owned(current, config):
        return _decide_unowned(desired, current, config)
    holder = current.source or ""
    same_path = holder == desired.source
    if not same_path and (why := ownership.retains(holder, adopting=current.name in config.adopt)):
        return Conflict(desired.name, desired.source, f"the name belongs to {holder}; {why}")
    if current.pending_deletion:
        return Restore(desired, current)
    if current.current_version == desired.version_id:
        tagged = not tags_to_set(desired, current) and not tags_to_remove(desired, current)
        return None if tagged and replicas.settled(current, config) else Retag(desired, current)
    if desired.version_id in current.staged:
        return MoveStage(desired, current)
    drifted = (TAG_VERSION, desired.revision.label) in current.tags and same_path
    return Update(desired, current, drifted)


def _decide_unowned(desired: DesiredSecret, current: TargetSecret, config: Config) -> Adopt | Conflict:
    if current.foreign is not None:
        reason = current.foreign
    elif current.name not in config.adopt:
        whose = f"belongs to {current.owner}" if current.owner else "was not created by the replicator"
        reason = f"the secret {whose}; name it in BEANVAULT_ADOPT to let it be overwritten"
    elif current.pending_deletion:
        reason = "the secret to adopt is scheduled for deletion; restore it first"
    else:
        return Adopt(desired, current)
    return Conflict(desired.name, desired.source, reason)


def confirm(
    change: Change, current: TargetSecret | None, config: Config, ownership: Ownership
) -> Change | Conflict | None:
    """Decide *change* again, on its secret's state a moment ago."""
    if not isinstance(change, Delete):
        return decide(change.desired, current, config, ownership)
    if current is None or current.pending_deletion:
        return None
    same = _is_owned(current, config) and current.source == change.current.source
    return replace(change, current=current) if same else None


def is_still_deleted(delete: Delete, state: DesiredState) -> bool:
    """Whether the path of *delete* is still deleted in *state*, which was read for this path alone.

    The path may have been written again since everything was listed.
    """
    names = {*state.secrets, *state.contenders}
    return not state.refused and names <= {delete.moved_to}


def tags_to_set(desired: DesiredSecret, current: TargetSecret) -> Tags:
    return tuple(pair for pair in desired.tags if pair not in current.tags)


def tags_to_remove(desired: DesiredSecret, current: TargetSecret) -> tuple[str, ...]:
    """Return the keys of tags that we once set and that are no longer desired."""
    desired_keys = {key for key, _ in desired.tags}
    # Not split(): a key may contain any white space but this.
    ours = (*(current.tag(TAG_TAGS) or "").split(" "), TAG_TAGS, TAG_KMS_KEY)
    present = {key for key, _ in current.tags}
    return tuple(key for key in ours if key in present and key not in desired_keys)


def _mount_path(secret: TargetSecret, config: Config) -> str | None:
    mount = mount_of(secret.source or "", config.mounts)
    return mount.path if mount else None


def _is_owned(secret: TargetSecret, config: Config) -> bool:
    return secret.foreign is None and secret.owner == config.owner and secret.source is not None


def _resolve_contenders(
    name: str,
    contenders: list[DesiredSecret],
    current: TargetSecret | None,
    config: Config,
    desired: dict[str, DesiredSecret],
) -> Iterator[Conflict]:
    """Leave the name to the path that has it, so that another can't stop its rotation; else to none."""
    holder = current.source if current is not None and _is_owned(current, config) else None
    sources = sorted(each.source for each in contenders)
    for contender in contenders:
        if contender.source == holder:
            desired[name] = contender
        else:
            others = ", ".join(source for source in sources if source != contender.source)
            yield Conflict(name, contender.source, f"the same name is claimed by {others}")


def _without_path(
    desired: Mapping[str, DesiredSecret],
    current: Mapping[str, TargetSecret],
    config: Config,
    ownership: Ownership,
) -> Iterator[Delete | Skip]:
    """Yield what happens to owned secrets whose path was deleted, or has another name now."""
    names = sorted(current.keys() - desired.keys())
    new_names = {each.source: name for name, each in desired.items()} if names else {}
    for name in names:
        secret = current[name]
        if not _is_owned(secret, config) or secret.pending_deletion:
            continue
        source = secret.source or ""
        if source in ownership.blocked or ownership.is_unreadable(source):
            continue
        if mount_of(source, ownership.mounts) is None:
            yield Skip(source, f"the secret {name} is kept: its mount is no longer configured")
        elif config.deletion_days is None:
            yield Skip(source, f"the secret {name} is an orphan, kept because BEANVAULT_DELETION is retain")
        else:
            yield Delete(secret, config.deletion_days, new_names.get(source))
