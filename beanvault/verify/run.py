"""All controls, one after the other, and what came out."""

from __future__ import annotations

from collections.abc import Iterator

from ..aws import FAILURES, explained
from . import database, edge, network, platform, replication, roles, storage
from .live import Live, Missing
from .model import Control, Finding, Status

CONTROLS: tuple[Control, ...] = (
    *network.CONTROLS,
    *edge.CONTROLS,
    *platform.CONTROLS,
    *storage.CONTROLS,
    *database.CONTROLS,
    *replication.CONTROLS,
    *roles.CONTROLS,
)


def verify(live: Live, only: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Yield a finding for each control and resource; a control that can't be asked is unknown, with AWS's
    words.
    """
    for control in CONTROLS:
        if only and control.id not in only:
            continue
        try:
            seen = list(control.look(live))
        except FAILURES as error:
            yield _finding(control, Status.UNKNOWN, "", str(explained(error)))
        except (Missing, KeyError, IndexError) as error:
            told = str(error) if isinstance(error, Missing) else f"AWS's answer lacks {error}"
            yield _finding(control, Status.UNKNOWN, "", told)
        else:
            if not seen:
                yield _finding(control, Status.NOT_APPLICABLE, "", "there is nothing it applies to")
            for one in seen:
                if one.ok:
                    yield _finding(control, Status.PASS, one.resource, one.evidence)
                elif one.chosen:
                    evidence = f"{one.evidence}; the deployment file asks for that"
                    yield _finding(control, Status.NOT_APPLICABLE, one.resource, evidence)
                else:
                    yield _finding(control, Status.FAIL, one.resource, one.evidence)


def _finding(control: Control, status: Status, resource: str, evidence: str) -> Finding:
    return Finding(control.id, control.title, control.severity, status, resource, evidence, control.remedy)
