"""AWS::RDS and AWS::SecretsManager types."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..errors import ResourceFailed
from ..resource import Resource
from ..resource_type import ResourceType, attributes_named, names

_rds = partial(ResourceType, service="rds")
_secrets = partial(ResourceType, service="secretsmanager")

# Database instances


def _managed_password(instance: Resource) -> dict[str, Any]:
    desired = instance.properties.get("ManageMasterUserPassword")
    key = (instance.properties.get("MasterUserSecret") or {}).get("KmsKeyId")
    return {"ManageMasterUserPassword": desired, "MasterUserSecretKmsKeyId": key}


def _create_instance(instance: Resource) -> None:
    plain = instance.create_arguments() | _managed_password(instance)
    plain.pop("MasterUserSecret", None)
    tags = instance.tag_arguments("create_db_instance")
    instance.take_answer(
        instance.call("create_db_instance", DBInstanceIdentifier=instance.name, **plain, **tags)
    )


def _check_upgrade(instance: Resource) -> None:
    """Refuse what RDS refuses of a change to another release series.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.MySQL.Major.html

    Raises:
        ResourceFailed: it isn't allowed, leads backwards, or the parameter group is another series'
    """
    running, desired = _described("EngineVersion", instance), str(instance.properties.get("EngineVersion"))
    was, series = (tuple(version.split(".")[:2]) for version in (running, desired))
    if was == series:
        return
    if was > series:
        raise ResourceFailed(f"Cannot upgrade mysql from {'.'.join(was)} to {'.'.join(series)}")
    if not instance.properties.get("AllowMajorVersionUpgrade"):
        raise ResourceFailed(
            "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version."
        )
    group = instance.properties.get("DBParameterGroupName")
    found = instance.call("describe_db_parameter_groups", DBParameterGroupName=group)["DBParameterGroups"][0]
    family = f"{instance.properties['Engine']}{'.'.join(series)}"
    if found["DBParameterGroupFamily"] != family:
        raise ResourceFailed(
            f"The parameter group {group} with DBParameterGroupFamily {found['DBParameterGroupFamily']} "
            f"cannot be used for this instance. Use a parameter group with DBParameterGroupFamily {family}"
        )


def _update_instance(instance: Resource, old: Mapping[str, Any]) -> None:
    if instance.changed(old, "EngineVersion"):
        _check_upgrade(instance)
    changed = {name for name in instance.properties if instance.changed(old, name)}
    passwords = {"ManageMasterUserPassword", "MasterUserSecret"}
    arguments = instance.pick(*changed - passwords - {"EnableCloudwatchLogsExports", "Tags"})
    if changed & passwords:  # otherwise each update would create another managed secret
        arguments |= _managed_password(instance)
    if "EnableCloudwatchLogsExports" in changed:
        removed, new = instance.difference(old, "EnableCloudwatchLogsExports")
        logs = {"EnableLogTypes": new, "DisableLogTypes": removed}
        arguments["CloudwatchLogsExportConfiguration"] = logs
    instance.call(
        "modify_db_instance", DBInstanceIdentifier=instance.name, ApplyImmediately=True, **arguments
    )


def _snapshot(instance: Resource) -> None:
    # A suffix makes it unique, so that a deletion can be repeated:
    # https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-rds
    name = f"{instance.scope.stack_name}-snapshot-{instance.name}-{secrets.token_hex(6)}"
    instance.call("create_db_snapshot", DBInstanceIdentifier=instance.name, DBSnapshotIdentifier=name)


def _delete_instance(instance: Resource) -> None:
    """Without the property, AWS deletes the automated backups."""
    kept = str(instance.properties.get("DeleteAutomatedBackups", True)).lower() == "false"
    instance.call(
        "delete_db_instance",
        DBInstanceIdentifier=instance.name,
        SkipFinalSnapshot=True,
        DeleteAutomatedBackups=not kept,
    )


def _described(path: str, instance: Resource) -> Any:
    found: Any = instance.call("describe_db_instances", DBInstanceIdentifier=instance.name)["DBInstances"][0]
    for part in path.split("."):
        found = found[part]
    return str(found)


_ATTRIBUTES = (
    "Endpoint.Address",
    "Endpoint.Port",
    "MasterUserSecret.SecretArn",
    "DBInstanceArn",
    "DbiResourceId",
)
_MODIFIABLE = names(
    "AllocatedStorage AutoMinorVersionUpgrade BackupRetentionPeriod CACertificateIdentifier "
    "CopyTagsToSnapshot DBInstanceClass DBParameterGroupName DeletionProtection EnableCloudwatchLogsExports "
    "EnableIAMDatabaseAuthentication EnablePerformanceInsights EngineVersion ManageMasterUserPassword "
    "MasterUserSecret MaxAllocatedStorage MonitoringInterval MonitoringRoleArn MultiAZ OptionGroupName "
    "PerformanceInsightsKMSKeyId PubliclyAccessible StorageType VPCSecurityGroups"
)


def _parameters(group: Resource) -> None:
    given = group.properties.get("Parameters") or {}
    parameters = [
        {"ParameterName": k, "ParameterValue": v, "ApplyMethod": "pending-reboot"} for k, v in given.items()
    ]
    if parameters:
        group.call("modify_db_parameter_group", DBParameterGroupName=group.name, Parameters=parameters)


def _options(group: Resource) -> None:
    desired = group.properties.get("OptionConfigurations") or []
    found = group.call("describe_option_groups", OptionGroupName=group.name)["OptionGroupsList"][0]
    removed = {o["OptionName"] for o in found["Options"]} - {o["OptionName"] for o in desired}
    changes = {"OptionsToInclude": desired, "OptionsToRemove": sorted(removed)}
    given = {name: value for name, value in changes.items() if value}
    if given:
        group.call("modify_option_group", OptionGroupName=group.name, ApplyImmediately=True, **given)


# Proxies


def _targets(group: Resource, action: str) -> None:
    databases = group.pick("DBInstanceIdentifiers")
    proxy = group.properties["DBProxyName"]
    group.call(f"{action}_db_proxy_targets", DBProxyName=proxy, TargetGroupName="default", **databases)


def _create_targets(group: Resource) -> None:
    proxy = group.properties["DBProxyName"]
    if pool := group.properties.get("ConnectionPoolConfigurationInfo"):
        arguments = {"DBProxyName": proxy, "TargetGroupName": "default", "ConnectionPoolConfig": pool}
        group.call("modify_db_proxy_target_group", **arguments)
    _targets(group, "register")
    found = group.call("describe_db_proxy_target_groups", DBProxyName=proxy)["TargetGroups"][0]
    group.physical_id = found["TargetGroupArn"]


# Secrets


def _update_secret(secret: Resource, old: Mapping[str, Any]) -> None:
    changed = (name for name in ("Description", "KmsKeyId", "SecretString") if secret.changed(old, name))
    secret.call("update_secret", SecretId=secret.physical_id, **secret.pick(*changed))


def _keep(resource: Resource, _: Mapping[str, Any]) -> None:
    """Accept a change for which moto has no operation."""


TYPES = (
    _rds(
        name="AWS::RDS::DBInstance",
        create=_create_instance,
        answer="DBInstance",
        named="DBInstanceIdentifier",
        name_limit=63,
        lower_case=True,
        rename={"VPCSecurityGroups": "VpcSecurityGroupIds"},
        ignored=names("DeleteAutomatedBackups AllowMajorVersionUpgrade"),
        update=_update_instance,
        mutable=_MODIFIABLE,
        delete=_delete_instance,
        snapshot=_snapshot,
        deletion_policy="Snapshot",
        attributes={path: partial(_described, path) for path in _ATTRIBUTES},
        tagged="DBInstanceArn",
    ),
    _rds(
        name="AWS::RDS::DBSubnetGroup",
        create="create_db_subnet_group",
        answer="DBSubnetGroup",
        named="DBSubnetGroupName",
        lower_case=True,
        update="modify_db_subnet_group",
        whole=True,
        delete="delete_db_subnet_group",
        tagged="DBSubnetGroupArn",
    ),
    _rds(
        name="AWS::RDS::DBParameterGroup",
        create="create_db_parameter_group",
        answer="DBParameterGroup",
        named="DBParameterGroupName",
        lower_case=True,
        rename={"Family": "DBParameterGroupFamily"},
        settings={"Parameters": _parameters},
        delete="delete_db_parameter_group",
        tagged="DBParameterGroupArn",
    ),
    _rds(
        name="AWS::RDS::OptionGroup",
        create="create_option_group",
        answer="OptionGroup",
        named="OptionGroupName",
        lower_case=True,
        settings={"OptionConfigurations": _options},
        delete="delete_option_group",
        tagged="OptionGroupArn",
    ),
    _rds(
        name="AWS::RDS::EventSubscription",
        create="create_event_subscription",
        answer="EventSubscription",
        named="SubscriptionName",
        update=_keep,
        mutable=names("Enabled EventCategories SnsTopicArn SourceIds SourceType"),
        delete="delete_event_subscription",
        tagged="arn:aws:rds:{region}:{account}:es:{name}",
    ),
    _rds(
        name="AWS::RDS::DBProxy",
        create="create_db_proxy",
        answer="DBProxy",
        named="DBProxyName",
        update=_keep,
        mutable=names("Auth DebugLogging IdleClientTimeout RequireTLS RoleArn VpcSecurityGroupIds"),
        delete="delete_db_proxy",
        attributes=attributes_named("Endpoint"),
        tagged="DBProxyArn",
    ),
    _rds(
        name="AWS::RDS::DBProxyTargetGroup",
        create=_create_targets,
        known=names("DBProxyName TargetGroupName"),
        update=lambda group, _: _create_targets(group),
        mutable=names("ConnectionPoolConfigurationInfo DBInstanceIdentifiers"),
        delete=partial(_targets, action="deregister"),
    ),
    _secrets(
        name="AWS::SecretsManager::Secret",
        create="create_secret",
        id="ARN",
        named="Name",
        name_limit=512,
        update=_update_secret,
        mutable=names("Description KmsKeyId SecretString"),
        delete="delete_secret",
        delete_with={"SecretId": "{id}", "ForceDeleteWithoutRecovery": True},
        tagged="{id}",
    ),
    _secrets(
        name="AWS::SecretsManager::ResourcePolicy",
        create="put_resource_policy",
        id="SecretId",
        update="put_resource_policy",
        replace=names("SecretId"),
        delete="delete_resource_policy",
        delete_with={"SecretId": "SecretId"},
    ),
)
