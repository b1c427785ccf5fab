"""Replica regions, in complete runs."""

from __future__ import annotations

from replicator.config import ReplicaRegion
from replicator.desired import resolve_desired
from replicator.errors import TargetError
from replicator.model import Replica, TargetSecret
from replicator.plan import make_plan
from replicator.replicate import RunClock
from tests.unit.replicator.conftest import NOW, Deployment, assert_settled, failed, made, reasons
from tests.unit.replicator.memory import MemoryTarget


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


def test_a_deletion_waits_for_the_next_run_while_its_replicas_are_being_removed(
    deployment: Deployment,
) -> None:
    """It is told and not a failure; then it is made."""
    deployment.set(replica_regions=(ReplicaRegion("eu-west-1"),), deletion_days=7, max_delete_share=1.0)
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.delete("db")
    deployment.target.busy = {"shop/db"}
    report = deployment.run()
    assert (report.healthy, report.deferred, made(report)) == (True, 0, {})
    told = [(each.source, each.reason) for each in report.summary().skipped]
    assert [source for source, reason in told if reason.startswith("left for the next run: Dele")] == [
        "kv/db"
    ]
    deployment.target.busy = set()
    assert made(deployment.run()) == {"shop/db": "Delete"}
    assert deployment.target.secrets["shop/db"].pending_deletion
