"""Check of the names that an earlier deployment of this name left in use."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from templates.deployment import Deployment
from templates.layers import LAYERS

from ...aws import Aws
from ...cloudformation.stacks import Stacks
from ...ui import NullUi
from ..leftovers import names_in_use
from .result import PreflightResult, Verdict

CHECK = "names"


def check_leftovers(deployment: Deployment, aws: Aws) -> Iterator[PreflightResult]:
    """Report what `deploy` would take over, and what is in its way."""
    stacks, now = Stacks(aws.client("cloudformation"), NullUi()), dt.datetime.now(dt.UTC)
    found = [
        each
        for layer, build in LAYERS.items()
        for each in names_in_use(aws, stacks, deployment.stack_name(layer), build(deployment).to_dict(), now)
    ]
    for each in found:
        if each.remedy:
            yield PreflightResult(CHECK, Verdict.BAD, str(each), each.remedy)
    if taken := [each.name for each in found if not each.remedy]:
        detail = f"{len(taken)} log groups of an earlier deployment are taken over: {', '.join(taken)}"
        yield PreflightResult(CHECK, Verdict.GOOD, detail)
    if shortened := [each.name for each in found if each.loses_events]:
        yield PreflightResult(
            CHECK,
            Verdict.WARNING,
            f"events older than [logs] retention_days would be lost in: {', '.join(shortened)}",
            "raise [logs] retention_days, or export them first: aws logs create-export-task",
        )
    if not found:
        yield PreflightResult(CHECK, Verdict.GOOD, "no name is in use")
