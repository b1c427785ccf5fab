"""Complete runs (`replicate.py`, `plan.py`, `desired.py`, `apply.py`, `replicas.py`, `report.py`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from replicator.changes import Deferred
from replicator.config import ReplicaRegion
from replicator.contract.mounts import Mount
from replicator.contract.summary import Count
from replicator.desired import resolve_desired
from replicator.errors import SourceDenied, TargetError
from replicator.model import Replica, Revision, TargetSecret, Unreadable
from replicator.plan import make_plan
from replicator.replicate import RunClock
from replicator.report import RunReport
from tests.unit.replicator.conftest import NOW, Deployment, failed, made
from tests.unit.replicator.memory import MemoryTarget


def assert_settled(deployment: Deployment) -> None:
    """Assert that another run finds nothing to change."""
    report = deployment.run()
    assert report.outcomes == []
    assert report.healthy, report.problems()


def reasons(report: RunReport) -> str:
    return "\n".join(map(str, report.problems()))


def test_a_new_path_is_created_and_a_second_run_does_nothing(deployment: Deployment) -> None:
    deployment.source.write("app/db", {"password": "canary"})
    assert made(deployment.run()) == {"shop/app/db": "Create"}
    assert deployment.values() == {"shop/app/db": '{"password":"canary"}'}
    assert deployment.target.secrets["shop/app/db"].tags == {
        "beanvault:owner": "shop",
        "beanvault:source": "kv/app/db",
        "beanvault:version": "1",
        "beanvault:kms-key": "alias/shop",
    }
    assert_settled(deployment)


def test_an_unchanged_run_reads_no_value_and_describes_nothing(deployment: Deployment) -> None:
    for number in range(250):
        deployment.source.write(f"app/{number}", {"password": "canary"})
    deployment.run()
    deployment.target.calls.clear()
    deployment.source.fetched.clear()
    assert_settled(deployment)
    assert deployment.target.calls == ["ListSecrets"]
    assert deployment.source.fetched == []


def test_only_what_changed_is_fetched(deployment: Deployment) -> None:
    for number in range(20):
        deployment.source.write(f"app/{number}", {"password": "canary"})
    deployment.run()
    deployment.source.fetched.clear()
    deployment.source.write("app/7", {"password": "canary-2"})
    assert made(deployment.run()) == {"shop/app/7": "Update"}
    assert deployment.source.fetched == ["kv/app/7"]
    assert_settled(deployment)


def test_the_old_value_written_again_is_a_new_version(deployment: Deployment) -> None:
    """A hash of the value would take A-B-A for nothing new."""
    for password in ("canary-a", "canary-b", "canary-a"):
        deployment.source.write("db", {"password": password})
        deployment.run()
        assert deployment.values() == {"shop/db": f'{{"password":"{password}"}}'}
    assert len(deployment.target.secrets["shop/db"].values) == 3


def test_a_path_removed_and_written_again_is_an_update_although_its_version_is_1_again(
    deployment: Deployment,
) -> None:
    deployment.source.write("db", {"password": "canary-old"})
    deployment.run()
    deployment.source.remove("db")
    deployment.source.write("db", {"password": "canary-new"})
    assert made(deployment.run()) == {"shop/db": "Update"}
    assert deployment.values() == {"shop/db": '{"password":"canary-new"}'}


def test_a_copy_that_was_edited_is_overwritten_and_the_report_says_so(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    stored = deployment.target.secrets["shop/db"]
    stored.values["edited"] = "canary-edited"
    stored.make_current("edited")
    report = deployment.run()
    # The version that was ours is still staged as previous: only the stage has to move.
    assert made(report) == {"shop/db": "MoveStage"}
    stored.values |= {"edited-1": "canary-x", "edited-2": "canary-y"}
    stored.make_current("edited-1")
    stored.make_current("edited-2")
    report = deployment.run()
    assert made(report) == {"shop/db": "Update"}
    assert "the copy was edited" in "\n".join(report.summary().lines())
    assert deployment.values() == {"shop/db": '{"password":"canary"}'}
    assert report.lag_seconds == 0
    assert_settled(deployment)


def test_a_copy_that_was_rolled_back_gets_its_stage_back_without_a_value(
    deployment: Deployment,
) -> None:
    first = deployment.source.write("db", {"password": "canary-1"})
    deployment.run()
    deployment.source.write("db", {"password": "canary-2"})
    deployment.run()
    deployment.target.secrets["shop/db"].make_current(first.version_id("shop"))
    deployment.source.fetched.clear()
    assert made(deployment.run()) == {"shop/db": "MoveStage"}
    assert deployment.source.fetched == []
    assert deployment.values() == {"shop/db": '{"password":"canary-2"}'}
    assert_settled(deployment)


def test_a_secret_of_another_owner_is_a_conflict_and_is_not_changed(deployment: Deployment) -> None:
    deployment.target.place("shop/db", "theirs", team="payments")
    deployment.target.place(
        "shop/api", "theirs", **{"beanvault:owner": "other", "beanvault:source": "kv/api"}
    )
    deployment.source.write("db", {"password": "canary"})
    deployment.source.write("api", {"password": "canary"})
    report = deployment.run()
    assert report.counts()[Count.CONFLICTS] == 2
    assert not report.healthy
    assert "BEANVAULT_ADOPT" in reasons(report)
    assert "belongs to other" in reasons(report)
    assert deployment.values() == {"shop/db": "theirs", "shop/api": "theirs"}
    assert deployment.source.fetched == []


def test_only_the_name_in_the_configuration_is_adopted(deployment: Deployment) -> None:
    deployment.set(adopt=frozenset({"shop/db"}))
    deployment.target.place("shop/db", "theirs", team="payments")
    deployment.target.place("shop/api", "theirs")
    deployment.source.write("db", {"password": "canary"})
    deployment.source.write("api", {"password": "canary"})
    report = deployment.run()
    assert made(report) == {"shop/db": "Adopt"}
    assert report.counts()[Count.CONFLICTS] == 1
    assert deployment.values() == {"shop/db": '{"password":"canary"}', "shop/api": "theirs"}
    tags = deployment.target.secrets["shop/db"].tags
    assert tags["team"] == "payments"
    assert tags["beanvault:owner"] == "shop"
    assert deployment.target.secrets["shop/db"].kms_key == "alias/shop"


def test_a_secret_to_adopt_that_is_scheduled_for_deletion_is_not_changed(deployment: Deployment) -> None:
    deployment.set(adopt=frozenset({"shop/db"}))
    deployment.target.place("shop/db", "theirs").pending_deletion = True
    deployment.source.write("db", {"password": "canary"})
    assert "restore it first" in reasons(deployment.run())
    assert deployment.target.secrets["shop/db"].pending_deletion


def test_a_secret_that_a_service_manages_is_never_ours(deployment: Deployment) -> None:
    class Managed(MemoryTarget):
        def list(self, prefix: str) -> dict[str, TargetSecret]:
            shown = super().list(prefix)
            return {name: replace(secret, foreign="is managed by rds") for name, secret in shown.items()}

    deployment.target = Managed()
    deployment.set(adopt=frozenset({"shop/db"}), deletion_days=7, max_delete_share=1.0)
    ours = {"beanvault:owner": "shop", "beanvault:source": "kv/gone"}
    deployment.target.place("shop/db", "theirs", **ours)
    deployment.target.place("shop/gone", "theirs", **ours)
    deployment.source.write("db", {"password": "canary"})
    report = deployment.run()
    assert "is managed by rds" in reasons(report)
    assert deployment.values() == {"shop/db": "theirs", "shop/gone": "theirs"}


def test_two_paths_that_claim_one_name_are_a_conflict_for_both(deployment: Deployment) -> None:
    deployment.source.write("one", {"password": "canary"}, aws_name="shared")
    deployment.source.write("two", {"password": "canary"}, aws_name="shared")
    report = deployment.run()
    assert report.counts()[Count.CONFLICTS] == 2
    assert deployment.values() == {}


def test_a_second_path_cannot_stop_the_replication_of_the_first(
    deployment: Deployment,
) -> None:
    deployment.source.write("one", {"password": "canary-1"}, aws_name="shared")
    deployment.run()
    deployment.source.write("two", {"password": "canary-2"}, aws_name="shared")
    deployment.source.write("one", {"password": "canary-3"})
    report = deployment.run()
    assert made(report) == {"shop/shared": "Update"}
    assert report.counts()[Count.CONFLICTS] == 1
    assert deployment.values() == {"shop/shared": '{"password":"canary-3"}'}


@pytest.mark.parametrize("why", ["unreadable", "refused", "its new name is taken", "its mount is left out"])
def test_a_second_path_does_not_get_the_name_of_a_path_that_has_not_given_it_up(
    deployment: Deployment, why: str
) -> None:
    source = deployment.source
    source.write("one", {"password": "canary-1"}, aws_name="shared")
    source.write("three", {"password": "canary-3"}, aws_name="threes")
    deployment.run()
    if why == "unreadable":
        source.unreadable["kv/one"] = Unreadable("kv/one", SourceDenied("Vault denies it"))
    elif why == "refused":
        source.choose("one", aws_name="shared", aws_format="yaml")
    elif why == "its new name is taken":
        deployment.target.place("shop/theirs", "theirs")
        source.choose("one", aws_name="threes")
        source.choose("three", aws_name="theirs")
    else:
        deployment.target.secrets["shop/shared"].tags["beanvault:source"] = "elsewhere/one"
        source.remove("one")
    source.write("two", {"password": "canary-2"}, aws_name="shared")
    report = deployment.run()
    assert "shop/shared: Conflict: kv/two: the name belongs to" in reasons(report)
    assert deployment.values()["shop/shared"] == '{"password":"canary-1"}'
    assert deployment.values()["shop/threes"] == '{"password":"canary-3"}'


def test_the_name_of_a_deleted_path_is_free_for_another(deployment: Deployment) -> None:
    deployment.source.write("one", {"password": "canary-1"}, aws_name="shared")
    deployment.run()
    deployment.source.remove("one")
    deployment.source.write("two", {"password": "canary-2"}, aws_name="shared")
    assert made(deployment.run()) == {"shop/shared": "Update"}
    assert_settled(deployment)


def test_a_path_with_replicate_false_is_not_replicated(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"}, replicate="false")
    report = deployment.run()
    assert (report.healthy, report.counts()[Count.SKIPPED]) == (True, 1)
    assert deployment.values() == {}


def test_a_secret_whose_path_was_deleted_is_kept_as_an_orphan_by_default(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.remove("db")
    report = deployment.run()
    assert (report.healthy, report.counts()[Count.SKIPPED]) == (True, 1)
    assert "orphan" in "\n".join(report.summary().lines())
    assert deployment.values() == {"shop/db": '{"password":"canary"}'}


def test_a_secret_whose_path_was_deleted_is_deleted_where_configured(
    deployment: Deployment,
) -> None:
    deployment.set(deletion_days=7, max_delete_share=0.5)
    for path in ("db", "api"):
        deployment.source.write(path, {"password": "canary"})
    deployment.run()
    deployment.source.remove("db")
    assert made(deployment.run()) == {"shop/db": "Delete"}
    assert list(deployment.values()) == ["shop/api"]
    assert_settled(deployment)


def test_a_path_that_returned_or_became_unreadable_since_it_was_listed_keeps_its_secret(
    deployment: Deployment,
) -> None:
    class Racing(MemoryTarget):
        def describe(self, name: str) -> TargetSecret | None:
            if name == "shop/back":
                deployment.source.write("back", {"password": "canary-2"})
            if name == "shop/moving":
                deployment.source.write("moving", {"password": "canary-2"}, aws_name="moved")
            if name == "shop/denied":
                denied = Unreadable("kv/denied", SourceDenied("Vault denies it"))
                deployment.source.unreadable["kv/denied"] = denied
            return super().describe(name)

    deployment.set(deletion_days=7, max_delete_share=1.0)
    for path in ("back", "moving", "denied", "gone"):
        deployment.source.write(path, {"password": "canary"})
    deployment.run()
    for path in ("back", "moving", "denied", "gone"):
        deployment.source.remove(path)
    racing = Racing()
    racing.secrets = deployment.target.secrets
    deployment.target = racing
    report = deployment.run()
    assert made(report) == {"shop/gone": "Delete"}
    assert failed(report) == {"shop/denied": "SourceDenied"}
    assert sorted(deployment.values()) == ["shop/back", "shop/denied", "shop/moving"]


def test_a_secret_that_returns_is_restored_with_its_arn(deployment: Deployment) -> None:
    deployment.set(deletion_days=7, max_delete_share=1.0)
    deployment.source.write("db", {"password": "canary-1"})
    deployment.run()
    arn = deployment.target.secrets["shop/db"].arn
    deployment.source.delete("db")
    deployment.run()
    assert deployment.values() == {}
    deployment.source.write("db", {"password": "canary-2"})
    assert made(deployment.run()) == {"shop/db": "Restore"}
    assert deployment.values() == {"shop/db": '{"password":"canary-2"}'}
    assert deployment.target.secrets["shop/db"].arn == arn
    assert_settled(deployment)


def test_a_plan_that_would_delete_more_than_the_share_is_refused_as_a_whole(deployment: Deployment) -> None:
    deployment.set(deletion_days=7, max_delete_share=0.25)
    for number in range(8):
        deployment.source.write(f"app/{number}", {"password": "canary"})
    deployment.run()
    for number in range(3):
        deployment.source.remove(f"app/{number}")
    deployment.source.write("app/7", {"password": "canary-2"})
    before = deployment.values()
    report = deployment.run()
    assert "3 of 8 owned secrets would be deleted" in reasons(report)
    assert deployment.values() == before
    deployment.source.write("app/0", {"password": "canary"})
    assert sorted(made(deployment.run()).values()) == ["Delete", "Delete", "Update", "Update"]


def test_an_emptied_mount_deletes_nothing(deployment: Deployment) -> None:
    deployment.set(deletion_days=7)
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.remove("db")
    assert "1 of 1 owned secrets" in reasons(deployment.run())
    assert list(deployment.values()) == ["shop/db"]


def test_a_small_mount_that_is_emptied_is_refused_among_many_secrets(deployment: Deployment) -> None:
    deployment.set(deletion_days=7, max_delete_share=0.5)
    deployment.set(mounts=(Mount("kv", "kv"), Mount("kv", "kv/small")))
    for path in (*(f"app/{number}" for number in range(9)), *(f"small/{number}" for number in range(3))):
        deployment.source.write(path, {"password": "canary"})
    deployment.run()
    for number in range(2):
        deployment.source.remove(f"small/{number}")
    assert "2 of 3 owned secrets of the mount kv/small would be deleted" in reasons(deployment.run())
    assert len(deployment.values()) == 12
    deployment.source.write("small/0", {"password": "canary"})
    assert made(deployment.run())["shop/1"] == "Delete"


def test_the_only_secret_of_a_mount_is_deleted_where_the_share_allows_it(
    deployment: Deployment,
) -> None:
    deployment.set(deletion_days=7, max_delete_share=0.25)
    deployment.set(mounts=(Mount("kv", "kv"), Mount("kv", "kv/small")))
    for path in ("one", "two", "three", "small/db"):
        deployment.source.write(path, {"password": "canary"})
    deployment.run()
    deployment.source.remove("small/db")
    assert made(deployment.run()) == {"shop/db": "Delete"}


def test_secrets_that_cannot_be_deleted_do_not_make_a_share_look_small(deployment: Deployment) -> None:
    deployment.set(deletion_days=7, max_delete_share=0.25)
    for number in range(8):
        left_out = {"beanvault:owner": "shop", "beanvault:source": f"elsewhere/{number}"}
        deployment.target.place(f"shop/elsewhere/{number}", "ours", **left_out)
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.remove("db")
    assert "1 of 1 owned secrets would be deleted" in reasons(deployment.run())


@pytest.mark.parametrize("hidden", ["kv/app/db", "kv/app/", "kv/"])
def test_an_unreadable_path_is_never_taken_for_deleted(deployment: Deployment, hidden: str) -> None:
    deployment.set(deletion_days=7, max_delete_share=1.0)
    deployment.source.write("app/db", {"password": "canary"})
    deployment.run()
    deployment.source.remove("app/db")
    deployment.source.unreadable[hidden] = Unreadable(hidden, SourceDenied(f"Vault denies {hidden}"))
    report = deployment.run()
    assert not report.healthy
    assert report.outcomes == []
    assert list(deployment.values()) == ["shop/app/db"]


def test_a_denied_path_does_not_hide_its_neighbours(deployment: Deployment) -> None:
    deployment.set(deletion_days=7, max_delete_share=1.0)
    for path in ("app/db", "app/db2"):
        deployment.source.write(path, {"password": "canary"})
    deployment.run()
    deployment.source.remove("app/db2")
    deployment.source.remove("app/db")
    deployment.source.unreadable["kv/app/db"] = Unreadable("kv/app/db", SourceDenied("Vault denies it"))
    assert made(deployment.run()) == {"shop/app/db2": "Delete"}


def test_secrets_of_a_mount_that_is_no_longer_configured_are_kept(deployment: Deployment) -> None:
    deployment.set(deletion_days=7, max_delete_share=1.0)
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.remove("db")
    deployment.set(mounts=(Mount("kv", "elsewhere"),))
    report = deployment.run()
    assert "its mount is no longer configured" in "\n".join(report.summary().lines())
    assert list(deployment.values()) == ["shop/db"]


def test_a_path_that_takes_another_name_leaves_the_old_one_to_the_deletion_policy(
    deployment: Deployment,
) -> None:
    deployment.set(deletion_days=7, max_delete_share=0.5)
    deployment.source.write("db", {"password": "canary"})
    deployment.source.write("api", {"password": "canary"})
    deployment.run()
    deployment.source.choose("db", aws_name="renamed/db")
    assert made(deployment.run()) == {"shop/renamed/db": "Create", "shop/db": "Delete"}
    assert sorted(deployment.values()) == ["shop/api", "shop/renamed/db"]
    assert_settled(deployment)


def test_the_old_name_is_not_deleted_while_the_new_one_cannot_be_created(deployment: Deployment) -> None:
    class Full(MemoryTarget):
        def create(self, name: str, *rest: object) -> str:
            if name == "shop/renamed":
                raise TargetError("CreateSecret for shop/renamed: refused (LimitExceededException)")
            return super().create(name, *rest)  # type: ignore[arg-type]  # handed on as they came

    deployment.target = Full()
    deployment.set(deletion_days=7, max_delete_share=1.0)
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.choose("db", aws_name="renamed")
    report = deployment.run()
    assert failed(report) == {"shop/renamed": "TargetError"}
    assert list(deployment.values()) == ["shop/db"]


@pytest.mark.parametrize("listed", [True, False])
def test_the_old_name_is_not_deleted_while_the_new_one_has_another_owner(
    deployment: Deployment, listed: bool
) -> None:
    class Lagging(MemoryTarget):
        def list(self, prefix: str) -> dict[str, TargetSecret]:
            shown = super().list(prefix)
            return {name: stored for name, stored in shown.items() if listed or name != "shop/taken"}

    deployment.target = Lagging()
    deployment.set(deletion_days=7, max_delete_share=1.0)
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.target.place("shop/taken", "theirs")
    deployment.source.choose("db", aws_name="taken")
    report = deployment.run()
    assert report.counts()[Count.CONFLICTS] == 1
    assert deployment.values() == {"shop/db": '{"password":"canary"}', "shop/taken": "theirs"}


def test_a_value_that_is_refused_leaves_the_secret_as_it_was(deployment: Deployment) -> None:
    deployment.set(adopt=frozenset({"shop/db"}), deletion_days=7, max_delete_share=1.0)
    theirs = deployment.target.place("shop/db", "theirs", team="payments")
    deployment.source.write("db", {})
    deployment.source.write("back", {"password": "canary"})
    deployment.run()
    assert (theirs.value, theirs.tags, theirs.kms_key) == ("theirs", {"team": "payments"}, None)
    deployment.source.delete("back")
    deployment.run()
    deployment.source.write("back", {})
    assert failed(deployment.run()) == {"shop/db": "ValueRefused", "shop/back": "ValueRefused"}
    assert deployment.target.secrets["shop/back"].pending_deletion


def test_one_refused_secret_does_not_stop_the_others(deployment: Deployment) -> None:
    deployment.source.write("empty", {})
    deployment.source.write("large", {"blob": "x" * 70_000})
    deployment.source.write("db", {"password": "canary"})
    report = deployment.run()
    assert failed(report) == {"shop/empty": "ValueRefused", "shop/large": "ValueRefused"}
    assert "70011 bytes" in reasons(report)
    assert report.counts()[Count.CREATED] == 1
    assert list(deployment.values()) == ["shop/db"]


def test_an_empty_value_never_replaces_a_secret(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.write("db", {})
    assert failed(deployment.run()) == {"shop/db": "ValueRefused"}
    assert deployment.values() == {"shop/db": '{"password":"canary"}'}


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"aws_name": "../x y"}, "aws-name takes"),
        ({"aws_name": "/absolute"}, "does not begin with /"),
        ({"aws_name": ""}, "aws-name takes"),
        ({"aws_name": "x" * 600}, "605 characters long"),
        ({"aws_kms_key": "alias/theirs"}, "not among the keys"),
        ({"aws_format": "yaml"}, "not a format"),
        ({"aws-tag-beanvault:owner": "me"}, "reserved"),
        ({"aws-tag-aws:cloudformation:stack-name": "x"}, "reserved"),
        ({"aws-tag-": "x"}, "not a tag key"),
        ({"aws-tag-a b": "x"}, "contains a space"),
        ({"aws-tag-team": "line\nline"}, "not one that AWS accepts"),
        ({"aws-tag-team": "x" * 257}, "not one that AWS accepts"),
        ({f"aws-tag-{'k' * 100}{number}": "x" for number in range(3)}, "too many"),
    ],
)
def test_a_choice_that_cannot_be_followed_is_refused_with_a_reason_and_deletes_nothing(
    deployment: Deployment, choices: dict[str, str], reason: str
) -> None:
    deployment.set(deletion_days=7, max_delete_share=1.0)
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.choose("db", **choices)
    report = deployment.run()
    assert reason in reasons(report)
    assert report.counts()[Count.FAILED] == 1
    assert deployment.values() == {"shop/db": '{"password":"canary"}'}


def test_a_path_too_long_for_a_tag_is_refused_with_its_length(deployment: Deployment) -> None:
    deployment.source.write("a" * 300, {"password": "canary"})
    assert "303 characters" in reasons(deployment.run())


def test_a_path_that_secrets_manager_cannot_name_is_encoded(deployment: Deployment) -> None:
    deployment.source.write("my app/é", {"password": "canary"})
    deployment.run()
    assert list(deployment.values()) == ["shop/my=20app/=C3=A9"]
    assert deployment.target.secrets["shop/my=20app/=C3=A9"].tags["beanvault:source"] == "kv/my=20app/=C3=A9"
    assert_settled(deployment)


def test_tags_are_added_changed_and_removed_and_others_are_not_touched(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"}, **{"aws-tag-team": "blue", "aws-tag-cost": "1"})
    deployment.run()
    stored = deployment.target.secrets["shop/db"]
    stored.tags["auditor"] = "theirs"
    assert (stored.tags["team"], stored.tags["cost"]) == ("blue", "1")
    deployment.source.choose("db", **{"aws-tag-team": "red"})
    deployment.source.fetched.clear()
    assert made(deployment.run()) == {"shop/db": "Retag"}
    assert deployment.source.fetched == []
    assert (stored.tags["team"], "cost" in stored.tags, stored.tags["auditor"]) == ("red", False, "theirs")
    assert_settled(deployment)
    deployment.source.choose("db")
    deployment.run()
    assert ("team" in stored.tags, "beanvault:tags" in stored.tags) == (False, False)
    assert_settled(deployment)


def test_a_tag_key_with_white_space_in_it_is_one_key(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"}, **{"aws-tag-cost\u00a0centre": "1"})
    deployment.run()
    stored = deployment.target.secrets["shop/db"]
    stored.tags["centre"] = "theirs"
    deployment.source.choose("db", **{"aws-tag-team": "red"})
    deployment.run()
    assert (stored.tags["centre"], "cost\u00a0centre" in stored.tags) == ("theirs", False)
    assert_settled(deployment)


def test_an_allowed_kms_key_is_used_from_then_on(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.choose("db", aws_kms_key="alias/team")
    assert made(deployment.run()) == {"shop/db": "Retag"}
    assert deployment.target.secrets["shop/db"].kms_key == "alias/team"
    assert_settled(deployment)
    deployment.set(kms_key=None, kms_keys_allowed=frozenset())
    deployment.source.choose("db")
    deployment.run()
    assert [secret.kms_key for secret in deployment.target.secrets.values()] == [None]
    assert_settled(deployment)


def test_another_format_is_another_version(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.choose("db", aws_format="plain")
    assert made(deployment.run()) == {"shop/db": "Update"}
    assert deployment.values() == {"shop/db": "canary"}
    assert_settled(deployment)


def test_a_dry_run_reports_what_a_run_does_reads_no_value_and_changes_nothing(deployment: Deployment) -> None:
    deployment.set(deletion_days=7, max_delete_share=0.5)
    for path in ("same", "changed", "gone"):
        deployment.source.write(path, {"password": "canary"})
    deployment.run()
    deployment.source.fetched.clear()
    deployment.source.write("changed", {"password": "canary-2"})
    deployment.source.write("new", {"password": "canary"})
    deployment.source.remove("gone")
    before = deployment.values()
    dry = deployment.run(dry_run=True)
    assert deployment.source.fetched == []
    assert deployment.values() == before
    real = deployment.run()
    assert dry.counts() == real.counts()
    assert dry.summary().as_json()["changes"] == real.summary().as_json()["changes"]
    assert [each["action"] for each in real.summary().as_json()["changes"]] == ["update", "delete", "create"]


def test_a_name_that_is_not_in_the_list_yet_is_described_before_it_is_created(
    deployment: Deployment,
) -> None:
    class Lagging(MemoryTarget):
        def list(self, prefix: str) -> dict[str, TargetSecret]:
            super().list(prefix)
            return {}

    deployment.target = Lagging()
    deployment.source.write("db", {"password": "canary"})
    deployment.source.write("theirs", {"password": "canary"})
    deployment.target.place("shop/theirs", "theirs")
    deployment.run()
    deployment.target.calls.clear()
    report = deployment.run()
    assert "CreateSecret" not in deployment.target.calls
    assert (report.unchanged, report.counts()[Count.CONFLICTS]) == (1, 1)
    assert deployment.values()["shop/theirs"] == "theirs"


def test_a_secret_that_is_no_longer_ours_is_not_deleted_from_an_old_list(deployment: Deployment) -> None:
    class Lagging(MemoryTarget):
        def list(self, prefix: str) -> dict[str, TargetSecret]:
            shown = super().list(prefix)
            for stored in self.secrets.values():
                stored.tags.pop("beanvault:owner", None)
            return shown

    deployment.target = Lagging()
    deployment.set(deletion_days=7, max_delete_share=1.0)
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.target.secrets["shop/db"].tags["beanvault:owner"] = "shop"
    deployment.source.remove("db")
    assert made(deployment.run()) == {}
    assert list(deployment.values()) == ["shop/db"]


@pytest.mark.parametrize("source", ["kv/=FF", "kv/é", "kv/=41", "kv/日"])
def test_a_secret_whose_source_tag_was_edited_is_not_changed(deployment: Deployment, source: str) -> None:
    deployment.set(deletion_days=7, max_delete_share=1.0)
    for path in ("db", "gone", "here"):
        deployment.source.write(path, {"password": "canary"})
    deployment.run()
    for path in ("db", "gone"):
        deployment.target.secrets[f"shop/{path}"].tags["beanvault:source"] = source
    deployment.source.remove("gone")
    deployment.source.write("here", {"password": "canary-2"})
    report = deployment.run()
    assert made(report) == {"shop/here": "Update"}
    assert report.counts()[Count.CONFLICTS] == 1
    assert len(deployment.values()) == 3


def test_a_run_over_named_paths_replicates_only_those(deployment: Deployment) -> None:
    for path in ("one", "two"):
        deployment.source.write(path, {"password": "canary"})
    assert made(deployment.run("kv/one")) == {"shop/one": "Create"}
    assert "ListSecrets" not in deployment.target.calls
    assert list(deployment.values()) == ["shop/one"]


def test_a_run_over_named_paths_deletes_nothing(deployment: Deployment) -> None:
    deployment.set(deletion_days=7, max_delete_share=1.0)
    deployment.source.write("one", {"password": "canary"})
    deployment.run()
    deployment.source.remove("one")
    report = deployment.run("kv/one")
    assert (report.healthy, report.counts()[Count.SKIPPED]) == (True, 1)
    assert list(deployment.values()) == ["shop/one"]


def test_a_run_over_named_paths_does_not_take_a_name_from_another_path(deployment: Deployment) -> None:
    deployment.source.write("one", {"password": "canary-1"}, aws_name="shared")
    deployment.run()
    deployment.source.write("two", {"password": "canary-2"}, aws_name="shared")
    report = deployment.run("kv/two")
    assert report.counts()[Count.CONFLICTS] == 1
    assert deployment.values() == {"shop/shared": '{"password":"canary-1"}'}


def test_a_run_stops_before_its_time_is_over_and_the_next_one_continues(deployment: Deployment) -> None:
    for number in range(100):
        deployment.source.write(f"app/{number}", {"password": "canary"})
    done = iter(range(10))
    report = deployment.run(clock=RunClock(lambda: NOW, lambda: next(done, None) is not None))
    assert 0 < report.deferred < 100
    assert report.healthy
    assert report.counts()[Count.CREATED] + report.deferred == 100
    rest = deployment.run()
    assert rest.counts()[Count.CREATED] == report.deferred
    assert_settled(deployment)


def test_a_run_that_makes_no_progress_in_its_time_fails(deployment: Deployment) -> None:
    """Otherwise it would request continuations for ever."""
    deployment.source.write("db", {"password": "canary"})
    answers = iter([True])
    report = deployment.run(clock=RunClock(lambda: NOW, lambda: next(answers, False)))
    assert [type(each) for each in report.outcomes] == [Deferred]
    assert "OutOfTime" in reasons(report)


def test_a_value_that_changed_since_it_was_listed_is_written_under_its_own_identity(
    deployment: Deployment,
) -> None:
    class Racing(MemoryTarget):
        def describe(self, name: str) -> TargetSecret | None:
            deployment.source.write("db", {"password": f"canary-{len(self.calls)}"})
            return super().describe(name)

    deployment.target = Racing()
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    stored = deployment.target.secrets["shop/db"]
    (read,) = deployment.source.list()
    assert isinstance(read, Revision)
    assert stored.current == read.version_id("shop")
    assert stored.tags["beanvault:version"] == str(read.version) == "2"
    assert stored.value == '{"password":"canary-1"}'
    assert_settled(deployment)


def test_replicas_are_added_kept_and_removed_as_configured(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.set(replica_regions=(ReplicaRegion("eu-west-1"), ReplicaRegion("us-east-1")))
    deployment.run()
    stored = deployment.target.secrets["shop/db"]
    assert sorted(stored.replicas) == ["eu-west-1", "us-east-1"]
    assert_settled(deployment)
    deployment.target.calls.clear()
    deployment.set(replica_regions=(ReplicaRegion("eu-west-1"),))
    assert made(deployment.run()) == {"shop/db": "Retag"}
    assert "ReplicateSecretToRegions" not in deployment.target.calls
    assert sorted(stored.replicas) == ["eu-west-1"]
    deployment.set(replica_regions=())
    deployment.run()
    assert (stored.replicas, "beanvault:replicas" in stored.tags) == ({}, False)
    assert_settled(deployment)


def test_a_replica_region_that_fails_is_reported_by_name_until_it_works(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.set(replica_regions=(ReplicaRegion("eu-west-1"), ReplicaRegion("us-east-1")))
    deployment.target.failing_regions = {"us-east-1"}
    for _ in range(2):
        report = deployment.run()
        assert not report.healthy
        assert "replication to us-east-1 failed: Secret name already exists there." in reasons(report)
        assert "eu-west-1" not in reasons(report)
    deployment.target.failing_regions = set()
    assert deployment.run().healthy
    assert_settled(deployment)


def test_a_region_that_fails_after_the_call_is_reported_in_each_run_until_it_works(
    deployment: Deployment,
) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.set(replica_regions=(ReplicaRegion("eu-west-1"), ReplicaRegion("us-east-1")))
    deployment.target.asynchronous = True
    deployment.target.failing_regions = {"us-east-1"}
    assert deployment.run().healthy
    stored = deployment.target.secrets["shop/db"]
    for _ in range(2):
        assert stored.tags["beanvault:replicas"] == "eu-west-1 +us-east-1"
        assert "replication to us-east-1 failed: Secret name already exists" in reasons(deployment.run())
    deployment.target.failing_regions = set()
    deployment.run()
    assert deployment.run().healthy
    assert_settled(deployment)


def test_a_region_that_fails_once_it_has_a_copy_keeps_it(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.set(replica_regions=(ReplicaRegion("eu-west-1"),))
    deployment.run()
    stored = deployment.target.secrets["shop/db"]
    deployment.target.failing_regions = {"eu-west-1"}
    stored.replicas["eu-west-1"] = Replica("eu-west-1", "Failed", "the key is disabled")
    deployment.source.write("db", {"password": "canary-2"})
    for _ in range(2):
        assert "replication to eu-west-1 failed: " in reasons(deployment.run())
    assert "RemoveRegionsFromReplication" not in deployment.target.calls


def test_a_region_that_is_refused_is_named_and_stops_nothing_else(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    regions = ("eu-central-2", "eu-west-1", "us-east-1")
    deployment.set(replica_regions=tuple(map(ReplicaRegion, regions)))
    deployment.target.disabled_regions = {"eu-west-1"}
    deployment.source.choose("db", **{"aws-tag-team": "blue"})
    assert "replication to eu-west-1 failed: ReplicateSecretToRegions" in reasons(deployment.run())
    stored = deployment.target.secrets["shop/db"]
    assert stored.tags["beanvault:replicas"] == "eu-central-2 +eu-west-1 us-east-1"
    assert stored.tags["team"] == "blue"


def test_regions_that_fail_go_last_and_do_not_count_as_progress(deployment: Deployment) -> None:
    for path in ("a", "b"):
        deployment.source.write(path, {"password": "canary"})
    deployment.set(replica_regions=(ReplicaRegion("eu-west-1"),))
    deployment.target.failing_regions = {"eu-west-1"}
    deployment.run()
    deployment.source.write("z", {"password": "canary"})
    state = resolve_desired(deployment.source.list(), deployment.config)
    plan = make_plan(state, deployment.target.list("shop"), deployment.config, complete=True)
    assert [change.name for change in plan.changes] == ["shop/z", "shop/a", "shop/b"]
    deployment.run()
    answers = iter([True, True])
    report = deployment.run(clock=RunClock(lambda: NOW, lambda: next(answers, False)))
    assert "OutOfTime" in reasons(report)


def test_a_deletion_that_fails_after_its_replicas_were_removed_is_repaired_if_the_path_returns(
    deployment: Deployment,
) -> None:
    class Undeletable(MemoryTarget):
        def delete(self, secret: TargetSecret, days: int) -> None:
            raise TargetError(f"DeleteSecret for {secret.name} in {days} days: refused")

    deployment.target = Undeletable()
    deployment.set(replica_regions=(ReplicaRegion("eu-west-1"),), deletion_days=7, max_delete_share=1.0)
    revision = deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.delete("db")
    assert failed(deployment.run()) == {"shop/db": "TargetError"}
    stored = deployment.target.secrets["shop/db"]
    assert stored.replicas == {}
    deployment.source.undelete(revision)
    assert made(deployment.run()) == {"shop/db": "Retag"}
    assert list(stored.replicas) == ["eu-west-1"]


def test_replicas_are_removed_before_the_secret_is_and_come_back_with_it(deployment: Deployment) -> None:
    deployment.set(replica_regions=(ReplicaRegion("eu-west-1"),), deletion_days=7, max_delete_share=1.0)
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.delete("db")
    assert made(deployment.run()) == {"shop/db": "Delete"}
    stored = deployment.target.secrets["shop/db"]
    assert (stored.replicas, stored.pending_deletion) == ({}, True)
    deployment.source.write("db", {"password": "canary-2"})
    deployment.run()
    assert list(stored.replicas) == ["eu-west-1"]
    assert_settled(deployment)


def test_lag_is_the_time_a_new_version_waited(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary-1"})
    assert deployment.run().lag_seconds == 0
    deployment.source.write("db", {"password": "canary-2"})
    assert round(deployment.run().lag_seconds) == 100


def test_no_value_is_in_a_report(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary-value"})
    deployment.source.write("two", {"a": "canary-value", "b": "canary-value"}, aws_format="plain")
    report = deployment.run()
    assert "canary-value" not in f"{report!r} {report.summary().as_json()} {list(report.summary().lines())}"
    assert deployment.values()["shop/db"] == '{"password":"canary-value"}'


def test_the_function_needs_nothing_of_the_rest_of_the_project() -> None:
    """Its zip holds `replicator/` and its locked dependencies only."""
    import replicator

    source = "\n".join(path.read_text() for path in Path(replicator.__file__).parent.rglob("*.py"))
    for package in ("beanvault", "templates", "eb_app", "testbed"):
        assert f"import {package}" not in source
        assert f"from {package}" not in source
