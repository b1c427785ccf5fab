"""Vault's times: RFC 3339 with an offset or `Z`, and up to nine decimals, of which final zeros are cut."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DECIMALS = re.compile(r"\.(\d+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_nanoseconds(text: str) -> int:
    """Return a time as exact nanoseconds since 1970, which a `datetime` can't hold.

    Raises:
        ValueError: *text* is not a time with an offset.
    """
    decimals = _DECIMALS.search(text)
    whole = datetime.fromisoformat(_DECIMALS.sub("", text, count=1))
    if whole.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    seconds = (whole - _EPOCH) // timedelta(seconds=1)
    fraction = decimals[1][:9].ljust(9, "0") if decimals else "0"
    return seconds * 1_000_000_000 + int(fraction)


def parse_time(text: str) -> datetime:
    """Return a time in UTC, cut to microseconds.

    Raises:
        ValueError: *text* is not a time with an offset.
    """
    return _EPOCH + timedelta(microseconds=parse_nanoseconds(text) // 1000)
