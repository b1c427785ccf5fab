"""Which schedules fire here, and how often."""

from __future__ import annotations

import pytest

from testbed.localaws.services.events import seconds_of


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(30 minutes)", 1800),
        ("rate(2 hours)", 7200),
        ("rate(1 day)", 86400),
        ("cron(0 12 * * ? *)", None),
        (None, None),
    ],
)
def test_only_rates_have_a_period(expression: str | None, seconds: int | None) -> None:
    """`cron` is taken and never fires."""
    assert seconds_of(expression) == seconds
