"""The control of the engine's series, which RDS lets nobody take back."""

from __future__ import annotations

import pytest

from beanvault.verify.checks.database import is_supported
from templates.aws_versions import DATABASE_ENGINE_VERSION

SERIES = DATABASE_ENGINE_VERSION.in_use


@pytest.mark.parametrize(
    ("version", "ok"),
    [
        (SERIES, True),
        (f"{SERIES}.7", True),
        (f"{SERIES}.17", True),
        (f"{SERIES}0.1", False),
        ("5.7.44", False),
        ("", False),
    ],
)
def test_minor_versions_of_the_series_are_supported(version: str, ok: bool) -> None:
    assert is_supported(version) is ok
