"""What every target has to do; the one in memory and the real one pass the same tests."""

from __future__ import annotations

import uuid

import pytest

from replicator.config import ReplicaRegion
from replicator.errors import TargetError, TargetMissing
from replicator.model import TargetSecret
from replicator.target import Target

ONE, TWO = (str(uuid.UUID(int=number)) for number in (1, 2))
TAGS = (("beanvault:owner", "shop"), ("beanvault:source", "kv/my app"))


class TargetContract:
    """Subclasses have fixtures `target`, empty, and `prefix`."""

    @pytest.fixture
    def secret(self, target: Target, prefix: str) -> TargetSecret:
        return self.made(target, prefix)

    def made(self, target: Target, prefix: str) -> TargetSecret:
        target.create(f"{prefix}/app", "canary-one", ONE, None, TAGS)
        return self.now(target, prefix)

    def now(self, target: Target, prefix: str) -> TargetSecret:
        secret = target.describe(f"{prefix}/app")
        assert secret is not None
        return secret

    def test_a_free_name_has_no_secret(self, target: Target, prefix: str) -> None:
        assert target.describe(f"{prefix}/missing") is None
        assert target.list(prefix) == {}

    def test_a_created_secret_has_its_identity_and_plain_tags(self, target: Target, prefix: str) -> None:
        arn = target.create(f"{prefix}/app", "canary-one", ONE, None, TAGS)
        for secret in (self.now(target, prefix), target.list(prefix)[f"{prefix}/app"]):
            assert (secret.arn, secret.current_version, secret.staged) == (arn, ONE, ())
            assert set(TAGS) <= set(secret.tags)
            assert (secret.owner, secret.source) == ("shop", "kv/my app")
            assert not secret.pending_deletion
            assert secret.foreign is None

    def test_a_secret_can_be_described_by_its_arn(self, target: Target, secret: TargetSecret) -> None:
        assert target.describe(secret.arn) == secret

    def test_a_name_that_is_taken_is_not_overwritten(
        self, target: Target, secret: TargetSecret, prefix: str
    ) -> None:
        with pytest.raises(TargetError):
            target.create(secret.name, "canary-two", TWO, None, TAGS)
        assert self.now(target, prefix).current_version == ONE

    def test_only_secrets_below_the_prefix_are_listed(self, target: Target, prefix: str) -> None:
        target.create(f"{prefix}/app", "canary", ONE, None, TAGS)
        target.create(f"{prefix}-other/app", "canary", ONE, None, TAGS)
        assert list(target.list(prefix)) == [f"{prefix}/app"]

    def test_a_put_makes_the_new_version_current_and_keeps_the_old_one_staged(
        self, target: Target, secret: TargetSecret, prefix: str
    ) -> None:
        target.put(secret, "canary-two", TWO)
        now = self.now(target, prefix)
        assert (now.current_version, now.staged) == (TWO, (ONE,))

    def test_a_put_can_be_repeated(self, target: Target, secret: TargetSecret, prefix: str) -> None:
        target.put(secret, "canary-two", TWO)
        target.put(self.now(target, prefix), "canary-two", TWO)
        now = self.now(target, prefix)
        assert (now.current_version, now.staged) == (TWO, (ONE,))

    def test_a_put_of_an_older_version_makes_it_current_again(
        self, target: Target, secret: TargetSecret, prefix: str
    ) -> None:
        target.put(secret, "canary-two", TWO)
        target.put(self.now(target, prefix), "canary-one", ONE)
        assert self.now(target, prefix).current_version == ONE

    def test_the_stage_moves_back(self, target: Target, secret: TargetSecret, prefix: str) -> None:
        target.put(secret, "canary-two", TWO)
        target.move_stage(self.now(target, prefix), ONE)
        now = self.now(target, prefix)
        assert (now.current_version, now.staged) == (ONE, (TWO,))

    def test_moving_the_stage_to_where_it_is_already_is_not_a_failure(
        self, target: Target, secret: TargetSecret, prefix: str
    ) -> None:
        target.put(secret, "canary-two", TWO)
        before = self.now(target, prefix)
        target.move_stage(before, ONE)
        target.move_stage(before, ONE)
        assert self.now(target, prefix).current_version == ONE

    def test_tags_are_added_and_removed_and_others_stay(
        self, target: Target, secret: TargetSecret, prefix: str
    ) -> None:
        target.tag(secret, (("team", "blue"), ("cost", "1")))
        target.tag(secret, (("team", "red"),), remove=("cost",))
        assert dict(self.now(target, prefix).tags) == {**dict(TAGS), "team": "red"}

    def test_a_deleted_secret_is_listed_as_pending_and_comes_back_with_its_arn(
        self, target: Target, secret: TargetSecret, prefix: str
    ) -> None:
        target.delete(secret, 7)
        assert self.now(target, prefix).pending_deletion
        assert target.list(prefix)[secret.name].pending_deletion
        with pytest.raises(TargetError):
            target.put(secret, "canary-two", TWO)
        target.restore(secret)
        now = self.now(target, prefix)
        assert (now.arn, now.current_version, now.pending_deletion) == (secret.arn, ONE, False)

    def test_replicas_are_added_shown_and_removed(
        self, target: Target, secret: TargetSecret, prefix: str
    ) -> None:
        target.replicate(secret, ReplicaRegion("eu-west-1"))
        shown = target.replicate(secret, ReplicaRegion("us-east-1"))
        assert {each.region: each.status for each in shown} == {"eu-west-1": "InSync", "us-east-1": "InSync"}
        target.remove_replicas(secret, ("eu-west-1",))
        assert [each.region for each in self.now(target, prefix).replicas] == ["us-east-1"]

    def test_a_secret_with_replicas_is_not_deleted(
        self, target: Target, secret: TargetSecret, prefix: str
    ) -> None:
        target.replicate(secret, ReplicaRegion("eu-west-1"))
        with pytest.raises(TargetError):
            target.delete(secret, 7)
        assert not self.now(target, prefix).pending_deletion

    def test_a_missing_secret_is_named_in_the_error(self, target: Target, prefix: str) -> None:
        ghost = TargetSecret(
            f"{prefix}/ghost",
            f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{prefix}/ghost-AbCdEf",
            ONE,
        )
        with pytest.raises(TargetMissing, match=f"{prefix}/ghost"):
            target.put(ghost, "canary", ONE)
