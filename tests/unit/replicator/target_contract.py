"""What every target has to do; the one in memory and the real one are held to the same."""

from __future__ import annotations

import uuid

import pytest

from replicator.config import ReplicaRegion
from replicator.errors import TargetError, TargetMissing
from replicator.model import TargetSecret
from replicator.target import Target

ONE, TWO = (str(uuid.UUID(int=number)) for number in (1, 2))
TAGS = (("beanvault:owner", "shop"), ("beanvault:source", "kv/app"))


class TargetContract:
    """Subclasses have fixtures `target`, empty, and `prefix`."""

    @pytest.fixture
    def held(self, target: Target, prefix: str) -> TargetSecret:
        return self.made(target, prefix)

    def made(self, target: Target, prefix: str) -> TargetSecret:
        target.create(f"{prefix}/app", "canary-one", ONE, None, TAGS)
        return self.now(target, prefix)

    def now(self, target: Target, prefix: str) -> TargetSecret:
        held = target.describe(f"{prefix}/app")
        assert held is not None
        return held

    def test_a_free_name_is_shown_as_none(self, target: Target, prefix: str) -> None:
        assert target.describe(f"{prefix}/nobody") is None
        assert target.list(prefix) == {}

    def test_what_was_created_is_shown_with_its_identity_and_tags(self, target: Target, prefix: str) -> None:
        arn = target.create(f"{prefix}/app", "canary-one", ONE, None, TAGS)
        for held in (self.now(target, prefix), target.list(prefix)[f"{prefix}/app"]):
            assert (held.arn, held.current, held.staged) == (arn, ONE, ())
            assert set(TAGS) <= set(held.tags)
            assert (held.owner, held.source) == ("shop", "kv/app")
            assert not held.pending_deletion
            assert held.foreign is None

    def test_a_secret_can_be_described_by_its_arn(self, target: Target, held: TargetSecret) -> None:
        assert target.describe(held.arn) == held

    def test_a_name_that_is_taken_is_not_overwritten(
        self, target: Target, held: TargetSecret, prefix: str
    ) -> None:
        with pytest.raises(TargetError):
            target.create(held.name, "canary-two", TWO, None, TAGS)
        assert self.now(target, prefix).current == ONE

    def test_the_list_knows_only_what_lies_below_the_prefix(self, target: Target, prefix: str) -> None:
        target.create(f"{prefix}/app", "canary", ONE, None, TAGS)
        target.create(f"{prefix}-other/app", "canary", ONE, None, TAGS)
        assert list(target.list(prefix)) == [f"{prefix}/app"]

    def test_a_put_makes_the_new_version_current_and_keeps_the_old_one_staged(
        self, target: Target, held: TargetSecret, prefix: str
    ) -> None:
        target.put(held, "canary-two", TWO)
        now = self.now(target, prefix)
        assert (now.current, now.staged) == (TWO, (ONE,))

    def test_a_put_can_be_repeated(self, target: Target, held: TargetSecret, prefix: str) -> None:
        target.put(held, "canary-two", TWO)
        target.put(self.now(target, prefix), "canary-two", TWO)
        now = self.now(target, prefix)
        assert (now.current, now.staged) == (TWO, (ONE,))

    def test_a_put_of_an_older_version_makes_it_current_again(
        self, target: Target, held: TargetSecret, prefix: str
    ) -> None:
        target.put(held, "canary-two", TWO)
        target.put(self.now(target, prefix), "canary-one", ONE)
        assert self.now(target, prefix).current == ONE

    def test_the_stage_moves_back(self, target: Target, held: TargetSecret, prefix: str) -> None:
        target.put(held, "canary-two", TWO)
        target.move_stage(self.now(target, prefix), ONE)
        now = self.now(target, prefix)
        assert (now.current, now.staged) == (ONE, (TWO,))

    def test_moving_the_stage_where_it_is_already_is_no_failure(
        self, target: Target, held: TargetSecret, prefix: str
    ) -> None:
        target.put(held, "canary-two", TWO)
        before = self.now(target, prefix)
        target.move_stage(before, ONE)
        target.move_stage(before, ONE)
        assert self.now(target, prefix).current == ONE

    def test_tags_are_added_and_taken_away_and_others_stay(
        self, target: Target, held: TargetSecret, prefix: str
    ) -> None:
        target.tag(held, (("team", "blue"), ("cost", "1")))
        target.tag(held, (("team", "red"),), remove=("cost",))
        assert dict(self.now(target, prefix).tags) == {**dict(TAGS), "team": "red"}

    def test_a_deleted_secret_is_listed_as_pending_and_comes_back_with_its_arn(
        self, target: Target, held: TargetSecret, prefix: str
    ) -> None:
        target.delete(held, 7)
        assert self.now(target, prefix).pending_deletion
        assert target.list(prefix)[held.name].pending_deletion
        with pytest.raises(TargetError):
            target.put(held, "canary-two", TWO)
        target.restore(held)
        now = self.now(target, prefix)
        assert (now.arn, now.current, now.pending_deletion) == (held.arn, ONE, False)

    def test_replicas_are_added_shown_and_removed(
        self, target: Target, held: TargetSecret, prefix: str
    ) -> None:
        target.replicate(held, ReplicaRegion("eu-west-1"))
        shown = target.replicate(held, ReplicaRegion("us-east-1"))
        assert {each.region: each.status for each in shown} == {"eu-west-1": "InSync", "us-east-1": "InSync"}
        target.remove_replicas(held, ("eu-west-1",))
        assert [each.region for each in self.now(target, prefix).replicas] == ["us-east-1"]

    def test_a_secret_with_replicas_is_not_deleted(
        self, target: Target, held: TargetSecret, prefix: str
    ) -> None:
        target.replicate(held, ReplicaRegion("eu-west-1"))
        with pytest.raises(TargetError):
            target.delete(held, 7)
        assert not self.now(target, prefix).pending_deletion

    def test_what_is_gone_is_named_in_the_error(self, target: Target, prefix: str) -> None:
        ghost = TargetSecret(
            f"{prefix}/ghost",
            f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{prefix}/ghost-AbCdEf",
            ONE,
        )
        with pytest.raises(TargetMissing, match=f"{prefix}/ghost"):
            target.put(ghost, "canary", ONE)
