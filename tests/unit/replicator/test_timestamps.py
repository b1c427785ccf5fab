"""Vault's times are read in one place: exactly, with any number of decimals, and with their offset."""

from __future__ import annotations

import datetime as dt

import pytest

from replicator.timestamps import parse_nanoseconds, parse_time

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "after_noon"),
    [
        ("2026-01-01T12:00:00Z", dt.timedelta()),
        ("2026-01-01T12:00:00.5Z", dt.timedelta(seconds=0.5)),
        ("2026-01-01T12:00:00.123456789Z", dt.timedelta(microseconds=123456)),
        ("2026-01-01T14:00:00+02:00", dt.timedelta()),
        ("2026-01-01T14:00:00.25+02:00", dt.timedelta(seconds=0.25)),
        ("2026-01-01T14:00:00.123456789+02:00", dt.timedelta(microseconds=123456)),
        ("2026-01-01T06:30:00.5-05:30", dt.timedelta(seconds=0.5)),
        ("2026-01-01t12:00:00z", dt.timedelta()),
    ],
)
def test_a_time_has_any_number_of_decimals_and_an_offset(text: str, after_noon: dt.timedelta) -> None:
    assert parse_time(text) == NOON + after_noon


def test_times_are_compared_to_the_nanosecond() -> None:
    earlier, later = "2026-01-01T12:00:00.123456788Z", "2026-01-01T12:00:00.123456789Z"
    assert parse_nanoseconds(later) - parse_nanoseconds(earlier) == 1
    assert parse_nanoseconds("2026-01-01T12:00:00.1Z") > parse_nanoseconds("2026-01-01T12:00:00.099999999Z")


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "3f2a", "2026-01-01", "2026-01-01T12:00:00", "12:00:00Z", "2026-01-01T12:00:00.Z"),
        *("2026-01-01T12:00:00,5Z", "2026-01-01T12:00:00+02:00:30.5", "٢٠٢٦-01-01T12:00:00Z"),
        *("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00", "2026-13-01T12:00:00Z"),
    ],
)
def test_what_is_not_a_time_with_an_offset_is_refused(text: str) -> None:
    """Without an offset the moment is unknown."""
    with pytest.raises(ValueError):  # noqa: PT011 - each has its own text
        parse_time(text)
