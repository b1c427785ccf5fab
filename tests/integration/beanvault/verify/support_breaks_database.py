"""Breaks of the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from .support_breaks import Site, Table

BREAKS = Table()


def _instance(bad: Mapping[str, Any], good: Mapping[str, Any], site: Site) -> Iterator[None]:
    rds, name = site.client("rds"), site.deployment.database_identifier
    rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, **bad)
    yield
    rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, **good)


for _control, _name, _bad, _good in (
    ("RDS.2", "PubliclyAccessible", True, False),
    ("RDS.5", "MultiAZ", False, True),
    ("RDS.6", "MonitoringInterval", 0, 30),
    ("RDS.8", "DeletionProtection", False, True),
    ("RDS.10", "EnableIAMDatabaseAuthentication", False, True),
    ("RDS.11", "BackupRetentionPeriod", 1, 35),
    ("RDS.13", "AutoMinorVersionUpgrade", False, True),
    ("RDS.17", "CopyTagsToSnapshot", False, True),
    ("BV.DATA1", "CACertificateIdentifier", "rds-ca-2019", "rds-ca-rsa4096-g1"),
):
    BREAKS.add(_control, partial(_instance, {_name: _bad}, {_name: _good}), f"{_name}_is_{_bad}")


@BREAKS.breaks("RDS.9")
def _the_audit_log_is_not_exported(site: Site) -> Iterator[None]:
    kind = ["audit"]
    bad = {"CloudwatchLogsExportConfiguration": {"DisableLogTypes": kind}}
    good = {"CloudwatchLogsExportConfiguration": {"EnableLogTypes": kind}}
    yield from _instance(bad, good, site)


@BREAKS.breaks("BV.DATA3")
def _the_master_password_is_set_by_hand(site: Site) -> Iterator[None]:
    rds, name = site.client("rds"), site.deployment.database_identifier
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    key = found["MasterUserSecret"]["KmsKeyId"]
    bad = {"ManageMasterUserPassword": False, "MasterUserPassword": "chosen-by-hand"}
    good = {"ManageMasterUserPassword": True, "MasterUserSecretKmsKeyId": key}
    yield from _instance(bad, good, site)


@BREAKS.breaks("RDS.39")
def _the_database_accepts_plain_connections(site: Site) -> Iterator[None]:
    rds, group = site.client("rds"), site.physical_id("data", "ParameterGroup")
    for value in ("0", "1"):
        parameter = {"ParameterName": "require_secure_transport", "ApplyMethod": "immediate"}
        rds.modify_db_parameter_group(
            DBParameterGroupName=group, Parameters=[{**parameter, "ParameterValue": value}]
        )
        if value == "0":
            yield


def _unsubscribed(logical: str, site: Site) -> Iterator[None]:
    rds, name = site.client("rds"), site.physical_id("data", logical)
    (found,) = rds.describe_event_subscriptions(SubscriptionName=name)["EventSubscriptionsList"]
    rds.delete_event_subscription(SubscriptionName=name)
    yield
    sources = {"SourceIds": found["SourceIdsList"]} if found.get("SourceIdsList") else {}
    rds.create_event_subscription(
        SubscriptionName=name,
        SnsTopicArn=found["SnsTopicArn"],
        SourceType=found["SourceType"],
        EventCategories=found["EventCategoriesList"],
        Enabled=True,
        **sources,
    )


for _control, _logical in (
    ("RDS.20", "InstanceEventSubscription"),
    ("RDS.21", "ParameterGroupEventSubscription"),
    ("RDS.22", "SecurityGroupEventSubscription"),
):
    BREAKS.add(_control, partial(_unsubscribed, _logical), f"no_subscription_to_{_logical}")


@BREAKS.breaks("RDS.26")
def _the_backup_plan_selects_nothing(site: Site) -> Iterator[None]:
    backup, plan = site.client("backup"), site.physical_id("data", "BackupPlan")
    (listed,) = backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]
    named = {"BackupPlanId": plan, "SelectionId": listed["SelectionId"]}
    selection = backup.get_backup_selection(**named)["BackupSelection"]
    backup.delete_backup_selection(**named)
    yield
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
