"""The connection secret: where Vault is and how the function logs in there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from replicator.contract.connection import OPERATOR_KEYS, VaultAddress, parse_connection, render_connection
from replicator.errors import ConfigError

from ..aws import BUSY_CODES, FAILURES, Aws, code, explained
from ..errors import BeanvaultError, ConfigurationError
from ..signals import deferred
from ..vault.logins import Auth
from ..vault.server import VaultServer
from .function import ReplicatorFunction

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def content(server: VaultServer, auth: Auth) -> str:
    """Return the connection secret's text for a server and a login."""
    return render_connection(VaultAddress(server.address, server.namespace, server.ca_bundle), auth)


def check(text: str) -> None:
    """Hold *text* against what the function takes.

    Raises:
        ConfigurationError: with everything that is wrong, and no value
    """
    try:
        parse_connection(text, allow_http=False)
    except ConfigError as error:
        raise ConfigurationError(str(error), "docs/design.md shows its form") from None


def store(aws: Aws, name: str, text: str) -> None:
    """Make *text* the value of the connection secret *name*; what the function keeps there stays.

    Raises:
        ConfigurationError: the function wouldn't take it
        BeanvaultError: there is no such secret
    """
    check(text)
    client: SecretsManagerClient = aws.client("secretsmanager")
    with _said_where_missing(name):
        merged = json.dumps(_kept(client, name) | json.loads(text))
        client.put_secret_value(SecretId=name, SecretString=merged)


def replace(aws: Aws, name: str, text: str, function: ReplicatorFunction) -> None:
    """Store *text* and let the function log in with it; one that isn't proven makes way for the one before.

    Raises:
        FunctionFailed: it doesn't work, in the function's own words
        FunctionBusy: it couldn't be tried
    """
    check(text)
    client: SecretsManagerClient = aws.client("secretsmanager")
    with _said_where_missing(name):
        previous = _current(client, name)
    try:
        store(aws, name, text)
        test(function)
    except BaseException:  # whatever it is, Ctrl-C too: what nobody has seen work must not stay
        if previous is not None:
            with deferred():
                _put_back(client, name, previous)
        raise


def _put_back(client: SecretsManagerClient, name: str, previous: str) -> None:
    """Make the connection before current again.

    Raises:
        BeanvaultError: it couldn't be; the one that nobody has seen work is still current
    """
    try:
        # Asked for, because an answer may have been lost, and the function may have written what it keeps.
        now = _current(client, name)
        if now is None or now == previous:
            return
        try:
            client.update_secret_version_stage(
                SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=previous, RemoveFromVersionId=now
            )
        except ClientError:  # also when a call whose answer was lost is sent again
            if _current(client, name) != previous:
                raise
    except FAILURES as error:
        raise BeanvaultError(
            f"{name} may hold a connection that nobody has seen work: the one before couldn't be put back "
            f"({explained(error)})",
            "run `beanvault connect` again, with one that works",
        ) from error


@contextmanager
def _said_where_missing(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code(error) == "ResourceNotFoundException":
            raise BeanvaultError(
                f"there is no secret {name}",
                "deploy the replicator layer first: `beanvault deploy replicator`",
            ) from None
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
    return (
        {key: value for key, value in held.items() if key not in OPERATOR_KEYS}
        if isinstance(held, dict)
        else {}
    )


def test(function: ReplicatorFunction) -> None:
    """Let the function log in with the connection secret, and look for a path that nobody has.

    Raises:
        FunctionFailed: it can't, in its own words
    """
    mount = function.config().mounts[0].path
    function.replicate([f"{mount}/beanvault-connection-test"])
