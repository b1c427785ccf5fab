"""Story of testbed/benchmarks/credentials.py and testbed/benchmarks/side_by_side.py.

The credential layer's benchmark works: both parts with few requests, and the formula.
"""

from __future__ import annotations

import random

import pytest

from testbed.benchmarks.credentials import (
    SIDE_BY_SIDE,
    WORKERS,
    Ratio,
    benchmark,
    calls_an_hour,
    counted,
    interleaved,
    ratio,
)


def test_both_apps_answer_in_turns_and_their_ratio_is_made() -> None:
    """The three share a process and a database; any status but 200 ends the benchmark."""
    with benchmark(lambda _: None) as env:
        seconds = interleaved(env.app(SIDE_BY_SIDE, env.aws.endpoint, workers=1), 60)
    assert [len(each) for each in seconds] == [60, 60, 60]
    made = ratio(seconds[0], seconds[1], 0.5)
    assert 0 < made.low <= made.value <= made.high


def test_the_app_reads_the_secret_as_often_as_the_formula_says() -> None:
    """With a TTL of a second each process makes about one call a second, and reads no value again."""
    with benchmark(lambda _: None) as env:
        operations = counted(env, (1,), 10.0, lambda _: None)[1]
    expected = WORKERS * calls_an_hour(1) * 10 / 3600
    assert set(operations) == {"DescribeSecret"}
    assert operations["DescribeSecret"] == pytest.approx(expected, rel=0.6)


def test_the_default_time_to_live_takes_80_calls_an_hour() -> None:
    """60 s: a call every 30 to 60 seconds. 1 s: a call after one or two beats of half a second."""
    assert calls_an_hour(60) == pytest.approx(3600 / 45)
    assert calls_an_hour(1) == pytest.approx(3600 / 0.75)


def test_a_ratio_finds_a_difference_and_no_difference() -> None:
    """5 % more is distinguished from no difference if the noise is a tenth of that."""
    noise = random.Random(1)
    base = [noise.gauss(1.0, 0.005) for _ in range(2000)]
    same, slower = [noise.gauss(1.0, 0.005) for _ in base], [noise.gauss(1.05, 0.005) for _ in base]
    found, nothing = ratio(slower, base, 0.5), ratio(same, base, 0.5)
    assert found.low > 1.02
    assert nothing.low <= 1.0 <= nothing.high < 1.02
    assert (found.within(1.02), nothing.within(1.02)) == ("NO", "yes")
    assert Ratio(1.0, 0.9, 1.1).within(1.02) == "not shown"
