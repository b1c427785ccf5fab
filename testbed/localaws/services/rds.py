"""RDS: instances backed by the real MariaDB, with its address, a master user and a schema that exist there.

There is one MariaDB per run, so two instances with the same master user name share that user.
"""

from __future__ import annotations

import functools
import json
import secrets
import string
from collections.abc import Callable, Iterable
from typing import Any

import pymysql
from moto.core.responses import ActionResult
from moto.rds import models
from moto.rds.exceptions import RDSClientError
from moto.rds.responses import RDSResponse

from .. import moto_client
from ..authorization.on_behalf import on_behalf_of
from ..settings import DatabaseAddress


def install(database: DatabaseAddress | None) -> None:
    """Generate managed passwords and resource ids; back instances by *database* where there is one."""
    rds: Any = models
    _keep_modified_subnet_groups(rds.RDSBackend)
    _take_newer_engine_versions(rds.RDSBackend)
    _keep_groups_in_use(rds.RDSBackend)
    rds.MasterUserSecret._generate_secret_string = lambda self: _credentials(self.resource.master_username)
    _after(rds.RDSBackend, "create_db_instance", _identify)
    _keep_automated_backups(rds.RDSBackend)
    if database is not None:
        rds.DBInstance.address = property(lambda _: database.host)
        _after(rds.RDSBackend, "create_db_instance", lambda instance: _provide(instance, database))
        _after(rds.RDSBackend, "modify_db_instance", lambda instance: _provide(instance, database))
        _after(rds.RDSBackend, "delete_db_instance", lambda instance: _drop_master(instance, database))


def _after(backend: Any, name: str, act: Callable[[Any], None]) -> None:
    """Call *act* with the instance that a backend's method returns."""
    original = getattr(backend, name)

    @functools.wraps(original)
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        instance = original(self, *arguments, **named)
        act(instance)
        return instance

    setattr(backend, name, method)


def _credentials(username: str) -> str:
    """Return a random managed secret; moto's is the same for every instance of every account."""
    letters = string.ascii_letters + string.digits + "-_.:~"
    return json.dumps({"username": username, "password": "".join(secrets.choice(letters) for _ in range(28))})


def _identify(instance: Any) -> None:
    """Give the instance a unique resource id, which `rds-db:connect` policies name; moto's is a constant."""
    letters = string.ascii_uppercase + string.digits
    instance.dbi_resource_id = "db-" + "".join(secrets.choice(letters) for _ in range(26))


def _provide(instance: Any, database: DatabaseAddress) -> None:
    """Create the master user, with its current password, and the schema."""
    instance.port = database.port
    password = _password(instance)
    with _administrator(database) as connection, connection.cursor() as cursor:
        user = (instance.master_username,)
        cursor.execute("CREATE USER IF NOT EXISTS %s@'%%'", user)
        cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", (*user, password))
        cursor.execute("GRANT ALL PRIVILEGES ON *.* TO %s@'%%' WITH GRANT OPTION", user)
        if instance.db_name:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{instance.db_name.replace('`', '')}`")


def _password(instance: Any) -> str:
    if not instance.manage_master_user_password:
        return str(instance._master_user_password)
    manager = moto_client.client("secretsmanager", instance.region, instance.account_id)
    with on_behalf_of(None, "rds.amazonaws.com"):  # RDS knows it; the caller doesn't read the secret
        value = manager.get_secret_value(
            SecretId=instance.master_user_secret.secret_arn, VersionStage="AWSCURRENT"
        )
    return str(json.loads(value["SecretString"])["password"])


def _drop_master(instance: Any, database: DatabaseAddress) -> None:
    with _administrator(database) as connection, connection.cursor() as cursor:
        cursor.execute("DROP USER IF EXISTS %s@'%%'", (instance.master_username,))


def _administrator(database: DatabaseAddress) -> pymysql.Connection[Any]:
    return pymysql.connect(unix_socket=str(database.socket), user="root", connect_timeout=10, read_timeout=30)


def _keep_modified_subnet_groups(backend: Any) -> None:
    """Moto loses a modified subnet group: the next call that names it gets DBSubnetGroupNotFoundFault."""
    original = backend.modify_db_subnet_group

    @functools.wraps(original)
    def modify(self: Any, subnet_name: str, *arguments: Any, **named: Any) -> Any:
        group = original(self, subnet_name, *arguments, **named)
        self.subnet_groups[subnet_name] = group
        return group

    backend.modify_db_subnet_group = modify


def _take_newer_engine_versions(backend: Any) -> None:
    """Moto knows no MySQL option groups after 8.0: "Cannot find major version 8.4 for mysql"."""
    original = backend.create_option_group

    @functools.wraps(original)
    def create(self: Any, options: dict[str, Any]) -> Any:
        version = options["major_engine_version"]
        known = {"mysql": "8.0"}.get(options["engine_name"], version)
        group = original(self, {**options, "major_engine_version": known})
        group.major_engine_version = version
        return group

    backend.create_option_group = create


def _keep_groups_in_use(backend: Any) -> None:
    """Refuse to delete a group that an instance uses, an option group also for a manual snapshot.

    moto deletes it, and answers 500 when it then describes the instance.
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithOptionGroups.Delete.html
    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBParameterGroup.html
    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBSubnetGroup.html
    """

    def refuse(name: str, code: str, used: Callable[[Any], Iterable[Any]]) -> None:
        original = getattr(backend, name)

        @functools.wraps(original)
        def delete(self: Any, group: str) -> Any:
            if group in used(self):
                raise RDSClientError(code, f"The group '{group}' cannot be deleted because it is in use.")
            return original(self, group)

        setattr(backend, name, delete)

    def options(self: Any) -> list[str]:
        snapshots = [s.database for s in self.database_snapshots.values() if s.snapshot_type == "manual"]
        return [user.option_group_name for user in (*self.databases.values(), *snapshots)]

    refuse("delete_option_group", "InvalidOptionGroupStateFault", options)
    refuse(
        "delete_db_parameter_group",
        "InvalidDBParameterGroupState",
        lambda self: [each.db_parameter_group_name for each in self.databases.values()],
    )
    refuse(
        "delete_subnet_group",
        "InvalidDBSubnetGroupStateFault",
        # The property is write-only.
        lambda self: [each._db_subnet_group_name for each in self.databases.values()],
    )


def _keep_automated_backups(backend: Any) -> None:
    """Keep a deleted instance's automated backups where that is asked for, and show and delete them.

    moto shows only an instance's name and the status. Not asked for, they are deleted with the instance:
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups-Retaining.html
    """
    original = backend.delete_db_instance

    @functools.wraps(original)
    def delete(self: Any, db_instance_identifier: str, *arguments: Any, **named: Any) -> Any:
        instance = original(self, db_instance_identifier, *arguments, **named)
        if named.get("delete_automated_backups") is False and int(instance.backup_retention_period or 0):
            _retained(self)[instance.dbi_resource_id] = _automated_backup(instance, "retained")
            # They are the retained backups' own from now on; moto keeps them under a name of the minute.
            for snapshot in self.describe_db_snapshots(db_instance_identifier, None, "automated"):
                self.delete_db_snapshot(snapshot.db_snapshot_identifier)
        return instance

    backend.delete_db_instance = delete
    response: Any = RDSResponse
    response.describe_db_instance_automated_backups = _describe_automated_backups
    response.delete_db_instance_automated_backup = _delete_automated_backup


def _retained(backend: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = backend.__dict__.setdefault("localaws_retained_backups", {})
    return found


def _automated_backup(instance: Any, status: str) -> dict[str, Any]:
    name = f"auto-backup:ab-{instance.dbi_resource_id.removeprefix('db-').lower()}"
    return {
        "DBInstanceArn": instance.db_instance_arn,
        "DbiResourceId": instance.dbi_resource_id,
        "DBInstanceIdentifier": instance.db_instance_identifier,
        "DBInstanceAutomatedBackupsArn": f"arn:aws:rds:{instance.region}:{instance.account_id}:{name}",
        "Region": instance.region,
        "Status": status,
        "AllocatedStorage": int(instance.allocated_storage),
        "BackupRetentionPeriod": int(instance.backup_retention_period),
        "Engine": instance.engine,
    }


def _describe_automated_backups(self: RDSResponse) -> ActionResult:
    backend: Any = self.backend
    active = [
        _automated_backup(each, "active")
        for each in backend.databases.values()
        if int(each.backup_retention_period or 0)
    ]
    members = {
        "status": "Status",
        "db-instance-id": "DBInstanceIdentifier",
        "dbi-resource-id": "DbiResourceId",
    }
    asked = [(members[f["Name"]], f["Values"]) for f in self.params.get("Filters", [])]
    asked += [(name, [self.params[name]]) for name in members.values() if name in self.params]
    found = [
        each
        for each in [*active, *_retained(backend).values()]
        if all(each[member] in values for member, values in asked)
    ]
    return ActionResult({"DBInstanceAutomatedBackups": found})


def _delete_automated_backup(self: RDSResponse) -> ActionResult:
    found = _retained(self.backend).pop(self.params.get("DbiResourceId"), None)
    if found is None:
        raise RDSClientError(
            "DBInstanceAutomatedBackupNotFound", "No automated backup for this DB instance was found."
        )
    return ActionResult({"DBInstanceAutomatedBackup": {**found, "Status": "deleting"}})
