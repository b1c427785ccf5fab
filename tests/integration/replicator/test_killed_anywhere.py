"""Story of replicator/apply.py and replicator/plan.py.

A process killed at any of its calls (`apply.py`): apps read nothing wrong, the next run completes it.
"""

from __future__ import annotations

import pytest

from tests.conftest import openbao_only

from .support_killed import THEIRS, Make, Whole, World, completed, deaths, killed, unkilled

CALLS = (
    "GetSecretValue NAME-connection",
    "POST /v1/auth/MOUNT/login",
    "GET /v1/sys/internal/ui/mounts/MOUNT",
    "LIST /v1/MOUNT/detailed-metadata",
    "ListSecrets",
    *("DescribeSecret created", "GET /v1/MOUNT/data/created", "CreateSecret created"),
    *(
        "DescribeSecret updated",
        "GET /v1/MOUNT/data/updated",
        "PutSecretValue updated",
        "TagResource updated",
    ),
    *("DescribeSecret rolled", "UpdateSecretVersionStage rolled"),
    *("DescribeSecret drifted", "GET /v1/MOUNT/data/drifted", "PutSecretValue drifted"),
    "UpdateSecretVersionStage drifted",
    *("DescribeSecret returned", "GET /v1/MOUNT/data/returned", "RestoreSecret returned"),
    *("PutSecretValue returned", "TagResource returned"),
    *("DescribeSecret tagged", "TagResource tagged", "UntagResource tagged"),
    *("DescribeSecret rekeyed", "UpdateSecret rekeyed", "TagResource rekeyed"),
    *("DescribeSecret adopted", "GET /v1/MOUNT/data/adopted", "TagResource adopted"),
    *("UpdateSecret adopted", "PutSecretValue adopted", "TagResource adopted #2"),
    *("DescribeSecret moved-away", "GET /v1/MOUNT/data/moved", "CreateSecret moved-away"),
    *("DescribeSecret moved", "GET /v1/MOUNT/metadata/moved", "DeleteSecret moved"),
    *("DescribeSecret gone", "GET /v1/MOUNT/metadata/gone", "DeleteSecret gone"),
    "POST /v1/auth/token/revoke-self",
    "PutEvents",
    *("DescribeSecret NAME-connection", "Publish", "TagResource NAME-connection"),
)
"""Every call of the whole run. Its order is not this one, as many are made side by side; that none is missing
is the first thing that is tested."""


class Everything(World):
    """A deployment in which one run has one of everything to do, but for replicas."""

    NAMES = frozenset(
        {
            *("updated", "rolled", "drifted", "returned", "tagged", "rekeyed", "moved", "gone"),
            *("created", "moved-away", "adopted", "taken"),
        }
    )
    NEW = frozenset({"created", "moved-away"})
    PENDING = frozenset({"returned", "moved", "gone"})

    def variables(self) -> dict[str, str]:
        return {
            **super().variables(),
            "BEANVAULT_ADOPT": f"{self.name}/adopted",
            "BEANVAULT_KMS_KEY_ID": ",".join(self.kms_keys),
            "BEANVAULT_TOPIC_ARN": self.topic_arn,
            "BEANVAULT_BUS_NAME": "default",
        }

    def prepare(self) -> None:
        self.connect(self.app_role())
        for path in ("updated", "rolled", "drifted", "returned", "tagged", "rekeyed", "moved", "gone"):
            self.write(path, "1")
        self.choose("tagged", {"aws-tag-team": "blue"})
        report = self.run()
        assert report.healthy, report.problems()
        for path in ("updated", "returned", "created", "taken", "adopted"):
            self.write(path, "2")
        self.choose("tagged", {"aws-tag-tier": "gold"})
        self.choose("rekeyed", {"aws-kms-key": self.kms_keys[1]})
        self.choose("moved", {"aws-name": "moved-away"})
        self.vault.secrets.kv.v2.delete_metadata_and_all_versions("gone", mount_point=self.name)
        for path, edits in (("rolled", 1), ("drifted", 2)):
            for _ in range(edits):
                answer = self.aws.put_secret_value(SecretId=f"{self.name}/{path}", SecretString="edited")
                self.known[answer["VersionId"]] = "edited"
        self.aws.delete_secret(SecretId=f"{self.name}/returned", RecoveryWindowInDays=30)
        for path in ("taken", "adopted"):
            answer = self.aws.create_secret(Name=f"{self.name}/{path}", SecretString=THEIRS)
            self.known[answer["VersionId"]] = THEIRS


@pytest.fixture(scope="module")
def whole(make_world: Make) -> Whole:
    return unkilled(make_world(Everything), status=1)  # for the conflict


@openbao_only
def test_these_are_all_the_calls_of_the_run(whole: Whole) -> None:
    assert sorted(whole.calls) == sorted(CALLS)


def test_the_whole_run_does_one_of_everything(whole: Whole) -> None:
    """So that the others are compared with the right state."""
    pending = {name for name, (is_pending, *_) in whole.shape.items() if is_pending}
    assert pending == {"moved", "gone"}
    assert set(whole.shape) == Everything.NAMES
    assert len({keys for *_, keys in whole.shape.values()}) == 3  # the default, the chosen one, and AWS's own


@pytest.mark.parametrize(("call", "after"), deaths(CALLS))
def test_a_run_killed_at_a_call_is_completed_by_the_next(
    make_world: Make, whole: Whole, call: str, after: bool
) -> None:
    world = make_world(Everything)
    before = world.read_metadata()
    killed(world, call, after=after)
    completing = completed(world, whole)
    assert [each.error for each in completing.problems()] == ["Conflict"]
    assert world.health() == "unhealthy"
    after_all = world.read_metadata()
    assert after_all["taken"] == before["taken"]
    assert {stored.arn for stored in before.values()} <= {stored.arn for stored in after_all.values()}
