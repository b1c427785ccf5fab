"""The connection secret: where Vault is and how the function logs in there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from replicator.errors import ConfigError
from replicator.login import parse_connection

from .aws import Aws, code
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


def store(aws: Aws, name: str, text: str) -> None:
    """Make *text* the value of the connection secret *name*; what the function keeps there stays.

    :raises ConfigurationError: the function wouldn't take it
    :raises BeanvaultError: there is no such secret
    """
    check(text)
    client: SecretsManagerClient = aws.client("secretsmanager")
    merged = json.dumps(_kept(client, name) | json.loads(text))
    try:
        client.put_secret_value(SecretId=name, SecretString=merged)
    except ClientError as error:
        if code(error) == "ResourceNotFoundException":
            raise BeanvaultError(
                f"there is no secret {name}",
                "deploy the replicator layer first: `beanvault deploy replicator`",
            ) from None
        raise


def _kept(client: SecretsManagerClient, name: str) -> dict[str, Any]:
    """Return what the function keeps in the secret; nothing where it is empty or can't be read."""
    try:
        held = json.loads(client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"])
    except (ClientError, ValueError, KeyError):
        return {}  # empty until now; or written by somebody who may only write
    return {key: value for key, value in held.items() if key not in OURS} if isinstance(held, dict) else {}


def test(function: Function) -> None:
    """Let the function log in with the connection secret, and look for a path that nobody has.

    :raises FunctionFailed: it can't, in its own words
    """
    mount = function.config().mounts[0].path
    function.replicate([f"{mount}/beanvault-connection-test"])
