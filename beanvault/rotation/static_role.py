"""Vault's own rotation: static roles of its database engine, of which two never change at once.

A static role has one password, so between the rotation and its replication new logins fail unless the app
requests a refresh and waits. With two roles, each for one user, one is rotated only when the other's password
has been replicated for the overlap: an app that can use either always has a valid one. Vault's scheduled
rotations of the two must not coincide either. Each rotation here moves one of them, so each ends with a
warning if they will.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import hvac

from replicator.model import Revision
from replicator.timestamps import parse_time

from ..vault.answers import Answer
from ..vault.errors import VaultError, explained
from .credential import DatabaseCredential
from .rotation_context import RotationContext, RotationResult


@dataclass(frozen=True, slots=True)
class StaticRole:
    """A static role as Vault describes it, without its password."""

    name: str
    username: str
    revision: Revision
    rotated: dt.datetime
    period_seconds: int
    """Between Vault's scheduled rotations; 0 without a period."""


@dataclass(frozen=True, slots=True)
class DatabaseEngine:
    """A mount of the database engine."""

    client: hvac.Client
    mount: str
    added: tuple[tuple[str, str], ...] = ()
    """Keys and values that the replicator adds to the engine's credentials."""

    def role(self, name: str) -> StaticRole:
        data = self._read(f"static-roles/{name}")
        if not data.fields.get("last_vault_rotation"):
            raise VaultError(
                f"{self.mount}/{name} was never rotated by Vault",
                f"rotate it once: vault write -f {self.mount}/rotate-role/{name}",
            )
        stamp = data.text("last_vault_rotation")
        # The added keys are part of the revision's identity, as in the replicator's own source.
        revision = Revision(f"{self.mount}/{name}", 0, stamp, shape=urlencode(self.added))
        period = data.number("rotation_period") if data.fields.get("rotation_period") else 0
        return StaticRole(name, data.text("username"), revision, parse_time(stamp), period)

    def rotate(self, name: str) -> None:
        with explained(f"the rotation of {self.mount}/{name}"):
            self.client.write_data(f"{self.mount}/rotate-role/{name}", data={})

    def credential(self, name: str) -> DatabaseCredential:
        data = self._read(f"static-creds/{name}")
        return DatabaseCredential(data.text("username"), data.text("password"))

    def _read(self, path: str) -> Answer:
        request = f"a read of {self.mount}/{path}"
        with explained(request):
            raw = self.client.read(f"{self.mount}/{path}")
        if raw is None:
            raise VaultError(f"{self.mount}/{path} does not exist", "create the static role first")
        return Answer.of(raw, request)


def rotate(context: RotationContext, engine: DatabaseEngine, roles: Sequence[str]) -> RotationResult:
    """Rotate the role in *roles* that Vault rotated longest ago.

    Raises:
        TooSoon: another role's password was replicated within the overlap, so an app may not know it yet
        BeanvaultError: another named one
    """
    name, resumed = context.wait_or_raise(lambda: _rotate(context, engine, roles))
    context.verify_login(engine.credential(name))
    role = engine.role(name)
    result = context.wait_until_current(role.revision, role.username, resumed=resumed)
    if rotations_coincide([engine.role(name) for name in roles], context.overlap_seconds):
        context.ui.step(
            f"warning: Vault will eventually rotate two of {', '.join(roles)} within "
            f"{context.overlap_seconds:.0f} s of each other; give both the same period, and rotate one half "
            "a period after the other"
        )
    return result


def _rotate(context: RotationContext, engine: DatabaseEngine, roles: Sequence[str]) -> tuple[str, bool]:
    """Return the rotated role, and whether an interrupted run rotated it."""
    oldest, *others = sorted((engine.role(name) for name in roles), key=lambda role: role.rotated)
    for role in (oldest, *others):
        if not context.replication.is_current(role.revision):
            context.ui.step(f"{role.revision.source} is not replicated yet: completing that first")
            return role.name, True
    for other in others:
        name = context.replication.desired(other.revision).name
        context.require_overlap(name, f"an app may not know {other.username}'s new password yet,")
    engine.rotate(oldest.name)
    return oldest.name, False


def rotations_coincide(roles: Sequence[StaticRole], overlap_seconds: float) -> bool:
    """Return whether Vault will eventually rotate two of *roles* within *overlap_seconds* of each other."""
    for index, one in enumerate(roles):
        for other in roles[index + 1 :]:
            if not one.period_seconds or not other.period_seconds:
                continue  # Vault doesn't rotate one of them on a schedule
            # Two periodic series come as close as their distance modulo the common divisor of their periods.
            common = math.gcd(one.period_seconds, other.period_seconds)
            distance = abs((one.rotated - other.rotated).total_seconds()) % common
            if min(distance, common - distance) < overlap_seconds:
                return True
    return False
