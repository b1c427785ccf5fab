"""The status of each secret: what a run would do to it, or what is wrong with it."""

from __future__ import annotations

import pytest

from beanvault.replication.status import SecretStatus, secret_statuses
from replicator.contract.summary import ChangeSummary, Count, Problem, ProblemKind, RunSummary, SkippedSource
from tests.unit.beanvault.answers import Answer, playing


def listed(name: str, source: str, version: str = "2", owner: str = "shop") -> dict[str, object]:
    tags = {"beanvault:owner": owner, "beanvault:source": source, "beanvault:version": version}
    return {"Name": name, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def summary(
    *problems: Problem,
    changes: tuple[ChangeSummary, ...] = (),
    skipped: tuple[SkippedSource, ...] = (),
) -> RunSummary:
    return RunSummary(True, True, dict.fromkeys(Count, 0), 0, 0.0, changes, skipped, problems)


def statuses(found: RunSummary | None, *secrets: dict[str, object]) -> tuple[SecretStatus, ...]:
    aws = playing(secrets_manager_ListSecrets=[Answer({"SecretList": list(secrets)})])
    return secret_statuses(aws, "shop", "shop", found)


def test_a_secret_is_current_where_a_run_would_not_change_it() -> None:
    (found,) = statuses(summary(), listed("shop/db", "kv/db"))
    assert found == SecretStatus("shop/db", "kv/db", "2", "2", None, "current")


def test_without_a_comparison_only_the_target_is_shown() -> None:
    (found,) = statuses(None, listed("shop/db", "kv/db"), listed("shop/api", "kv/api", owner="other"))
    assert found == SecretStatus("shop/db", "kv/db", "", "2", None, "not compared")


def test_a_change_shows_the_version_in_vault() -> None:
    change = ChangeSummary("update", "shop/db", "kv/db", "3", "")
    (found,) = statuses(summary(changes=(change,)), listed("shop/db", "kv/db"))
    assert found == SecretStatus("shop/db", "kv/db", "3", "2", None, "update")


def test_paths_without_a_secret_and_the_run_have_lines_of_their_own() -> None:
    problems = (
        Problem(ProblemKind.RUN, "", "UnsafePlan", "3 of 4 would be deleted"),
        Problem(ProblemKind.RUN, "", "TargetDenied", "no right"),
        Problem(ProblemKind.SOURCE, "kv/team/", "SourceDenied", "no right to list"),
    )
    found = statuses(summary(*problems, skipped=(SkippedSource("kv/off", "replicate=false"),)))
    assert [(line.source, line.state) for line in found] == [
        ("the run", "UnsafePlan: 3 of 4 would be deleted; TargetDenied: no right"),
        ("kv/off", "replicate=false"),
        ("kv/team/", "SourceDenied: no right to list"),
    ]


@pytest.mark.parametrize("source", ["kv/=FF", "kv/é", "kv/日"])
def test_a_source_tag_that_a_person_edited_is_shown_as_none(source: str) -> None:
    conflict = Problem(ProblemKind.CONFLICT, "shop/db", "Conflict", "kv/db: the secret belongs to shop")
    (found,) = statuses(summary(conflict), listed("shop/db", source))
    assert (found.source, found.state) == ("", "Conflict: kv/db: the secret belongs to shop")


def test_a_source_is_shown_plain() -> None:
    (found,) = statuses(summary(), listed("shop/my=20app", "kv/my=20app"))
    assert found.source == "kv/my app"
