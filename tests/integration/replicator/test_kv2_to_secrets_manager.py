"""What happens to a path of KV v2, from OpenBao to Secrets Manager."""

from __future__ import annotations

import json
from typing import Any


def test_a_nested_path_becomes_a_secret_and_a_second_run_does_nothing(bench: Any) -> None:
    bench.write("app/database", username="app", password="pw-canary-1")
    bench.write("a/b/c/d/e", deep="pw-canary-2")
    first = bench.run()
    assert first.healthy, list(first.problems())
    assert json.loads(bench.value("app/database")) == {"username": "app", "password": "pw-canary-1"}
    assert json.loads(bench.value("a/b/c/d/e")) == {"deep": "pw-canary-2"}
    second = bench.run()
    assert (second.healthy, second.outcomes, second.unchanged) == (True, [], 2)


def test_a_new_version_becomes_current(bench: Any) -> None:
    bench.write("app/database", password="old-canary")
    bench.run()
    bench.write("app/database", password="new-canary")
    assert bench.run().counts()["Updated"] == 1
    assert json.loads(bench.value("app/database")) == {"password": "new-canary"}
    assert bench.tags("app/database")["beanvault:version"] == "2"
    assert bench.run().outcomes == []
