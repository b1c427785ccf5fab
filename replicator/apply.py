"""Applying a plan: several secrets at the same time, each value only in memory while it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import assert_never

from . import replicas
from .aws import WORKERS
from .changes import (
    Adopt,
    Applied,
    Change,
    Conflict,
    Create,
    Deferred,
    Delete,
    Failed,
    MoveStage,
    NoLongerNeeded,
    Outcome,
    Postponed,
    Restore,
    Retag,
    Update,
)
from .concurrency import concurrently
from .config import Config
from .contract.tags import TAG_KMS_KEY, TAG_OWNER, TAG_SOURCE
from .desired import PLAIN, resolve_desired, with_revision
from .errors import OutOfTime, TargetBusy, named
from .model import DesiredSecret, TargetSecret
from .plan import Ownership, confirm, is_still_deleted, tags_to_remove, tags_to_set
from .source import Source
from .target import Target
from .value import render


class Applier:
    """Makes changes; whatever is interrupted is completed by the next run.

    The order within one secret makes that possible: a secret to adopt is tagged as ours before anything else
    is done to it, value and identity are written in one call, and the tags that record how it was done come
    last.
    """

    def __init__(
        self,
        source: Source,
        target: Target,
        config: Config,
        ownership: Ownership,
        workers: int = WORKERS,
    ) -> None:
        self._source = source
        self._target = target
        self._config = config
        self._ownership = ownership
        self._workers = workers

    def recheck(self, changes: Iterable[Change]) -> Iterator[Change | NoLongerNeeded]:
        """Yield what `apply` would do with each change; nothing is changed."""
        return concurrently(self._confirmed, changes, self._workers)

    def apply(self, changes: Iterable[Change], has_time: Callable[[], bool]) -> Iterator[Outcome]:
        """Yield the outcome of each change as it is done; one that fails does not stop the others.

        Deletions come last, and a secret is not deleted while the write that moves its path to another name
        was not made.
        """
        changes = tuple(changes)
        unmoved: set[str] = set()

        def attempt(change: Change) -> Outcome:
            if not has_time():
                return Deferred(change)
            try:
                confirmed = self._confirmed(change)
                return confirmed if isinstance(confirmed, NoLongerNeeded) else self._make(confirmed)
            except OutOfTime:
                return Deferred(change)
            except TargetBusy as busy:
                return Postponed(change, f"left for the next run: {busy}")
            except Exception as failure:  # noqa: BLE001 - not even a bug about one secret stops the others
                return Failed(change, named(failure))

        writes = (change for change in changes if not isinstance(change, Delete))
        for outcome in concurrently(attempt, writes, self._workers):
            if not _reached(outcome):
                unmoved.add(outcome.change.source)
            yield outcome
        deletions = (
            change for change in changes if isinstance(change, Delete) and change.source not in unmoved
        )
        yield from concurrently(attempt, deletions, self._workers)

    def _confirmed(self, change: Change) -> Change | NoLongerNeeded:
        """Decide again on the secret's state now: the list that the plan was made from may lag by minutes.

        Before a deletion its path is read again as well.
        """
        current = self._target.describe(change.name)
        decision = confirm(change, current, self._config, self._ownership)
        if isinstance(decision, Delete) and not self._is_path_deleted(decision):
            decision = None
        if decision is None or isinstance(decision, Conflict):
            return NoLongerNeeded(change, decision)
        return decision

    def _is_path_deleted(self, delete: Delete) -> bool:
        state = resolve_desired(self._source.list((delete.source,)), self._config)
        for entry in state.unreadable:
            raise entry.error
        return is_still_deleted(delete, state)

    def _make(self, change: Change) -> Applied:
        match change:
            case Create():
                return self._create(change)
            case Update() | MoveStage() | Restore() | Adopt() | Retag():
                return self._converge(change, change.desired, change.current)
            case Delete(current=current, days=days):
                replicas.remove_all(self._target, current, self._config)
                self._target.delete(current, days)
                return Applied(change, current.arn, current.current_version or "")
            case _:
                assert_never(change)

    def _create(self, change: Create) -> Applied:
        desired, text = self._fetch(change.desired)
        arn = self._target.create(desired.name, text, desired.version_id, desired.kms_key, desired.tags)
        created = TargetSecret(desired.name, arn, desired.version_id, tags=desired.tags)
        replication = replicas.converge(self._target, created, self._config)
        return Applied(Create(desired), arn, desired.version_id, replication.failures)

    def _converge(
        self,
        change: Update | MoveStage | Restore | Adopt | Retag,
        desired: DesiredSecret,
        current: TargetSecret,
    ) -> Applied:
        text = None
        if desired.version_id not in (current.current_version, *current.staged):
            # Before anything is changed: a value that is refused must leave the secret as it was.
            desired, text = self._fetch(desired)
        if current.pending_deletion:
            self._target.restore(current)
        claims = tuple(pair for pair in tags_to_set(desired, current) if pair[0] in (TAG_OWNER, TAG_SOURCE))
        if claims:
            self._target.tag(current, claims)
        rekeyed = desired.kms_key != current.tag(TAG_KMS_KEY)
        if rekeyed:
            self._target.rekey(current, desired.kms_key)
        if text is not None:
            self._target.put(current, text, desired.version_id)
        elif current.current_version != desired.version_id:
            self._target.move_stage(current, desired.version_id)
        replication = replicas.converge(self._target, current, self._config)
        others = tuple(pair for pair in tags_to_set(desired, current) if pair not in claims)
        removed = tags_to_remove(desired, current)
        self._target.tag(current, others, removed)
        progress = claims or rekeyed or replication.changed or others or removed
        return Applied(
            replace(change, desired=desired),
            current.arn,
            desired.version_id,
            replication.failures,
            no_progress=isinstance(change, Retag) and not progress,
        )

    def _fetch(self, desired: DesiredSecret) -> tuple[DesiredSecret, str]:
        revision, value = self._source.fetch(desired.revision)
        return with_revision(desired, revision, self._config.owner), render(
            value, plain=desired.form == PLAIN
        )


def _reached(outcome: Outcome) -> bool:
    """Whether the secret has its desired state now."""
    return isinstance(outcome, Applied) or (isinstance(outcome, NoLongerNeeded) and outcome.conflict is None)
