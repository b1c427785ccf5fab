"""The replicator's benchmark still works: its parts in short. Calls are asserted, and never a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.benchmarks.replicator import Results, World, bulk, single_reads, unchanged, world

COUNT = 110
"""More than a page of secrets, and enough that one per cent of them is one."""


@pytest.fixture(scope="module")
def at() -> Iterator[World]:
    with world() as made:
        yield made


def calls(results: Results) -> dict[str, str]:
    """Return whether each line of the table that counts calls keeps its limit."""
    what, *_, holds = (list(column.cells) for column in results.table.columns)
    lines = zip(map(str, what), map(str, holds), strict=True)
    return {name: kept for name, kept in lines if name.endswith("calls")}


def test_an_unchanged_run_keeps_the_limits_of_calls(at: World) -> None:
    """After a first run under quotas; and then the one that was changed is the one that is updated."""
    results = Results()
    bulk(at, COUNT, results, lambda _: None)
    limits = {f"unchanged run of {COUNT}: {side} calls": "yes" for side in ("AWS", "Vault")}
    assert calls(results) == limits
    assert results.table.row_count == len(limits) + 4


def test_single_reads_are_one_call_a_secret(at: World) -> None:
    results = Results()
    single_reads(at, COUNT, results, lambda _: None)
    assert results.table.row_count == 1


def test_a_run_that_does_not_do_what_is_measured_ends_the_benchmark(at: World) -> None:
    """Negative control of the others."""
    with pytest.raises(SystemExit, match=f"{COUNT + 1} were to be unchanged"):
        unchanged(at, f"single{COUNT}", COUNT + 1, 60.0, Results(), lambda _: None)


def test_a_line_over_its_limit_is_told() -> None:
    results = Results()
    results.add("a run: AWS calls", 7, 6, "")
    assert (calls(results), results.broken) == ({"a run: AWS calls": "NO"}, 1)
