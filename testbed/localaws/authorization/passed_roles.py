"""Roles that a call passes to a service: each needs `iam:PassRole` of the caller.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moto.iam.models import iam_backends

from .calls import ServiceCall

_PASSED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("backup", "CreateBackupSelection"): ("BackupSelection.IamRoleArn", "backup.amazonaws.com"),
    ("ec2", "CreateFlowLogs"): ("DeliverLogsPermissionArn", "vpc-flow-logs.amazonaws.com"),
    ("iam", "AddRoleToInstanceProfile"): ("RoleName", "ec2.amazonaws.com"),
    ("lambda", "CreateFunction"): ("Role", "lambda.amazonaws.com"),
    ("lambda", "UpdateFunctionConfiguration"): ("Role", "lambda.amazonaws.com"),
    ("rds", "CreateDBInstance"): ("MonitoringRoleArn", "monitoring.rds.amazonaws.com"),
    ("rds", "CreateDBProxy"): ("RoleArn", "rds.amazonaws.com"),
    ("rds", "ModifyDBInstance"): ("MonitoringRoleArn", "monitoring.rds.amazonaws.com"),
}
_BEANSTALK_OPTIONS = {
    ("aws:elasticbeanstalk:environment", "ServiceRole"),
    ("aws:elasticbeanstalk:managedactions", "ServiceRoleForManagedUpdates"),
}


def passed_roles(call: ServiceCall) -> Iterator[tuple[str, str]]:
    """Yield the ARN of each role that *call* passes, and the service that gets it."""
    if call.service == "elasticbeanstalk":
        for option in call.params.get("OptionSettings") or ():
            if (option.get("Namespace"), option.get("OptionName")) in _BEANSTALK_OPTIONS:
                yield _role_arn(call, str(option.get("Value"))), "elasticbeanstalk.amazonaws.com"
    path, service = _PASSED.get((call.service, call.operation), ("", ""))
    found: Any = call.params if path else None
    for part in path.split(".") if path else ():
        found = (found or {}).get(part)
    if found:
        yield _role_arn(call, str(found)), service


def _role_arn(call: ServiceCall, name: str) -> str:
    if name.startswith("arn:"):
        return name
    roles = iam_backends[call.account]["aws"].get_roles()
    return next((role.arn for role in roles if role.name == name), f"arn:aws:iam::{call.account}:role/{name}")
