"""AWS Backup: the resource selections of plans, for which moto answers 500; names of deleted plans."""

from __future__ import annotations

import functools
import json
import uuid
from typing import Any

from moto.backup.exceptions import ResourceNotFoundException
from moto.backup.models import BackupBackend
from moto.backup.responses import BackupResponse
from moto.core.responses import ActionResult, EmptyResult


def install() -> None:
    """Add the four operations on selections, and forget deleted plans, whose names moto keeps in use."""
    kind: Any = BackupResponse
    kind.create_backup_selection = _create
    kind.get_backup_selection = _get
    kind.list_backup_selections = _list
    kind.delete_backup_selection = _delete
    backend: Any = BackupBackend
    original = backend.delete_backup_plan

    @functools.wraps(original)
    def delete_plan(self: Any, backup_plan_id: str) -> Any:
        deleted = original(self, backup_plan_id)
        del self.plans[backup_plan_id]
        return deleted

    backend.delete_backup_plan = delete_plan


def _selections(response: BackupResponse) -> dict[str, dict[str, Any]]:
    """Return the selections of the plan that the path names (`/backup/plans/PLAN/selections/ID`), by id."""
    plan = response.backup_backend.get_backup_plan(response.path.split("/")[3], None)
    found: dict[str, dict[str, Any]] = plan.__dict__.setdefault("selections", {})
    return found


def _one(response: BackupResponse) -> tuple[dict[str, dict[str, Any]], str]:
    selections, name = _selections(response), response.path.rstrip("/").rpartition("/")[2]
    if name not in selections:
        raise ResourceNotFoundException(msg=f"Cannot find Backup selection: {name}")
    return selections, name


def _identifiers(response: BackupResponse, name: str) -> dict[str, str]:
    return {"SelectionId": name, "BackupPlanId": response.path.split("/")[3]}


def _create(self: BackupResponse) -> ActionResult:
    name = str(uuid.uuid4())
    _selections(self)[name] = json.loads(self.body)["BackupSelection"]
    return ActionResult(_identifiers(self, name))


def _get(self: BackupResponse) -> ActionResult:
    selections, name = _one(self)
    return ActionResult({**_identifiers(self, name), "BackupSelection": selections[name]})


def _list(self: BackupResponse) -> ActionResult:
    found = [
        {**_identifiers(self, name), "SelectionName": body["SelectionName"]}
        for name, body in _selections(self).items()
    ]
    return ActionResult({"BackupSelectionsList": found})


def _delete(self: BackupResponse) -> EmptyResult:
    selections, name = _one(self)
    del selections[name]
    return EmptyResult()
