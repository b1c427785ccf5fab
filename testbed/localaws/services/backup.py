"""AWS Backup: selections of plans, names of deleted plans, recovery points of vaults, which moto lacks."""

from __future__ import annotations

import functools
import json
import uuid
from typing import Any
from urllib.parse import unquote

from moto.backup import urls
from moto.backup.exceptions import InvalidRequestException, ResourceNotFoundException
from moto.backup.models import BackupBackend
from moto.backup.responses import BackupResponse
from moto.core.responses import ActionResult, EmptyResult


def install() -> None:
    """Add the operations on selections and recovery points, and forget deleted plans, as moto does not."""
    kind: Any = BackupResponse
    kind.create_backup_selection = _create
    kind.get_backup_selection = _get
    kind.list_backup_selections = _list
    kind.delete_backup_selection = _delete
    backend: Any = BackupBackend
    forget = backend.delete_backup_plan

    @functools.wraps(forget)
    def delete_plan(self: Any, backup_plan_id: str) -> Any:
        deleted = forget(self, backup_plan_id)
        del self.plans[backup_plan_id]
        return deleted

    backend.delete_backup_plan = delete_plan
    kind.start_backup_job = _start_job
    kind.list_recovery_points_by_backup_vault = _list_points
    kind.delete_recovery_point = _delete_point
    original = kind.delete_backup_vault

    @functools.wraps(original)
    def delete_backup_vault(self: BackupResponse) -> Any:
        """Refuse while there are recovery points.

        https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault.html#delete-a-vault
        """
        name = self.path.rstrip("/").rpartition("/")[2]
        if name in self.backup_backend.vaults and _points(self, name):
            raise InvalidRequestException(
                msg="Backup vault cannot be deleted because it contains recovery points."
            )
        return original(self)

    kind.delete_backup_vault = delete_backup_vault
    points = "{0}/backup-vaults/(?P<name>[^/]+)/recovery-points"
    for path in (f"{points}/$", f"{points}/(?P<arn>.+)$", "{0}/backup-jobs$"):
        urls.url_paths[path] = BackupResponse.dispatch


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


def _points(response: BackupResponse, vault: str) -> dict[str, dict[str, Any]]:
    """Return the recovery points of *vault*, by ARN."""
    described = response.backup_backend.describe_backup_vault(vault)
    found: dict[str, dict[str, Any]] = described.__dict__.setdefault("localaws_points", {})
    return found


def _start_job(self: BackupResponse) -> ActionResult:
    """Make the recovery point at once; its size is a made-up gigabyte."""
    given = json.loads(self.body)
    vault = given["BackupVaultName"]
    arn = f"arn:aws:backup:{self.region}:{self.current_account}:recovery-point:{uuid.uuid4()}"
    _points(self, vault)[arn] = {
        "RecoveryPointArn": arn,
        "BackupVaultName": vault,
        "ResourceArn": given["ResourceArn"],
        "Status": "COMPLETED",
        "BackupSizeInBytes": 2**30,
    }
    self.backup_backend.describe_backup_vault(vault).num_of_recovery_points += 1
    return ActionResult({"BackupJobId": str(uuid.uuid4()), "RecoveryPointArn": arn})


def _list_points(self: BackupResponse) -> ActionResult:
    return ActionResult({"RecoveryPoints": list(_points(self, self.path.split("/")[2]).values())})


def _delete_point(self: BackupResponse) -> EmptyResult:
    vault, arn = self.path.split("/")[2], unquote(self.path).partition("/recovery-points/")[2]
    if _points(self, vault).pop(arn, None) is None:
        raise ResourceNotFoundException(msg=f"Cannot find recovery point {arn}")
    self.backup_backend.describe_backup_vault(vault).num_of_recovery_points -= 1
    return EmptyResult()
