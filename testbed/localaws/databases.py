"""RDS instances answered by the real MariaDB: its address, a master user that exists there, the schema.

There is one MariaDB in a run, so two instances with the same master user name would share that user.
"""

from __future__ import annotations

import functools
import json
import secrets
import string
from collections.abc import Callable
from typing import Any

import pymysql

from . import inproc
from .settings import DatabaseAddress, LocalAwsSettings


def install(settings: LocalAwsSettings) -> None:
    """Have RDS make managed passwords and resource ids, and use the database that *settings* name, if any."""
    from moto.rds import models

    rds: Any = models
    rds.MasterUserSecret._generate_secret_string = lambda self: _credentials(self.resource.master_username)
    _after(rds.RDSBackend, "create_db_instance", _identify)
    if database := settings.database:
        rds.DBInstance.address = property(lambda _: database.host)
        _after(rds.RDSBackend, "create_db_instance", lambda instance: _provide(instance, database))
        _after(rds.RDSBackend, "modify_db_instance", lambda instance: _provide(instance, database))
        _after(rds.RDSBackend, "delete_db_instance", lambda instance: _drop_master(instance, database))


def _after(backend: Any, name: str, act: Callable[[Any], None]) -> None:
    """Have *act* see the instance that a backend's method returns."""
    original = getattr(backend, name)

    @functools.wraps(original)
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        instance = original(self, *arguments, **named)
        act(instance)
        return instance

    setattr(backend, name, method)


def _credentials(username: str) -> str:
    """Return a managed secret's value: moto's is the same for every instance of every account."""
    letters = string.ascii_letters + string.digits + "-_.:~"
    return json.dumps({"username": username, "password": "".join(secrets.choice(letters) for _ in range(28))})


def _identify(instance: Any) -> None:
    """Give the instance a resource id of its own (rds-db:connect is allowed by it): moto's is a constant."""
    letters = string.ascii_uppercase + string.digits
    instance.dbi_resource_id = "db-" + "".join(secrets.choice(letters) for _ in range(26))


def _provide(instance: Any, database: DatabaseAddress) -> None:
    """Make the master user, with its present password, and the schema."""
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
    manager = inproc.client("secretsmanager", instance.region, instance.account_id)
    value = manager.get_secret_value(
        SecretId=instance.master_user_secret.secret_arn, VersionStage="AWSCURRENT"
    )
    return str(json.loads(value["SecretString"])["password"])


def _drop_master(instance: Any, database: DatabaseAddress) -> None:
    with _administrator(database) as connection, connection.cursor() as cursor:
        cursor.execute("DROP USER IF EXISTS %s@'%%'", (instance.master_username,))


def _administrator(database: DatabaseAddress) -> pymysql.Connection[Any]:
    return pymysql.connect(unix_socket=str(database.socket), user="root", connect_timeout=10, read_timeout=30)
