"""Applying a plan: one secret at a time needs its value, several secrets are under way side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import assert_never

from . import replicas
from .aws import WORKERS
from .concurrency import concurrently
from .config import Config
from .desired import PLAIN, at, resolve_desired
from .errors import OutOfTime, named
from .model import (
    TAG_KMS_KEY,
    TAG_OWNER,
    TAG_SOURCE,
    Adopt,
    Applied,
    Change,
    Conflict,
    Create,
    Deferred,
    Delete,
    DesiredSecret,
    Failed,
    MoveStage,
    NoLongerNeeded,
    Outcome,
    Restore,
    Retag,
    TargetSecret,
    Update,
    name_of,
    source_of,
)
from .names import encode
from .plan import Ownership, confirm, still_gone, tags_to_remove, tags_to_set
from .source import Source
from .target import Target
from .value import render


class Applier:
    """Makes changes; whatever is interrupted is completed by the next run.

    The order within one secret is what makes that true: a foreign secret is tagged as ours before anything
    else is done to it, value and identity go together in one call, and the tags that say how it was done
    come last.
    """

    def __init__(self, source: Source, target: Target, config: Config, holders: Ownership) -> None:
        self._source = source
        self._target = target
        self._config = config
        self._holders = holders

    def recheck(self, changes: Iterable[Change]) -> Iterator[Change | NoLongerNeeded]:
        """Yield what `apply` would do with each change; nothing is changed."""
        return concurrently(self._confirmed, changes, WORKERS)

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
            except Exception as failure:  # noqa: BLE001 - not even a bug about one secret stops the others
                return Failed(change, named(failure))

        writes = (change for change in changes if not isinstance(change, Delete))
        for outcome in concurrently(attempt, writes, WORKERS):
            if not _made(outcome):
                unmoved.add(encode(source_of(outcome.change)))
            yield outcome
        deletions = (
            change for change in changes if isinstance(change, Delete) and change.held.source not in unmoved
        )
        yield from concurrently(attempt, deletions, WORKERS)

    def _confirmed(self, change: Change) -> Change | NoLongerNeeded:
        """Decide again on what the secret is now: the list that the plan was made from may lag by minutes.

        Before a deletion its path is looked at again as well.
        """
        now = self._target.describe(name_of(change))
        action = confirm(change, now, self._config, self._holders)
        if isinstance(action, Delete) and not self._gone(action):
            action = None
        if action is None or isinstance(action, Conflict):
            return NoLongerNeeded(change, action)
        return action

    def _gone(self, delete: Delete) -> bool:
        wishes = resolve_desired(self._source.list((source_of(delete),)), self._config)
        for entry in wishes.unreadable:
            raise entry.error
        return still_gone(delete, wishes)

    def _make(self, change: Change) -> Applied:
        match change:
            case Create():
                return self._create(change)
            case Update() | MoveStage() | Restore() | Adopt() | Retag():
                return self._converge(change, change.wanted, change.held)
            case Delete(held=held, days=days):
                replicas.remove_all(self._target, held, self._config)
                self._target.delete(held, days)
                return Applied(change, held.arn, held.current or "")
            case _:
                assert_never(change)

    def _create(self, change: Create) -> Applied:
        wanted, text = self._fetch(change.wanted)
        arn = self._target.create(wanted.name, text, wanted.version_id, wanted.kms_key, wanted.tags)
        held = TargetSecret(wanted.name, arn, wanted.version_id, tags=wanted.tags)
        replication = replicas.converge(self._target, held, self._config)
        return Applied(Create(wanted), arn, wanted.version_id, replication.remarks)

    def _converge(
        self, change: Update | MoveStage | Restore | Adopt | Retag, wanted: DesiredSecret, held: TargetSecret
    ) -> Applied:
        text = None
        if wanted.version_id not in (held.current, *held.staged):
            # Before anything is changed: a value that is refused must leave the secret as it was.
            wanted, text = self._fetch(wanted)
        if held.pending_deletion:
            self._target.restore(held)
        claims = tuple(pair for pair in tags_to_set(wanted, held) if pair[0] in (TAG_OWNER, TAG_SOURCE))
        if claims:
            self._target.tag(held, claims)
        rekeyed = wanted.kms_key != held.tag(TAG_KMS_KEY)
        if rekeyed:
            self._target.rekey(held, wanted.kms_key)
        if text is not None:
            self._target.put(held, text, wanted.version_id)
        elif held.current != wanted.version_id:
            self._target.move_stage(held, wanted.version_id)
        replication = replicas.converge(self._target, held, self._config)
        rest = tuple(pair for pair in tags_to_set(wanted, held) if pair not in claims)
        removed = tags_to_remove(wanted, held)
        self._target.tag(held, rest, removed)
        vain = isinstance(change, Retag) and not (claims or rekeyed or replication.news or rest or removed)
        return Applied(
            replace(change, wanted=wanted), held.arn, wanted.version_id, replication.remarks, no_progress=vain
        )

    def _fetch(self, wanted: DesiredSecret) -> tuple[DesiredSecret, str]:
        revision, value = self._source.fetch(wanted.revision)
        return at(wanted, revision, self._config.owner), render(value, plain=wanted.form == PLAIN)


def _made(outcome: Outcome) -> bool:
    """Whether the secret is as wanted now."""
    return isinstance(outcome, Applied) or (isinstance(outcome, NoLongerNeeded) and outcome.conflict is None)
