"""Story of beanvault/rotation/.

Passwords, versions and schedules of rotation (beanvault.rotation: credential, database, static_role).
"""

from __future__ import annotations

import datetime as dt

import pytest

from beanvault.rotation.credential import DatabaseCredential, generate_password
from beanvault.rotation.database import Version
from beanvault.rotation.static_role import StaticRole, rotations_coincide
from replicator.model import Revision

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def role(name: str, seconds: float, period: int) -> StaticRole:
    return StaticRole(
        name, name, Revision(f"database/{name}", 0, ""), NOON + dt.timedelta(seconds=seconds), period
    )


def test_a_password_is_not_in_the_repr() -> None:
    assert "secret" not in repr(DatabaseCredential("app_blue", "secret"))


def test_generated_passwords_differ_and_satisfy_common_policies() -> None:
    passwords = {generate_password() for _ in range(50)}
    assert len(passwords) == 50
    for password in passwords:
        assert password.isalnum()
        assert any(c.islower() for c in password)
        assert any(c.isupper() for c in password)
        assert any(c.isdigit() for c in password)


@pytest.mark.parametrize(
    ("one", "other", "coincide"),
    [
        ((0, 3600), (10, 3600), True),
        ((0, 3600), (1800, 3600), False),
        ((0, 3600), (3590, 3600), True),  # ten seconds before the other's next rotation
        ((0, 3600), (7200 + 1800, 3600), False),
        ((0, 3600), (1800, 7200), False),  # every second rotation of the first is half an hour away
        ((0, 3600), (1500, 2400), True),  # different periods eventually meet
        ((0, 3600), (0, 0), False),  # Vault doesn't rotate the other on a schedule
    ],
)
def test_two_roles_coincide_if_their_scheduled_rotations_will_come_within_the_overlap(
    one: tuple[float, int], other: tuple[float, int], coincide: bool
) -> None:
    assert rotations_coincide([role("a", *one), role("b", *other)], overlap_seconds=600) is coincide


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        (Version(mariadb=False, number=(8, 0, 13)), False),
        (Version(mariadb=False, number=(8, 0, 14)), True),
        (Version(mariadb=False, number=(8, 4, 3)), True),
        (Version(mariadb=True, number=(10, 3, 39)), False),
        (Version(mariadb=True, number=(10, 11, 6)), True),
    ],
)
def test_support_for_dual_passwords_depends_on_the_version(version: Version, supported: bool) -> None:
    assert version.dual_passwords is supported
