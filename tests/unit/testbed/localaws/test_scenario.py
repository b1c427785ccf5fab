"""What a test tells the local AWS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.localaws import scenario


def test_without_a_word_the_world_is_as_the_services_say(tmp_path: Path) -> None:
    assert scenario.current(tmp_path) == scenario.LocalAwsScenario()


def test_a_change_counts_at_the_next_call_and_a_typing_error_is_one(tmp_path: Path) -> None:
    (tmp_path / scenario.FILE).write_text(json.dumps({"platform_releases": {"branch": "1.0.1"}}))
    assert scenario.current(tmp_path).platform_releases == {"branch": "1.0.1"}
    (tmp_path / scenario.FILE).write_text(json.dumps({"platform_release": {}}))
    with pytest.raises(TypeError, match="platform_release"):
        scenario.current(tmp_path)
