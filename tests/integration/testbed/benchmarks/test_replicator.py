"""Story of testbed/benchmarks/replicator.py, testbed/benchmarks/replicator_environment.py and
testbed/benchmarks/secretsmanager.py.

The replicator's benchmark works: its parts with few secrets. Calls are asserted, never a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.benchmarks.replicator import Results, bulk, single_reads, unchanged
from testbed.benchmarks.replicator_environment import ReplicatorEnvironment, environment

COUNT = 110
"""More than a page of secrets, and enough that one per cent of them is one."""


@pytest.fixture(scope="module")
def env() -> Iterator[ReplicatorEnvironment]:
    with environment() as made:
        yield made


def calls(results: Results) -> dict[str, str]:
    """Return for each line of the table that counts calls whether it keeps its limit."""
    what, *_, kept = (list(column.cells) for column in results.table.columns)
    lines = zip(map(str, what), map(str, kept), strict=True)
    return {name: answer for name, answer in lines if name.endswith("calls")}


def test_an_unchanged_run_keeps_the_limits_of_calls(env: ReplicatorEnvironment) -> None:
    """After a first run under quotas; then the one changed secret is updated."""
    results = Results()
    bulk(env, COUNT, results, lambda _: None)
    limits = {f"unchanged run of {COUNT}: {side} calls": "yes" for side in ("AWS", "Vault")}
    assert calls(results) == limits
    assert results.table.row_count == len(limits) + 4


def test_single_reads_are_one_call_a_secret(env: ReplicatorEnvironment) -> None:
    results = Results()
    single_reads(env, COUNT, results, lambda _: None)
    assert results.table.row_count == 1


def test_a_run_that_does_not_do_what_is_measured_ends_the_benchmark(env: ReplicatorEnvironment) -> None:
    """Negative control of the others."""
    with pytest.raises(SystemExit, match=f"expected {COUNT + 1} unchanged secrets"):
        unchanged(env, f"single{COUNT}", COUNT + 1, 60.0, Results(), lambda _: None)


def test_a_line_over_its_limit_is_reported() -> None:
    results = Results()
    results.add("a run: AWS calls", 7, 6, "")
    assert (calls(results), results.exceeded) == ({"a run: AWS calls": "NO"}, 1)
