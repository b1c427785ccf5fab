"""Vault's times: RFC 3339 with an offset or `Z`, and up to nine decimals, of which final zeros are cut."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_nanoseconds(text: str) -> int:
    """Return a time as exact nanoseconds since 1970, which a `datetime` can't hold.

    Raises:
        ValueError: *text* is not a time with an offset.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time with an offset from UTC")
    date_and_time, decimals, offset = match.groups()
    whole = datetime.fromisoformat(f"{date_and_time}{offset}".upper())
    seconds = (whole - _EPOCH) // timedelta(seconds=1)
    return seconds * 1_000_000_000 + int((decimals or "")[:9].ljust(9, "0"))


def parse_time(text: str) -> datetime:
    """Return a time in UTC, cut to microseconds.

    Raises:
        ValueError: *text* is not a time with an offset.
    """
    try:
        return _EPOCH + timedelta(microseconds=parse_nanoseconds(text) // 1000)
    except OverflowError:
        raise ValueError(f"{text!r} is not a time that Python's calendar has") from None
