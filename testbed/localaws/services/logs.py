"""CloudWatch Logs: the key of a log group that exists, which moto can set only when it creates one."""

from __future__ import annotations

from typing import Any

from moto.core.responses import EmptyResult
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse


def install() -> None:
    """Add AssociateKmsKey and DisassociateKmsKey."""
    kind: Any = LogsResponse
    kind.associate_kms_key = lambda self: _set_key(self, self._get_param("kmsKeyId"))
    kind.disassociate_kms_key = lambda self: _set_key(self, None)


def _set_key(self: LogsResponse, key: str | None) -> EmptyResult:
    group = self.logs_backend.groups.get(self._get_param("logGroupName"))
    if group is None:
        raise ResourceNotFoundException
    group.kms_key_id = key
    return EmptyResult()
