"""From a deployment as it runs to what rotating its credential needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from templates.deployment import SCHEMA, Deployment

from ..aws import Aws
from ..errors import BeanvaultError
from ..replication.function import ReplicatorFunction
from ..replication.waiter import ReplicationWaiter, ask_on
from ..ui import Ui
from .credential import DatabaseCredential
from .database import Endpoint
from .rotation_context import RotationContext, RotationDatabase

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

RDS_AUTHORITIES = Path("eb_app/certs/rds-global-bundle.pem")
"""Below the project: what the app itself trusts."""

MARGIN_SECONDS = 60
"""Beyond what the app is configured to, for clocks and for requests under way."""


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
    """Return the tools of a deployment's rotation; the master's password comes from the secret RDS manages.

    Raises:
        BeanvaultError: the database or the function isn't there
    """
    return RotationContext(
        _database(deployment, aws, ca_file or _authorities(deployment, root), via),
        ReplicationWaiter(
            aws.client("secretsmanager"),
            ReplicatorFunction(aws, deployment.function_name).config(),
            ask_on(deployment.bus_name, aws.client("events")),
        ),
        ui,
        overlap=overlap(deployment),
        wait=wait,
    )


def overlap(deployment: Deployment) -> float:
    """Return for how many seconds after its replacement a credential may still be used by the app.

    It reads the secret anew after `secret_ttl_seconds`, and gives up a connection after
    `connection_age_seconds`.
    """
    database = deployment.database
    return database.secret_ttl_seconds + database.connection_age_seconds + MARGIN_SECONDS


def _authorities(deployment: Deployment, root: Path) -> Path:
    return Path(deployment.database.ca_file) if deployment.database.ca_file else root / RDS_AUTHORITIES


def _database(
    deployment: Deployment, aws: Aws, ca_file: Path, via: tuple[str, int] | None
) -> RotationDatabase:
    client: RDSClient = aws.client("rds")
    found = client.describe_db_instances(DBInstanceIdentifier=deployment.database_identifier)["DBInstances"]
    instance = found[0]
    if "MasterUserSecret" not in instance or "Endpoint" not in instance:
        raise BeanvaultError(
            f"{deployment.database_identifier} ({instance.get('DBInstanceStatus')}) has no endpoint or "
            "managed password yet",
            "wait until it is available, or deploy the data layer",
        )
    endpoint = Endpoint(instance["Endpoint"]["Address"], instance["Endpoint"]["Port"], ca_file, via)
    secrets: SecretsManagerClient = aws.client("secretsmanager")
    answer = secrets.get_secret_value(
        SecretId=instance["MasterUserSecret"]["SecretArn"], VersionStage="AWSCURRENT"
    )
    master = json.loads(answer["SecretString"])
    return RotationDatabase(endpoint, DatabaseCredential(master["username"], master["password"]), SCHEMA)
