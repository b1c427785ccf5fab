"""The rules of rotation that need no server."""

from __future__ import annotations

import datetime as dt

import pytest

from beanvault.rotation.credential import DatabaseCredential, new_password
from beanvault.rotation.database import Version
from beanvault.rotation.static_role import StaticRole, share_a_phase
from replicator.model import Revision

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def role(name: str, seconds: float, period: float) -> StaticRole:
    return StaticRole(
        name, name, Revision(f"database/{name}", 0, ""), NOON + dt.timedelta(seconds=seconds), period
    )


def test_a_password_never_shows() -> None:
    assert "secret" not in repr(DatabaseCredential("app_blue", "secret"))


def test_passwords_differ_and_satisfy_the_usual_policies() -> None:
    made = {new_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        assert password.isalnum()
        assert any(c.islower() for c in password)
        assert any(c.isupper() for c in password)
        assert any(c.isdigit() for c in password)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ((0, 3600), (10, 3600), True),
        ((0, 3600), (1800, 3600), False),
        ((0, 3600), (3590, 3600), True),  # ten seconds before the other's next one
        ((0, 3600), (7200 + 1800, 3600), False),
        ((0, 3600), (1800, 7200), False),  # every second time of the first is half an hour away
        ((0, 3600), (1500, 2400), True),  # unequal periods meet some day
        ((0, 3600), (0, 0), False),  # Vault doesn't rotate the other by itself
    ],
)
def test_two_roles_share_a_phase_when_their_rotations_come_close_some_day(
    one: tuple[float, float], other: tuple[float, float], shared: bool
) -> None:
    assert share_a_phase([role("a", *one), role("b", *other)], overlap=600) is shared


@pytest.mark.parametrize(
    ("version", "has_them"),
    [
        (Version(mariadb=False, number=(8, 0, 13)), False),
        (Version(mariadb=False, number=(8, 0, 14)), True),
        (Version(mariadb=False, number=(8, 4, 3)), True),
        (Version(mariadb=True, number=(10, 3, 39)), False),
        (Version(mariadb=True, number=(10, 11, 6)), True),
    ],
)
def test_dual_passwords_are_known_by_the_version(version: Version, has_them: bool) -> None:
    assert version.dual_passwords is has_them
