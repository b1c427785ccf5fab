"""All controls, one after the other, and what came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ..aws import FAILURES, explained
from . import database, edge, network, platform, replication, roles, storage
from .live import AccountState, ResourceMissing
from .model import Control, Finding, Observation, Status

AREAS: Mapping[str, tuple[Control, ...]] = MappingProxyType(
    {
        "Network": network.CONTROLS,
        "Edge": edge.CONTROLS,
        "Application": platform.CONTROLS,
        "Storage, keys and logs": storage.CONTROLS,
        "Database": database.CONTROLS,
        "Replication and alerts": replication.CONTROLS,
        "Roles": roles.CONTROLS,
    }
)
CONTROLS: tuple[Control, ...] = tuple(control for controls in AREAS.values() for control in controls)


def verify(live: AccountState, only: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Yield a finding for each control and resource; one that AWS refuses to answer is unknown."""
    for area, controls in AREAS.items():
        for control in controls:
            if not only or control.id in only:
                remedy = control.remedy.replace("NAME", live.file.name)
                for status, resource, evidence in _results(control, live):
                    yield Finding(
                        area, control.id, control.title, control.severity, status, resource, evidence, remedy
                    )


def _results(control: Control, live: AccountState) -> Iterator[tuple[Status, str, str]]:
    """Yield status, resource and evidence; what was seen before something couldn't be asked stays told."""
    any_seen = False
    try:
        for seen in control.look(live):
            any_seen = True
            yield _result(seen)
    except FAILURES as error:
        yield Status.UNKNOWN, "", str(explained(error))
    except ResourceMissing as error:
        yield Status.UNKNOWN, "", str(error)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # One answer of an unforeseen shape must not keep the other controls from being asked.
        yield Status.UNKNOWN, "", f"AWS's answer has an unforeseen shape: {error!r}"
    else:
        if not any_seen:
            yield Status.NOT_APPLICABLE, "", "there is nothing it applies to"


def _result(seen: Observation) -> tuple[Status, str, str]:
    if seen.ok:
        return Status.PASS, seen.resource, seen.evidence
    if seen.chosen:
        return Status.NOT_APPLICABLE, seen.resource, f"{seen.evidence}; the deployment file asks for that"
    return Status.FAIL, seen.resource, seen.evidence
