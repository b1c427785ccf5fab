"""Story of replicator/replicate.py, replicator/changes.py and replicator/report.py.

Complete runs: what is created, updated, adopted, refused, and what a run over named paths leaves alone.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from replicator.changes import Deferred
from replicator.contract.summary import Count
from replicator.errors import SourceDenied
from replicator.model import Revision, TargetSecret, Unreadable
from replicator.replicate import RunClock
from tests.unit.replicator.conftest import NOW, Deployment, assert_settled, made, reasons
from tests.unit.replicator.memory import MemoryTarget


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
