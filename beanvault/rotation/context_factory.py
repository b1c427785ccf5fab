"""The rotation context of a deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from templates.deployment import SCHEMA, Deployment

from ..artifacts import authorities
from ..aws import Aws
from ..errors import BeanvaultError
from ..replication.function import ReplicatorFunction
from ..replication.replication_request import requester
from ..replication.waiter import ReplicationWaiter
from ..ui import Ui
from .credential import DatabaseCredential
from .database import Endpoint
from .rotation_context import RotationContext, RotationDatabase

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

MARGIN_SECONDS = 60
"""Added to the app's configured times, for clock differences and requests in progress."""


def rotation_context(
    deployment: Deployment,
    aws: Aws,
    ui: Ui,
    root: Path,
    *,
    ca_file: Path | None = None,
    via: tuple[str, int] | None = None,
    wait: bool = False,
) -> RotationContext:
    """Return the context of a deployment's rotation. The master's password comes from RDS's managed secret.

    Raises:
        BeanvaultError: the database or the function is not deployed
    """
    secrets: SecretsManagerClient = aws.client("secretsmanager")
    events: EventBridgeClient = aws.client("events")
    return RotationContext(
        _database(deployment, aws, ca_file or _authorities(deployment, root), via),
        ReplicationWaiter(
            secrets,
            ReplicatorFunction(aws, deployment.function_name).config(),
            requester(events, deployment.bus_name),
        ),
        ui,
        overlap_seconds=overlap_seconds(deployment),
        through_proxy=deployment.database.mode == "proxy",
        wait=wait,
    )


def overlap_seconds(deployment: Deployment) -> float:
    """Return for how many seconds after its replacement a credential can still be used by the app.

    The app reads the secret again after `secret_ttl_seconds`, and closes a connection after
    `connection_age_seconds`.
    """
    database = deployment.database
    return database.secret_ttl_seconds + database.connection_age_seconds + MARGIN_SECONDS


def _authorities(deployment: Deployment, root: Path) -> Path:
    file = deployment.database.ca_file
    return Path(file).expanduser() if file else root / authorities.FILE


def _database(
    deployment: Deployment, aws: Aws, ca_file: Path, via: tuple[str, int] | None
) -> RotationDatabase:
    rds: RDSClient = aws.client("rds")
    instances = rds.describe_db_instances(DBInstanceIdentifier=deployment.database_identifier)["DBInstances"]
    instance = instances[0]
    if "MasterUserSecret" not in instance or "Endpoint" not in instance:
        raise BeanvaultError(
            f"{deployment.database_identifier} ({instance.get('DBInstanceStatus')}) has no endpoint or "
            "managed password yet",
            "wait until it is available, or deploy it: `beanvault deploy data`",
        )
    endpoint = Endpoint(instance["Endpoint"]["Address"], instance["Endpoint"]["Port"], ca_file, via)
    secrets: SecretsManagerClient = aws.client("secretsmanager")
    value = secrets.get_secret_value(
        SecretId=instance["MasterUserSecret"]["SecretArn"], VersionStage="AWSCURRENT"
    )
    master = json.loads(value["SecretString"])
    return RotationDatabase(endpoint, DatabaseCredential(master["username"], master["password"]), SCHEMA)
