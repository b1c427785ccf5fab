"""Attempts and the pauses between them."""

from __future__ import annotations

from beanvault.polling import PollingClock, attempts


def test_the_last_attempt_comes_after_the_time_is_over_and_pauses_grow() -> None:
    passed, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        passed[0] += seconds

    passed_at = list(attempts(PollingClock(lambda: passed[0], sleep), seconds=10, first=0.2, longest=3))
    assert passed_at[0] == 0
    assert passed_at[-1] >= 10
    assert passed_at[-2] < 10
    assert pauses[0] < 0.3
    assert max(pauses) <= 3 * 1.2
