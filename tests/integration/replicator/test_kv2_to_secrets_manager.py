"""What happens to a path of KV v2, from OpenBao to Secrets Manager."""

from __future__ import annotations

import json
from typing import Any


def test_a_nested_path_becomes_a_secret_and_a_second_run_does_nothing(bench: Any) -> None:
    bench.write("app/database", username="app", password="pw-canary-1")
    bench.write("a/b/c/d/e", deep="pw-canary-2")
    first = bench.run()
    assert first.healthy, list(first.problems())
    assert {"username": "app", "password": "pw-canary-1"} == json.loads(bench.value("app/database"))
    assert {"deep": "pw-canary-2"} == json.loads(bench.value("a/b/c/d/e"))
    second = bench.run()
    assert (second.healthy, second.outcomes, second.unchanged) == (True, [], 2)


def test_a_new_version_becomes_current(bench: Any) -> None:
    bench.write("app/database", password="old-canary")
    bench.run()
    bench.write("app/database", password="new-canary")
    assert 1 == bench.run().counts()["Updated"]
    assert {"password": "new-canary"} == json.loads(bench.value("app/database"))
    assert "2" == bench.tags("app/database")["beanvault:version"]
    assert [] == bench.run().outcomes
