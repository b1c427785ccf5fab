"""Story of replicator/replicas.py and replicator/vault_login.py.

A process killed while replica regions change (`replicas.py`), and while it unwraps its secret id.
"""

from __future__ import annotations

import pytest

from .support_killed import Make, Whole, World, completed, deaths, killed, unkilled

UNWRAP = "POST /v1/sys/wrapping/unwrap"
READ_AGAIN, KEEP = "GetSecretValue NAME-connection #2", "PutSecretValue NAME-connection"
CALLS = (
    *("GetSecretValue NAME-connection", "POST /v1/sys/wrapping/lookup", UNWRAP, READ_AGAIN, KEEP),
    "POST /v1/auth/MOUNT/login",
    *("GET /v1/sys/internal/ui/mounts/MOUNT", "LIST /v1/MOUNT/detailed-metadata", "ListSecrets"),
    *("DescribeSecret created", "GET /v1/MOUNT/data/created", "CreateSecret created"),
    *("ReplicateSecretToRegions created", "TagResource created"),
    *("DescribeSecret copied", "RemoveRegionsFromReplication copied"),
    *("ReplicateSecretToRegions copied", "TagResource copied"),
    *("DescribeSecret gone", "GET /v1/MOUNT/metadata/gone", "TagResource gone"),
    # The first attempt is refused, because the region isn't gone yet.
    *("RemoveRegionsFromReplication gone", "DeleteSecret gone"),
    *("DescribeSecret gone #2", "DeleteSecret gone #2"),
    "POST /v1/auth/token/revoke-self",
)
"""Every call of the run, in some order."""
LOST = {(UNWRAP, True), (READ_AGAIN, False), (KEEP, False)}
"""Here the run that was killed was the only one to know the plain secret id."""
REGIONS = ("eu-west-1", "us-east-1")


class Replicas(World):
    """A deployment that has got another replica region and a wrapped secret id since its last run."""

    NAMES = frozenset({"copied", "created", "gone"})
    NEW = frozenset({"created"})
    PENDING = frozenset({"gone"})
    region = REGIONS[0]

    def variables(self) -> dict[str, str]:
        return {**super().variables(), "BEANVAULT_REPLICA_REGIONS": self.region}

    def prepare(self) -> None:
        self.connect(self.app_role())
        for path in ("copied", "gone"):
            self.write(path, "1")
        report = self.run()
        assert report.healthy, report.problems()
        assert self.run().outcomes == []
        self.region = REGIONS[1]
        self.write("created", "1")
        self.vault.secrets.kv.v2.delete_metadata_and_all_versions("gone", mount_point=self.name)
        self.connect(self.wrapped())

    def wrapped(self) -> dict[str, str]:
        """Return an `auth` whose secret id can be unwrapped once."""
        role = {"role_name": "replicator", "mount_point": self.name}
        path = f"/v1/auth/{self.name}/role/replicator/secret-id"
        return {
            "method": "approle",
            "mount": self.name,
            "role_id": self.vault.auth.approle.read_role_id(**role)["data"]["role_id"],
            "wrapped_secret_id": self.vault.adapter.post(path, json={}, wrap_ttl="5m")["wrap_info"]["token"],
        }


@pytest.fixture(scope="module")
def whole(make_world: Make) -> Whole:
    return unkilled(make_world(Replicas), status=0)


def test_these_are_all_the_calls_of_the_run(whole: Whole) -> None:
    assert sorted(whole.calls) == sorted(CALLS)


def test_the_whole_run_moves_each_copy_to_the_other_region(whole: Whole) -> None:
    """So that the others are compared with the right state."""
    copies = {name: regions for name, (*_, regions, _) in whole.shape.items()}
    there = [(REGIONS[1], "InSync")]
    assert copies == {"copied": there, "created": there, "gone": []}


@pytest.mark.parametrize(("call", "after"), deaths(CALLS))
def test_a_run_killed_at_a_call_is_completed_by_the_next(
    make_world: Make, whole: Whole, call: str, after: bool
) -> None:
    world = make_world(Replicas)
    assert isinstance(world, Replicas)
    before = world.read_metadata()
    killed(world, call, after=after)
    if (call, after) in LOST:
        assert [each.error for each in world.run().problems()] == ["SourceDenied"]
        assert world.read_metadata() == before
        world.connect(world.wrapped())
    assert completed(world, whole).healthy
    assert {stored.arn for stored in before.values()} <= {
        stored.arn for stored in world.read_metadata().values()
    }
