"""The rotation benchmark still works: a short scenario and its control, and what it says of their results."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from testbed.benchmarks.deployment import BenchmarkDeployment, NotSettled
from testbed.benchmarks.rotation import SCENARIOS, Scenario, ScenarioResult, measure, report, table
from testbed.load import LoadSummary, RequestOutcome, quantile

RATE, SECONDS = 20.0, 12.0


@pytest.fixture(scope="module")
def place() -> Iterator[BenchmarkDeployment]:
    """A deployment whose credential is a static role, which has both the app and its control."""
    # A short path: a socket's has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name, ExitStack() as end:
        yield BenchmarkDeployment.start(Path(name), end, lambda _: None, static=True)


def scenario(*, control: bool) -> Scenario:
    return next(each for each in SCENARIOS if each.static and each.control is control and each.delay == 0)


def test_a_static_role_is_rotated_without_a_failed_request(place: BenchmarkDeployment) -> None:
    """The load is made in full, connections are replaced, and the new credential comes into use."""
    result = measure(place, scenario(control=False), RATE, SECONDS)
    assert (result.tally.requests, result.tally.failed) == (RATE * SECONDS, 0)
    assert result.used is not None


def test_the_control_fails_requests(place: BenchmarkDeployment) -> None:
    """Without the credential layer the same rotation is an outage, and the benchmark sees it."""
    result = measure(place, scenario(control=True), RATE, SECONDS)
    assert result.tally.failed > 0
    assert result.wrong() == []


def test_a_result_says_what_is_wrong() -> None:
    """Each rule is broken by itself; the control has one rule, and that is the reverse."""
    outcomes = [RequestOutcome(number / 10, 0.0, 0.01, "") for number in range(100)]
    killing = next(each for each in SCENARIOS if each.kill and not each.control and each.delay == 2)
    good = ScenarioResult(killing, 100, LoadSummary.of(outcomes), 10.0, 3.0, 8)
    assert good.wrong() == []
    failed = [*outcomes[1:], RequestOutcome(0.0, 0.0, 0.01, "HTTP 503")]
    for bad, word in (
        (replace(good, tally=LoadSummary.of(failed)), "failed"),
        (replace(good, used=None), "wasn't used"),
        (replace(good, used=7.1), "more than 7 s"),
        (replace(good, asked=200), "too few"),
        (replace(good, killed=0), "no connection was killed"),
    ):
        (problem,) = bad.wrong()
        assert word in problem
    control = replace(good, scenario=replace(killing, control=True))
    assert len(control.wrong()) == 1
    assert replace(control, tally=LoadSummary.of(failed)).wrong() == []
    assert table([good, control], 10, 10).row_count == 2


def test_what_was_measured_is_told_although_a_later_scenario_fails() -> None:
    """An hour's figures aren't lost with the one that couldn't be taken."""
    alternating = SCENARIOS[0]
    result = ScenarioResult(
        alternating, 1, LoadSummary.of([RequestOutcome(0.0, 0.0, 0.01, "")]), 10.0, 1.0, 0
    )

    def found() -> Iterator[ScenarioResult]:
        yield result
        raise NotSettled("never")

    out = Console(file=io.StringIO(), width=170)
    with pytest.raises(NotSettled):
        report(found(), 10, 10, out)
    assert alternating.name in out.file.getvalue()  # type: ignore[attr-defined]  # the one given above


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_quantile_is_one_of_the_values(share: float, expected: int) -> None:
    """The smallest that so many of a hundred don't exceed."""
    assert quantile(list(range(100, 0, -1)), share) == expected
