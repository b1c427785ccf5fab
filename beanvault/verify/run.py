"""Runs the controls against the account, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from ..aws import FAILURES, explained
from .account.parsing import MalformedAnswer
from .account.stacks import ResourceMissing
from .account.state import AccountState
from .checks import AREAS
from .model import Control, Finding, Status


def verify(state: AccountState, only: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Yield the findings of all controls, or of *only* those with these ids."""
    for area, controls in AREAS.items():
        for control in controls:
            if not only or control.id in only:
                yield from run_control(area, control, state)


def run_control(area: str, control: Control, state: AccountState) -> Iterator[Finding]:
    """Yield a control's finding for each resource.

    A request that AWS refuses or answers in a malformed way ends the control with one that is unknown; what
    was found before it counts. A bug of a check is not caught here.
    """
    remedy = control.remedy.replace("NAME", state.file.name)

    def finding(status: Status, evidence: str, resource: str = "", *, accepted: bool = False) -> Finding:
        severity = control.severity
        return Finding(
            area, control.id, control.title, severity, status, resource, evidence, remedy, accepted
        )

    found_any = False
    try:
        for found in control.check(state):
            found_any = True
            if found.ok:
                yield finding(Status.PASS, found.evidence, found.resource)
            elif found.accepted_by_config:
                evidence = f"{found.evidence}; the deployment file asks for that"
                yield finding(Status.NOT_APPLICABLE, evidence, found.resource, accepted=True)
            elif found.accepted_because:
                evidence = f"{found.evidence}; {found.accepted_because}"
                yield finding(Status.NOT_APPLICABLE, evidence, found.resource)
            else:
                yield finding(Status.FAIL, found.evidence, found.resource)
    except FAILURES as error:
        yield finding(Status.UNKNOWN, str(explained(error)))
    except (MalformedAnswer, ResourceMissing) as error:
        yield finding(Status.UNKNOWN, str(error))
    else:
        if not found_any:
            yield finding(Status.NOT_APPLICABLE, "there is no such resource")
