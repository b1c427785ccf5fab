"""How the app's parts come together, from the environment's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.config import Config
from flask import Flask

from . import instance, logs
from .credentials import Credentials, IamCredentials, SecretCredentials
from .database import DatabasePool
from .login import ANSWER_TIMEOUT, DatabaseServer
from .replication_request import ReplicationRequester
from .settings import AppSettings
from .web import create_app

AWS = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})


def credentials_for(settings: AppSettings) -> Credentials:
    """Return the credentials that the settings ask for.

    RDS Proxy takes the same login as the database, from the same secret; what differs is the host, and who
    vouches for its certificate (`AppSettings.ca_file`).
    """
    if settings.mode == "iam":
        return IamCredentials(settings.host, settings.port, settings.user, _client("rds"))
    if not settings.bus:
        return SecretCredentials(settings.secret, _client("secretsmanager"), ttl=settings.secret_ttl)
    demand = ReplicationRequester(_client("events"), settings.bus, settings.source_path)
    return SecretCredentials(
        settings.secret, _client("secretsmanager"), ttl=settings.secret_ttl, demand=demand
    )


def database_for(
    settings: AppSettings, credentials: Credentials, answer: float = ANSWER_TIMEOUT
) -> DatabasePool:
    """Return the pool that the settings ask for, whose statements may take *answer* seconds.

    Nothing is opened yet.
    """
    return DatabasePool(
        credentials,
        DatabaseServer(settings.host, settings.port, settings.schema),
        ca_file=settings.ca_file,
        connection_age=settings.connection_age,
        wait=settings.wait,
        waiting=settings.waiting,
        pool_size=settings.pool_size,
        answer=answer,
    )


def application_for(environ: Mapping[str, str]) -> Flask:
    """Return the WSGI application of this process.

    Raises:
        SettingsError: with all mistakes of *environ* at once
    """
    settings = AppSettings.from_environ(environ)
    logs.set_up(settings.log_file)
    credentials = credentials_for(settings)
    database = database_for(settings, credentials)
    return create_app(database, credentials, mode=settings.mode, instance=instance.describe(environ))


def _client(service: str) -> Any:
    return botocore.session.get_session().create_client(service, config=AWS)
