"""The identity of a write: equal for the same write, different for any other."""

from __future__ import annotations

import dataclasses
from uuid import UUID

from replicator.model import Revision

WRITE = Revision("kv/app", 3, "2026-01-01T00:00:00Z")


def test_the_same_write_has_the_same_version_id_for_ever() -> None:
    """A changed id would make every secret of every deployment look changed after an upgrade."""
    assert WRITE.version_id("shop") == "708fcbb0-c5a3-5371-ad7f-21b72e81f958"


def test_it_is_a_token_that_secrets_manager_takes() -> None:
    assert 32 <= len(str(UUID(WRITE.version_id("shop")))) <= 64


def test_another_write_path_owner_or_form_is_another_version() -> None:
    others = [
        dataclasses.replace(WRITE, version=4).version_id("shop"),
        dataclasses.replace(WRITE, created_time="2026-01-01T00:00:01Z").version_id("shop"),
        dataclasses.replace(WRITE, source="kv/other").version_id("shop"),
        dataclasses.replace(WRITE, shape="host=db").version_id("shop"),
        WRITE.version_id("shop", "plain"),
        WRITE.version_id("other"),
    ]
    assert len({WRITE.version_id("shop"), *others}) == 7


def test_choices_that_do_not_touch_the_value_make_no_new_version() -> None:
    chosen = dataclasses.replace(WRITE, custom=(("aws-tag-team", "blue"),))
    assert chosen.version_id("shop") == WRITE.version_id("shop")
