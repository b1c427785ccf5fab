"""Vault's own rotation: static roles of its database engine, of which never two change at once.

A static role has one password, so between the rotation and its replication new logins fail unless the app
asks for a refresh and waits. With two roles, one a user, one is rotated only when the other's password has
been replicated for the overlap: an app that may use either always has a valid one. Vault's own rotations must
therefore not share a phase; whether they will is told after each of ours, which moves one of them.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import hvac

from replicator.model import Revision
from replicator.timestamps import parse_time

from ..vault.server import VaultError, explained
from .credential import DatabaseCredential
from .rotation_context import RotationContext, RotationResult


@dataclass(frozen=True, slots=True)
class StaticRole:
    """One static role as Vault describes it, without its password."""

    name: str
    username: str
    revision: Revision
    rotated: dt.datetime
    period: float
    """Seconds between Vault's own rotations."""


@dataclass(frozen=True, slots=True)
class DatabaseEngine:
    """A mount of the database engine, and what the replicator adds to its credentials."""

    client: hvac.Client
    mount: str
    adds: tuple[tuple[str, str], ...] = ()

    def role(self, name: str) -> StaticRole:
        data = self._read(f"static-roles/{name}")
        if not data.get("last_vault_rotation"):
            raise VaultError(
                f"{self.mount}/{name} was never rotated by Vault", "rotate it once: `vault write -f …`"
            )
        # Its shape is part of the revision's identity, just as in the replicator's own source.
        stamp = str(data["last_vault_rotation"])
        revision = Revision(f"{self.mount}/{name}", 0, stamp, shape=urlencode(self.adds))
        return StaticRole(
            name, data["username"], revision, parse_time(stamp), float(data["rotation_period"] or 0)
        )

    def rotate(self, name: str) -> None:
        with explained(f"the rotation of {self.mount}/{name}"):
            self.client.write_data(f"{self.mount}/rotate-role/{name}", data={})

    def credential(self, name: str) -> DatabaseCredential:
        data = self._read(f"static-creds/{name}")
        return DatabaseCredential(data["username"], data["password"])

    def _read(self, path: str) -> dict[str, Any]:
        with explained(f"a read of {self.mount}/{path}"):
            answer = self.client.read(f"{self.mount}/{path}")
        if answer is None:
            raise VaultError(f"there is no {self.mount}/{path}", "make the static role first")
        data: dict[str, Any] = answer["data"]
        return data


def rotate(tools: RotationContext, engine: DatabaseEngine, roles: Sequence[str]) -> RotationResult:
    """Rotate that of *roles* which Vault rotated longest ago.

    Raises:
        TooSoon: another of them was replicated within the overlap, so that an app may not know its password
            yet
        BeanvaultError: another named one
    """
    name, resumed = tools.patiently(lambda: _rotate(tools, engine, roles))
    tools.prove(engine.credential(name))
    role = engine.role(name)
    rotated = tools.wait_until_current(role.revision, role.username, resumed=resumed)
    if share_a_phase([engine.role(name) for name in roles], tools.overlap):
        tools.ui.step(
            f"warning: Vault itself will one day rotate two of {', '.join(roles)} within "
            f"{tools.overlap:.0f} s; rotate one half a period after the other, and give both the same period"
        )
    return rotated


def _rotate(tools: RotationContext, engine: DatabaseEngine, roles: Sequence[str]) -> tuple[str, bool]:
    """Return which role was rotated, and whether that was before this run."""
    oldest, *others = sorted((engine.role(name) for name in roles), key=lambda role: role.rotated)
    for role in (oldest, *others):
        if not tools.replication.is_current(role.revision):
            tools.ui.step(f"{role.revision.source} isn't replicated yet: finishing that first")
            return role.name, True
    for other in others:
        name = tools.replication.wanted(other.revision).name
        tools.require_overlap(name, f"an app may not know {other.username}'s new password yet,")
    engine.rotate(oldest.name)
    return oldest.name, False


def share_a_phase(roles: Sequence[StaticRole], overlap: float) -> bool:
    """Return whether Vault will one day rotate two of *roles* within *overlap* seconds of each other."""
    for index, one in enumerate(roles):
        for other in roles[index + 1 :]:
            if not one.period or not other.period:
                continue  # Vault doesn't rotate one of them by itself
            # Two regular series come as close as their distance within the common divisor of their periods.
            common = math.gcd(int(one.period), int(other.period))
            distance = abs((one.rotated - other.rotated).total_seconds()) % common
            if min(distance, common - distance) < overlap:
                return True
    return False
