"""RDS and AWS Backup: the database, its parameters, events, proxy and backups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .parsing import all_items, parses
from .stacks import DeploymentStacks

if TYPE_CHECKING:
    from mypy_boto3_backup import BackupClient
    from mypy_boto3_backup.type_defs import (
        GetBackupSelectionOutputTypeDef,
        ListBackupPlansOutputTypeDef,
        ListBackupSelectionsOutputTypeDef,
    )
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import (
        DBInstanceMessageTypeDef,
        DBParameterGroupDetailsTypeDef,
        DescribeDBProxiesResponseTypeDef,
        EventSubscriptionsMessageTypeDef,
    )


@dataclass(frozen=True, slots=True)
class DbInstance:
    id: str
    arn: str
    engine: str
    engine_version: str
    port: int
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    parameter_group: str
    master_username: str
    master_secret_key: str | None
    """The KMS key of the password that RDS manages; None where RDS doesn't manage it."""
    certificate_authority: str
    backup_days: int
    monitoring_seconds: int
    """Between two samples of enhanced monitoring; 0 is off."""
    log_exports: frozenset[str]
    encrypted: bool
    public: bool
    multi_az: bool
    deletion_protection: bool
    iam_authentication: bool
    upgrades_minor_versions: bool
    copies_tags_to_snapshots: bool


@dataclass(frozen=True, slots=True)
class EventSubscription:
    name: str
    topic: str
    source_type: str
    categories: frozenset[str]
    """Empty means all."""
    enabled: bool


@dataclass(frozen=True, slots=True)
class BackupSelection:
    name: str
    resources: frozenset[str]


@parses("DescribeDBInstances")
def db_instance(answer: DBInstanceMessageTypeDef) -> DbInstance:
    (raw,) = answer["DBInstances"]
    secret = raw.get("MasterUserSecret")
    return DbInstance(
        id=raw["DBInstanceIdentifier"],
        arn=raw["DBInstanceArn"],
        engine=raw["Engine"],
        engine_version=raw["EngineVersion"],
        port=raw["Endpoint"]["Port"],
        subnets=tuple(each["SubnetIdentifier"] for each in raw["DBSubnetGroup"]["Subnets"]),
        security_groups=tuple(each["VpcSecurityGroupId"] for each in raw["VpcSecurityGroups"]),
        parameter_group=raw["DBParameterGroups"][0]["DBParameterGroupName"],
        master_username=raw["MasterUsername"],
        master_secret_key=secret["KmsKeyId"] if secret else None,
        certificate_authority=raw.get("CACertificateIdentifier", ""),
        backup_days=raw.get("BackupRetentionPeriod", 0),
        monitoring_seconds=raw.get("MonitoringInterval", 0),
        log_exports=frozenset(raw.get("EnabledCloudwatchLogsExports", ())),
        encrypted=raw["StorageEncrypted"],
        public=raw["PubliclyAccessible"],
        multi_az=raw["MultiAZ"],
        deletion_protection=raw["DeletionProtection"],
        iam_authentication=raw["IAMDatabaseAuthenticationEnabled"],
        upgrades_minor_versions=raw["AutoMinorVersionUpgrade"],
        copies_tags_to_snapshots=raw["CopyTagsToSnapshot"],
    )


@parses("DescribeDBParameters")
def _parameters(page: DBParameterGroupDetailsTypeDef) -> tuple[tuple[str, str], ...]:
    return tuple(
        (each["ParameterName"], each["ParameterValue"])
        for each in page["Parameters"]
        if "ParameterValue" in each
    )


@parses("DescribeEventSubscriptions")
def _event_subscriptions(page: EventSubscriptionsMessageTypeDef) -> tuple[EventSubscription, ...]:
    return tuple(
        EventSubscription(
            each["CustSubscriptionId"],
            each["SnsTopicArn"],
            each.get("SourceType", ""),
            frozenset(each.get("EventCategoriesList", ())),
            each["Enabled"],
        )
        for each in page["EventSubscriptionsList"]
    )


@parses("DescribeDBProxies")
def _requires_tls(answer: DescribeDBProxiesResponseTypeDef) -> bool:
    (raw,) = answer["DBProxies"]
    return raw["RequireTLS"]


@parses("ListBackupPlans")
def _backup_plans(page: ListBackupPlansOutputTypeDef) -> tuple[str, ...]:
    return tuple(each["BackupPlanId"] for each in page["BackupPlansList"])


@parses("ListBackupSelections")
def _selection_ids(page: ListBackupSelectionsOutputTypeDef) -> tuple[str, ...]:
    return tuple(each["SelectionId"] for each in page["BackupSelectionsList"])


@parses("GetBackupSelection")
def _backup_selection(answer: GetBackupSelectionOutputTypeDef) -> BackupSelection:
    raw = answer["BackupSelection"]
    return BackupSelection(raw["SelectionName"], frozenset(raw.get("Resources", ())))


@dataclass
class DatabaseState:
    stacks: DeploymentStacks

    @cached_property
    def instance(self) -> DbInstance:
        name = self.stacks.file.database_identifier
        return db_instance(self._rds.describe_db_instances(DBInstanceIdentifier=name))

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The parameters that have a value, by name."""
        pages = self._rds.get_paginator("describe_db_parameters").paginate(
            DBParameterGroupName=self.instance.parameter_group
        )
        return dict(all_items(_parameters, pages))

    @cached_property
    def event_subscriptions(self) -> tuple[EventSubscription, ...]:
        pages = self._rds.get_paginator("describe_event_subscriptions").paginate()
        return all_items(_event_subscriptions, pages)

    def proxy_requires_tls(self, name: str) -> bool:
        return _requires_tls(self._rds.describe_db_proxies(DBProxyName=name))

    @cached_property
    def backup_selections(self) -> tuple[BackupSelection, ...]:
        """What the stacks' backup plans select; a plan that was deleted selects nothing."""
        client: BackupClient = self.stacks.aws.client("backup")
        plans = set(all_items(_backup_plans, client.get_paginator("list_backup_plans").paginate()))
        return tuple(
            _backup_selection(client.get_backup_selection(BackupPlanId=plan, SelectionId=selection))
            for plan in self.stacks.ids("AWS::Backup::BackupPlan")
            if plan in plans
            for selection in all_items(
                _selection_ids, client.get_paginator("list_backup_selections").paginate(BackupPlanId=plan)
            )
        )

    @property
    def _rds(self) -> RDSClient:
        client: RDSClient = self.stacks.aws.client("rds")
        return client
