"""Who keeps the name of a secret when its mount has another name."""

from __future__ import annotations

import pytest

from replicator.config import Config, Mount
from replicator.model import (
    TAG_OWNER,
    TAG_SOURCE,
    Change,
    Conflict,
    DesiredSecret,
    Revision,
    TargetSecret,
    Update,
)
from replicator.plan import Ownership, decide

REVISION = Revision("new/db", 2, "2026-11-23T10:00:00Z")
WANTED = DesiredSecret("shop/db", REVISION, REVISION.version_id("shop"), "json", None, ())
HELD = TargetSecret("shop/db", "arn", "earlier", tags=((TAG_OWNER, "shop"), (TAG_SOURCE, "old/db")))


def decided(*adopt: str, mounts: tuple[str, ...] = ("new/",)) -> Change | Conflict | None:
    config = Config("shop-connection", (Mount("kv", "new"),), "shop", "shop", adopt=frozenset(adopt))
    return decide(WANTED, HELD, config, Ownership(complete=True, mounts=mounts))


def test_after_a_mount_was_renamed_its_secrets_are_taken_over_where_that_is_asked_for() -> None:
    """Otherwise two mounts that look alike could overwrite each other's secrets; the conflict tells how."""
    refused = decided()
    assert isinstance(refused, Conflict)
    assert "BEANVAULT_ADOPT" in refused.reason
    assert isinstance(decided("shop/db"), Update)


@pytest.mark.parametrize("adopt", [(), ("shop/db",)])
def test_a_path_that_is_gone_has_given_its_name_up(adopt: tuple[str, ...]) -> None:
    assert isinstance(decided(*adopt, mounts=("new/", "old/")), Update)
