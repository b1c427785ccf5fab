"""Story of replicator/apply.py and replicator/plan.py.

`apply.py`: a run killed at any call is completed by the next, and apps read nothing wrong in between.
"""

from __future__ import annotations

from typing import Any

import pytest

from replicator.config import Config, ReplicaRegion
from replicator.contract.mounts import Mount
from tests.unit.replicator.conftest import Deployment
from tests.unit.replicator.memory import MemoryTarget

CALLS = (
    *("list", "describe", "create", "put", "move_stage", "tag"),
    *("rekey", "restore", "delete", "replicate", "remove_replicas"),
)


class Killed(BaseException):
    """The process was killed."""


class Mortal(MemoryTarget):
    """Dies at the given call: before it, or after it was carried out and before it is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None
        self.after = False

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        if name not in CALLS or self.left is None:
            return method

        def mortal(*arguments: Any) -> Any:
            assert self.left is not None
            self.left -= 1
            if self.left < 0 and not self.after:
                raise Killed(name)
            answer = method(*arguments)
            if self.left < 0:
                raise Killed(name)
            return answer

        return mortal


def changed_world() -> tuple[Deployment, dict[str, set[str | None]]]:
    """A deployment before a run that does one of everything, and the values that each name can have."""
    regions = (ReplicaRegion("eu-west-1"),)
    mounts = (Mount("kv", "kv"),)
    config = Config(
        "c", mounts, "shop", "shop", deletion_days=7, max_delete_share=1.0, replica_regions=regions
    )
    deployment = Deployment(target=Mortal(), config=config)
    source, target = deployment.source, deployment.target
    for path in ("same", "updated", "drifted", "gone", "returned", "tagged", "moved"):
        source.write(path, {"password": f"{path}-1"})
    deployment.run()
    source.delete("returned")
    deployment.run()
    source.write("returned", {"password": "returned-2"})
    source.write("updated", {"password": "updated-2"})
    source.write("created", {"password": "created-1"})
    source.write("adopted", {"password": "adopted-1"})
    source.remove("gone")
    source.choose("tagged", **{"aws-tag-team": "blue", "aws-kms-key": "alias/team"})
    source.choose("moved", aws_name="moved-away")
    drifted = target.secrets["shop/drifted"]
    drifted.values["edited"] = "edited"
    drifted.make_current("edited")
    target.place("shop/adopted", "theirs")
    deployment.set(adopt=frozenset({"shop/adopted"}), kms_keys_allowed=frozenset({"alias/team"}))

    def values(*values: str) -> set[str | None]:
        return {f'{{"password":"{value}"}}' for value in values}

    return deployment, {
        "shop/same": values("same-1"),
        "shop/updated": values("updated-1", "updated-2"),
        "shop/drifted": values("drifted-1") | {"edited"},
        "shop/gone": values("gone-1"),
        "shop/returned": values("returned-1", "returned-2"),
        "shop/tagged": values("tagged-1"),
        "shop/moved": values("moved-1"),
        "shop/moved-away": values("moved-1"),
        "shop/created": values("created-1"),
        "shop/adopted": values("adopted-1") | {"theirs"},
    }


def run_and_die(deployment: Deployment, calls: int, *, after: bool) -> bool:
    """Run and die at call number *calls*; return whether the run ended before that."""
    target = deployment.target
    assert isinstance(target, Mortal)
    target.left, target.after = calls, after
    try:
        deployment.run()
    except Killed:
        return False
    finally:
        target.left = None
    return True


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
def test_the_next_run_converges_wherever_the_one_before_was_killed(after: bool) -> None:
    whole, _ = changed_world()
    whole.run()
    expected = whole.values()
    for calls in range(200):
        deployment, allowed = changed_world()
        ended = run_and_die(deployment, calls, after=after)
        for name, value in deployment.values().items():
            assert value in allowed[name], (calls, name)
        # Value and identity belong together at any moment: the current id of ours has our value.
        for name, stored in deployment.target.secrets.items():
            for version_id, value in stored.values.items():
                if version_id in whole.target.secrets[name].values:
                    assert value == whole.target.secrets[name].values[version_id], (calls, name)
        report = deployment.run()
        assert report.healthy, (calls, report.problems())
        assert deployment.values() == expected, calls
        for name, stored in deployment.target.secrets.items():
            assert stored.tags == whole.target.secrets[name].tags, (calls, name)
            assert stored.replicas == whole.target.secrets[name].replicas, (calls, name)
            assert stored.kms_key == whole.target.secrets[name].kms_key, (calls, name)
        assert deployment.run().outcomes == [], calls
        if ended:
            assert calls > 30
            return
    pytest.fail("the run never ended")
