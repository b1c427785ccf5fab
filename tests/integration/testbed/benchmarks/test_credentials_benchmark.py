"""The credential layer's benchmark still works: both parts, in short, and the formula."""

from __future__ import annotations

import random

import pytest

from testbed.benchmarks.credentials import (
    SIDE_BY_SIDE,
    WORKERS,
    Ratio,
    bench,
    calls_an_hour,
    counted,
    interleaved,
    ratio,
)


def test_both_apps_answer_in_turns_and_their_ratio_is_made() -> None:
    """The three share a process and a database; every answer is 200, or the benchmark ends."""
    with bench(lambda _: None) as at:
        seconds = interleaved(at.app(SIDE_BY_SIDE, at.aws.endpoint, workers=1), 60)
    assert [len(each) for each in seconds] == [60, 60, 60]
    made = ratio(seconds[0], seconds[1], 0.5)
    assert 0 < made.low <= made.value <= made.high


def test_the_app_reads_the_secret_as_often_as_the_formula_says() -> None:
    """With a time to live of a second each process looks about once a second, and reads no value again."""
    with bench(lambda _: None) as at:
        operations = counted(at, (1,), 10.0, lambda _: None)[1]
    expected = WORKERS * calls_an_hour(1) * 10 / 3600
    assert set(operations) == {"DescribeSecret"}
    assert operations["DescribeSecret"] == pytest.approx(expected, rel=0.6)


def test_the_default_time_to_live_costs_next_to_nothing() -> None:
    """Between 30 and 60 seconds; of one second, at once or after all of it, but not between two beats."""
    assert calls_an_hour(60) == pytest.approx(3600 / 45)
    assert calls_an_hour(1) == pytest.approx(3600 / 0.75)


def test_a_ratio_finds_a_difference_and_no_difference() -> None:
    """A twentieth more is told from nothing where the noise is a tenth of it."""
    noise = random.Random(1)
    base = [noise.gauss(1.0, 0.005) for _ in range(2000)]
    same, slower = [noise.gauss(1.0, 0.005) for _ in base], [noise.gauss(1.05, 0.005) for _ in base]
    found, nothing = ratio(slower, base, 0.5), ratio(same, base, 0.5)
    assert found.low > 1.02
    assert nothing.low <= 1.0 <= nothing.high < 1.02
    assert (found.within(1.02), nothing.within(1.02)) == ("NO", "yes")
    assert Ratio(1.0, 0.9, 1.1).within(1.02) == "not shown"
