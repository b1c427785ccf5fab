"""Faults on request: the next creation, update, deletion or roll-back of a resource fails once.

On AWS any of them can fail, for reasons that have no counterpart here: a quota, a capacity shortage, a
denied permission, a service's outage. `POST /localaws/faults` with `{"stack", "logical_id", "action",
"reason"}` has one fail.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from .errors import ResourceFailed
from .resource import Resource

ROUTE = "/localaws/faults"
Action = Literal["create", "update", "delete", "rollback"]
"""`rollback` is the change back of a resource that a failed operation has updated."""

_lock = threading.Lock()
_faults: dict[tuple[str, str, str], str] = {}
"""The reasons, by stack, logical id and action."""


def application(environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
    """Take a request for a fault."""
    asked = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    with _lock:
        _faults[asked["stack"], asked["logical_id"], asked["action"]] = asked["reason"]
    start_response("200 OK", [("Content-Length", "0")])
    return []


def strike(resource: Resource, action: Action) -> None:
    """Fail if that was requested for *resource*; it is then forgotten.

    Raises:
        ResourceFailed: with the requested reason
    """
    with _lock:
        reason = _faults.pop((resource.scope.stack_name, resource.logical_id, action), None)
    if reason is not None:
        raise ResourceFailed(f'Resource handler returned message: "{reason}"')
