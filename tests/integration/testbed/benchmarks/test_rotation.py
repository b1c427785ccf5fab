"""Story of testbed/benchmarks/rotation.py, testbed/benchmarks/deployment.py
and testbed/benchmarks/plain_app.py.

The rotation benchmark works: a short scenario, its control, and the problems in their results.
"""

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
from testbed.demo.load import LoadSummary, RequestOutcome, quantile

RATE, SECONDS = 20.0, 12.0


@pytest.fixture(scope="module")
def deployment() -> Iterator[BenchmarkDeployment]:
    """A deployment whose credential is a static role: the scenario and its control both use it."""
    # A short path: a socket's has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name, ExitStack() as end:
        yield BenchmarkDeployment.start(Path(name), end, lambda _: None, static=True)


def scenario(*, control: bool) -> Scenario:
    return next(each for each in SCENARIOS if each.static and each.control is control and each.delay == 0)


def test_a_static_role_is_rotated_without_a_failed_request(deployment: BenchmarkDeployment) -> None:
    """All requests are sent, connections are replaced, and the new credential is used."""
    result = measure(deployment, scenario(control=False), RATE, SECONDS)
    assert (result.load.requests, result.load.failed) == (RATE * SECONDS, 0)
    assert result.seconds_to_use is not None


def test_the_control_fails_requests(deployment: BenchmarkDeployment) -> None:
    """Without the credential layer the same rotation is an outage, and the benchmark notices it."""
    result = measure(deployment, scenario(control=True), RATE, SECONDS)
    assert result.load.failed > 0
    assert result.problems() == []


def test_a_result_names_its_problem() -> None:
    """Each rule is broken alone; the control has one rule, the opposite of the first."""
    outcomes = [RequestOutcome(number / 10, 0.0, 0.01, "") for number in range(100)]
    killing = next(each for each in SCENARIOS if each.kill and not each.control and each.delay == 2)
    good = ScenarioResult(killing, 100, LoadSummary.of(outcomes), 10.0, 3.0, 8)
    assert good.problems() == []
    failed = [*outcomes[1:], RequestOutcome(0.0, 0.0, 0.01, "HTTP 503")]
    for bad, word in (
        (replace(good, load=LoadSummary.of(failed)), "failed"),
        (replace(good, seconds_to_use=None), "was not used"),
        (replace(good, seconds_to_use=7.1), "more than 7 s"),
        (replace(good, due=200), "too few"),
        (replace(good, killed=0), "no connection was killed"),
    ):
        (problem,) = bad.problems()
        assert word in problem
    control = replace(good, scenario=replace(killing, control=True))
    assert len(control.problems()) == 1
    assert replace(control, load=LoadSummary.of(failed)).problems() == []
    assert table([good, control], 10, 10).row_count == 2


def test_results_are_printed_although_a_later_scenario_fails() -> None:
    """An hour's measurements are not lost with the one that failed."""
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
    """The smallest value that this share of a hundred values does not exceed."""
    assert quantile(list(range(100, 0, -1)), share) == expected
