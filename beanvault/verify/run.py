"""All controls, one after the other, and what came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ..aws import FAILURES, explained
from . import database, edge, network, platform, replication, roles, storage
from .live import Live, Missing
from .model import Control, Finding, Status

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


def verify(live: Live, only: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Yield a finding for each control and resource; a control that can't be asked is unknown, with AWS's
    words.
    """
    for area, control in ((area, control) for area, controls in AREAS.items() for control in controls):
        if only and control.id not in only:
            continue

        def finding(
            status: Status, resource: str, evidence: str, area: str = area, control: Control = control
        ) -> Finding:
            return Finding(
                area, control.id, control.title, control.severity, status, resource, evidence, control.remedy
            )

        try:
            seen = list(control.look(live))
        except FAILURES as error:
            yield finding(Status.UNKNOWN, "", str(explained(error)))
        except Missing as error:
            yield finding(Status.UNKNOWN, "", str(error))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # One answer of an unforeseen shape must not keep the other controls from being asked.
            yield finding(Status.UNKNOWN, "", f"AWS's answer has an unforeseen shape: {error!r}")
        else:
            if not seen:
                yield finding(Status.NOT_APPLICABLE, "", "there is nothing it applies to")
            for one in seen:
                if one.ok:
                    yield finding(Status.PASS, one.resource, one.evidence)
                elif one.chosen:
                    evidence = f"{one.evidence}; the deployment file asks for that"
                    yield finding(Status.NOT_APPLICABLE, one.resource, evidence)
                else:
                    yield finding(Status.FAIL, one.resource, one.evidence)
