"""The summary of a run: the function writes it, the command line reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from replicator.contract.summary import ChangeSummary, Count, Problem, ProblemKind, RunSummary, SkippedSource

SUMMARY = RunSummary(
    complete=True,
    dry_run=True,
    counts={count: number for number, count in enumerate(Count)},
    deferred=2,
    lag_seconds=1.5,
    changes=(ChangeSummary("update", "shop/db", "kv/db", "3", "the copy was edited"),),
    skipped=(SkippedSource("kv/off", "its custom metadata has replicate=false"),),
    problems=(
        Problem(ProblemKind.RUN, "", "SourceSealed", "Vault is sealed; unseal it"),
        Problem(ProblemKind.CONFLICT, "shop/api", "Conflict", "kv/api: the secret belongs to other"),
    ),
)


def test_a_summary_is_read_from_its_json() -> None:
    assert RunSummary.from_json(json.loads(json.dumps(SUMMARY.as_json()))) == SUMMARY


def test_a_summary_with_a_problem_is_unhealthy() -> None:
    assert not SUMMARY.healthy
    assert SUMMARY.as_json()["healthy"] is False


def test_people_get_a_line_for_each_change_skipped_path_and_problem() -> None:
    assert list(SUMMARY.lines()) == [
        "would update     shop/db  from kv/db  (the copy was edited)",
        "skip       kv/off: its custom metadata has replicate=false",
        "SourceSealed  the run: Vault is sealed; unseal it",
        "Conflict  shop/api: kv/api: the secret belongs to other",
        (
            "0 created, 1 updated, 2 restored, 3 deleted, 4 unchanged, 5 conflicts, 6 skipped, 7 failed, "
            "2 deferred to the next run"
        ),
    ]


@pytest.mark.parametrize(
    "other",
    [
        {},
        None,
        [],
        {"Created": 1},
        SUMMARY.as_json() | {"counts": {}},
        SUMMARY.as_json() | {"problems": [{"kind": "comet", "subject": "", "error": "", "cause": ""}]},
        SUMMARY.as_json() | {"changes": [{"name": "shop/db"}]},
    ],
)
def test_an_answer_of_another_shape_is_refused(other: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
        RunSummary.from_json(other)
