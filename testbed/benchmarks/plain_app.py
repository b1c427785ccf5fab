"""The same app without the credential layer: SQLAlchemy with a login that is read once, at the start.

The credential layer is compared with it: what the layer prevents (`rotation.py`, the control that must fail)
and what it costs (`credentials.py`). It does what most apps do: `pool_recycle` replaces connections by age,
`pool_pre_ping` checks them before use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import botocore.session
from flask import Flask
from sqlalchemy import Connection, create_engine, text

from eb_app import instance, logs
from eb_app.credentials import Credential, Health, Rotation
from eb_app.credentials.cached_secret import CachedSecret
from eb_app.database import POOL_TIMEOUT_SECONDS, DatabasePool, session_of
from eb_app.database_login import (
    STATEMENT_TIMEOUT_SECONDS,
    DatabaseServer,
    DatabaseSessionInfo,
    log_in,
    tls_context,
)
from eb_app.factory import AWS
from eb_app.settings import AppSettings
from eb_app.web import create_app

T = TypeVar("T")


class FixedCredentials:
    """One login that never changes."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def current(self) -> Credential:
        return self._credential

    def version(self) -> str:
        return self._credential.version

    def record_accepted(self, credential: Credential) -> None:
        """Do nothing."""

    def record_refused(self, credential: Credential) -> None:
        """Do nothing: this is the difference to the credential layer."""

    def wait_for_newer(self, version: str, seconds: float) -> None:
        """Return at once."""

    def record_waiting(self) -> None:
        """Do nothing: no request waits."""

    def health(self) -> Health:
        return Health("current")

    def rotation(self) -> Rotation | None:
        return None


class PlainDatabase:
    """SQLAlchemy's own pool."""

    def __init__(self, credential: Credential, settings: AppSettings) -> None:
        tls = tls_context(settings.ca_file)
        server = DatabaseServer(settings.host, settings.port, settings.schema)
        self.engine = create_engine(
            "mysql+pymysql://",
            creator=lambda: log_in(server, credential, tls, STATEMENT_TIMEOUT_SECONDS),
            pool_size=settings.pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            pool_recycle=int(settings.connection_age_seconds),
            pool_pre_ping=True,
            hide_parameters=True,
        )

    def run(self, work: Callable[[Connection], T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)

    def probe(self) -> DatabaseSessionInfo:
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1 FROM entries LIMIT 1"))
            return session_of(connection)


def application_for(environ: Mapping[str, str]) -> Flask:
    """Return the WSGI application; the variables are the app's own."""
    settings = AppSettings.from_environ(environ)
    logs.set_up(settings.log_file)
    client: Any = botocore.session.get_session().create_client("secretsmanager", config=AWS)
    credential = CachedSecret(settings.secret, client, settings.secret_ttl_seconds).read(fresh=True)
    database = cast(DatabasePool, PlainDatabase(credential, settings))  # it has all that `create_app` uses
    return create_app(
        database, FixedCredentials(credential), mode=settings.mode, instance=instance.describe(environ)
    )


application = application_for(os.environ)
