"""The table above `replicator.plan.decide`, case by case, and who retains a secret's name."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace

import pytest

from replicator import plan
from replicator.changes import Adopt, Change, Conflict, Update
from replicator.config import Config, ReplicaRegion
from replicator.contract.mounts import Mount
from replicator.contract.tags import TAG_OWNER, TAG_SOURCE, TAG_VERSION
from replicator.model import DesiredSecret, Revision, TargetSecret
from replicator.plan import Ownership, decide

CONFIG = Config("shop-connection", (Mount("kv", "kv"),), "shop", "shop")
ADOPTING = replace(CONFIG, adopt=frozenset({"shop/db"}))
REPLICATING = replace(CONFIG, replica_regions=(ReplicaRegion("eu-west-1"),))
REVISION = Revision("kv/db", 2, "2026-11-23T10:00:00Z")
OWN_TAGS = ((TAG_OWNER, "shop"), (TAG_SOURCE, "kv/db"), (TAG_VERSION, "2"))
DESIRED = DesiredSecret("shop/db", REVISION, "desired", "", None, OWN_TAGS)
UP_TO_DATE = TargetSecret("shop/db", "arn", "desired", tags=OWN_TAGS)
UNOWNED = replace(UP_TO_DATE, tags=())
EARLIER = replace(UP_TO_DATE, current_version="earlier", tags=(*OWN_TAGS[:2], (TAG_VERSION, "1")))
OF_ANOTHER_PATH = replace(EARLIER, tags=(OWN_TAGS[0], (TAG_SOURCE, "kv/other"), OWN_TAGS[2]))
COMPLETE = Ownership(complete=True, mounts=CONFIG.mounts)
RETAINED = replace(COMPLETE, blocked=frozenset({"kv/other"}))

CASES = {
    "free": (None, CONFIG, COMPLETE, "Create"),
    "foreign": (replace(UP_TO_DATE, foreign="managed by rds"), ADOPTING, COMPLETE, "Conflict"),
    "unowned": (UNOWNED, CONFIG, COMPLETE, "Conflict"),
    "source edited": (replace(UP_TO_DATE, tags=OWN_TAGS[:1]), CONFIG, COMPLETE, "Conflict"),
    "adopt pending": (replace(UNOWNED, pending_deletion=True), ADOPTING, COMPLETE, "Conflict"),
    "adopt": (UNOWNED, ADOPTING, COMPLETE, "Adopt"),
    "retained": (OF_ANOTHER_PATH, CONFIG, RETAINED, "Conflict"),
    "pending": (replace(EARLIER, pending_deletion=True), CONFIG, COMPLETE, "Restore"),
    "up to date": (UP_TO_DATE, CONFIG, COMPLETE, "None"),
    "tags differ": (replace(UP_TO_DATE, tags=OWN_TAGS[:2]), CONFIG, COMPLETE, "Retag"),
    "regions differ": (UP_TO_DATE, REPLICATING, COMPLETE, "Retag"),
    "rolled back": (replace(EARLIER, staged=("desired",)), CONFIG, COMPLETE, "MoveStage"),
    "edited": (replace(UP_TO_DATE, current_version="edited"), CONFIG, COMPLETE, "Update"),
    "new version": (EARLIER, CONFIG, COMPLETE, "Update"),
    "taken over": (OF_ANOTHER_PATH, CONFIG, COMPLETE, "Update"),
}


@pytest.mark.parametrize(("current", "config", "ownership", "decision"), CASES.values(), ids=CASES)
def test_each_case_of_the_table_has_its_decision(
    current: TargetSecret | None, config: Config, ownership: Ownership, decision: str
) -> None:
    decided = decide(DESIRED, current, config, ownership)
    assert decision == ("None" if decided is None else type(decided).__name__)


def test_the_table_above_decide_has_exactly_these_cases() -> None:
    rows = re.findall(r"^# \| (.+?) +\| .+ \| (\w+) +\|$", inspect.getsource(plan), re.MULTILINE)
    assert rows[0] == ("case", "decision")
    assert rows[1:] == [(case, decision) for case, (*_, decision) in CASES.items()]


@pytest.mark.parametrize("case", ["edited", "new version", "taken over"])
def test_only_a_copy_that_was_edited_has_drifted(case: str) -> None:
    current, config, ownership, _ = CASES[case]
    decided = decide(DESIRED, current, config, ownership)
    assert isinstance(decided, Update)
    assert decided.drifted is (case == "edited")


@pytest.mark.parametrize(
    ("ownership", "reason"),
    [
        (COMPLETE, None),
        (replace(COMPLETE, complete=False), "a run over everything will decide"),
        (replace(COMPLETE, blocked=frozenset({"kv/other"})), "whose own desired state can't be reached"),
        (replace(COMPLETE, unreadable=("kv/other",)), "which can't be read"),
        (replace(COMPLETE, unreadable=("kv/",)), "which can't be read"),
        (replace(COMPLETE, unreadable=("kv/oth",)), None),
        (replace(COMPLETE, mounts=(Mount("kv", "elsewhere"),)), "whose mount is no longer configured"),
    ],
)
def test_a_path_retains_its_secret_until_it_is_known_to_have_given_it_up(
    ownership: Ownership, reason: str | None
) -> None:
    retained = ownership.retains("kv/other", adopting=False)
    assert retained is None if reason is None else str(retained).startswith(reason)


RENAMED = replace(OF_ANOTHER_PATH, tags=(OWN_TAGS[0], (TAG_SOURCE, "old/db")))


def decided(*adopt: str, mounts: tuple[str, ...] = ("kv",)) -> Change | Conflict | None:
    config = replace(CONFIG, adopt=frozenset(adopt))
    configured = tuple(Mount("kv", path) for path in mounts)
    return decide(DESIRED, RENAMED, config, Ownership(complete=True, mounts=configured))


def test_after_a_mount_was_renamed_its_secrets_are_taken_over_where_that_is_configured() -> None:
    """Otherwise two mounts that look alike could overwrite each other's secrets; the conflict says how."""
    refused = decided()
    assert isinstance(refused, Conflict)
    assert "BEANVAULT_ADOPT" in refused.reason
    assert isinstance(decided("shop/db"), Update)
    assert not isinstance(decided("shop/db"), Adopt)


@pytest.mark.parametrize("adopt", [(), ("shop/db",)])
def test_a_path_that_was_deleted_has_given_up_its_name(adopt: tuple[str, ...]) -> None:
    assert isinstance(decided(*adopt, mounts=("kv", "old")), Update)
