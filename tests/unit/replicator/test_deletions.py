"""Story of replicator/plan.py and replicator/apply.py.

When a secret is deleted, kept as an orphan, restored, and when a plan is refused.
"""

from __future__ import annotations

import pytest

from replicator.contract.mounts import Mount
from replicator.contract.summary import Count
from replicator.errors import SourceDenied, TargetError
from replicator.model import TargetSecret, Unreadable
from tests.unit.replicator.conftest import Deployment, assert_settled, failed, made, reasons
from tests.unit.replicator.memory import MemoryTarget


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
