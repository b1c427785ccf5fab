"""Creating the app's parts from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.config import Config
from flask import Flask

from . import instance, logs
from .credentials import Credentials, IamCredentials, SecretCredentials
from .database import DatabasePool
from .database_login import STATEMENT_TIMEOUT_SECONDS, DatabaseServer
from .replication_request import ReplicationRequester
from .settings import AppSettings
from .web import create_app

AWS = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})


def credentials_for(settings: AppSettings) -> Credentials:
    """Return the credentials for the configured mode.

    RDS Proxy accepts the same login as the database, from the same secret; the host and the authority of its
    certificate (`AppSettings.ca_file`) differ.
    """
    if settings.mode == "iam":
        return IamCredentials(settings.host, settings.port, settings.user, _client("rds"))
    return SecretCredentials(
        settings.secret,
        _client("secretsmanager"),
        ttl_seconds=settings.secret_ttl_seconds,
        request_replication=ReplicationRequester(_client("events"), settings.bus, settings.source_path)
        if settings.bus
        else None,
    )


def database_for(
    settings: AppSettings, credentials: Credentials, statement_seconds: float = STATEMENT_TIMEOUT_SECONDS
) -> DatabasePool:
    """Return the configured pool; no connection is opened yet.

    Args:
        statement_seconds: how long a statement can take
    """
    return DatabasePool(
        credentials,
        DatabaseServer(settings.host, settings.port, settings.schema),
        ca_file=settings.ca_file,
        connection_age_seconds=settings.connection_age_seconds,
        max_wait_seconds=settings.max_wait_seconds,
        max_waiting=settings.max_waiting,
        pool_size=settings.pool_size,
        statement_seconds=statement_seconds,
    )


def application_for(environ: Mapping[str, str]) -> Flask:
    """Return the WSGI application of this process.

    Raises:
        SettingsError: with every mistake in *environ*
    """
    settings = AppSettings.from_environ(environ)
    logs.set_up(settings.log_file)
    credentials = credentials_for(settings)
    database = database_for(settings, credentials)
    return create_app(database, credentials, mode=settings.mode, instance=instance.describe(environ))


def _client(service: str) -> Any:
    return botocore.session.get_session().create_client(service, config=AWS)
