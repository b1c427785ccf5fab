"""The connection secret: where Vault is and how the function logs in there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from replicator.errors import ConfigError
from replicator.login import parse_connection

from .aws import BUSY_CODES, Aws, code
from .errors import BeanvaultError, ConfigurationError
from .function import Function
from .vault.logins import Auth
from .vault.server import Server

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

OURS = frozenset({"address", "namespace", "ca_bundle", "auth", "vaultAddress", "vaultToken"})
"""Keys of the secret that are the operator's; the function keeps others there for itself."""


def content(server: Server, auth: Auth) -> str:
    """Return the connection secret's text for a server and a login."""
    values = {
        "address": server.address,
        "namespace": server.namespace,
        "ca_bundle": server.ca_bundle,
        "auth": auth,
    }
    return json.dumps({key: value for key, value in values.items() if value})


def check(text: str) -> None:
    """Hold *text* against what the function takes.

    :raises ConfigurationError: with everything that is wrong, and no value
    """
    try:
        parse_connection(text, allow_http=False)
    except ConfigError as error:
        raise ConfigurationError(str(error), "docs/design.md shows its form") from None


@dataclass(frozen=True, slots=True)
class Stored:
    """A connection that was written, and the one before it."""

    version_id: str
    previous: str | None


def store(aws: Aws, name: str, text: str) -> Stored:
    """Make *text* the value of the connection secret *name*; what the function keeps there stays.

    :raises ConfigurationError: the function wouldn't take it
    :raises BeanvaultError: there is no such secret
    """
    check(text)
    client: SecretsManagerClient = aws.client("secretsmanager")
    try:
        previous = _current(client, name)
        merged = json.dumps(_kept(client, name) | json.loads(text))
        return Stored(client.put_secret_value(SecretId=name, SecretString=merged)["VersionId"], previous)
    except ClientError as error:
        if code(error) == "ResourceNotFoundException":
            raise BeanvaultError(
                f"there is no secret {name}",
                "deploy the replicator layer first: `beanvault deploy replicator`",
            ) from None
        raise


def replace(aws: Aws, name: str, text: str, function: Function) -> None:
    """Store *text* and let the function log in with it; one that isn't proven makes way for the one before.

    :raises FunctionFailed: it doesn't work, in the function's own words
    :raises FunctionBusy: it couldn't be tried
    """
    stored = store(aws, name, text)
    try:
        test(function)
    except BaseException:  # whatever it is, Ctrl-C too: what nobody has seen work must not stay
        if stored.previous is not None:
            client: SecretsManagerClient = aws.client("secretsmanager")
            client.update_secret_version_stage(
                SecretId=name,
                VersionStage="AWSCURRENT",
                MoveToVersionId=stored.previous,
                # The function may have written what it keeps since.
                RemoveFromVersionId=_current(client, name) or stored.version_id,
            )
        raise


def _current(client: SecretsManagerClient, name: str) -> str | None:
    stages = client.describe_secret(SecretId=name).get("VersionIdsToStages") or {}
    return next((version for version, labels in stages.items() if "AWSCURRENT" in labels), None)


def _kept(client: SecretsManagerClient, name: str) -> dict[str, Any]:
    """Return what the function keeps in the secret; nothing where it can't be read."""
    try:
        held = json.loads(client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"])
    except ClientError as error:
        if code(error) in BUSY_CODES:
            raise  # it can be read in a minute
        return {}  # empty until now; may only be written; its key is lost
    except (ValueError, KeyError):
        return {}
    return {key: value for key, value in held.items() if key not in OURS} if isinstance(held, dict) else {}


def test(function: Function) -> None:
    """Let the function log in with the connection secret, and look for a path that nobody has.

    :raises FunctionFailed: it can't, in its own words
    """
    mount = function.config().mounts[0].path
    function.replicate([f"{mount}/beanvault-connection-test"])
