"""The connection secret: Vault's address and how the function logs in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
    """Check that the function accepts *text*.

    Raises:
        ConfigurationError: with every mistake, and without any value
    """
    try:
        parse_connection(text, allow_http=False)
    except ConfigError as error:
        raise ConfigurationError(str(error), "docs/design.md shows the format") from None


def store(aws: Aws, name: str, text: str) -> None:
    """Make *text* the value of the connection secret *name*; keep the function's own keys in it.

    Raises:
        ConfigurationError: the function would not accept it
        BeanvaultError: there is no such secret
    """
    check(text)
    client: SecretsManagerClient = aws.client("secretsmanager")
    with _explained_if_missing(name):
        merged = json.dumps(_function_keys(client, name) | json.loads(text))
        client.put_secret_value(SecretId=name, SecretString=merged)


def replace(aws: Aws, name: str, text: str, function: ReplicatorFunction) -> None:
    """Store *text* and test it with the function; restore the previous connection if the test fails.

    Raises:
        FunctionFailed: the function could not log in; the message is its own
        FunctionBusy: the function had no time for the test
    """
    check(text)
    client: SecretsManagerClient = aws.client("secretsmanager")
    with _explained_if_missing(name):
        previous = _current(client, name)
    try:
        store(aws, name, text)
        test(function)
    except BaseException:  # also Ctrl-C: an untested connection must not stay
        if previous is not None:
            with deferred():
                _restore(client, name, previous)
        raise


def _restore(client: SecretsManagerClient, name: str, previous: str) -> None:
    """Make the previous connection current again.

    Raises:
        BeanvaultError: that failed, and the untested connection is still current
    """
    try:
        # Read again: the answer of the write can be lost, and the function can have written its own keys.
        current = _current(client, name)
        if current is None or current == previous:
            return
        try:
            client.update_secret_version_stage(
                SecretId=name,
                VersionStage="AWSCURRENT",
                MoveToVersionId=previous,
                RemoveFromVersionId=current,
            )
        except ClientError:  # also raised when a call whose answer was lost is repeated
            if _current(client, name) != previous:
                raise
    except FAILURES as error:
        raise BeanvaultError(
            f"{name} may hold an untested connection: the previous one could not be restored "
            f"({explained(error)})",
            "run `beanvault connect` again with a connection that works",
        ) from error


@contextmanager
def _explained_if_missing(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code(error) == "ResourceNotFoundException":
            raise BeanvaultError(
                f"the secret {name} does not exist",
                "deploy the replicator layer first: `beanvault deploy replicator`",
            ) from None
        raise


def _current(client: SecretsManagerClient, name: str) -> str | None:
    stages = client.describe_secret(SecretId=name).get("VersionIdsToStages") or {}
    return next((version for version, labels in stages.items() if "AWSCURRENT" in labels), None)


def _function_keys(client: SecretsManagerClient, name: str) -> dict[str, object]:
    """Return what the function stores in the secret; nothing if the secret can't be read."""
    try:
        value = client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
    except ClientError as error:
        if code(error) in BUSY_CODES:
            raise  # it can be read in a minute
        return {}  # without a value yet, without permission to read, or encrypted with a lost key
    try:
        fields = json.loads(value.get("SecretString", ""))
    except ValueError:
        return {}
    if not isinstance(fields, dict):
        return {}
    return {key: field for key, field in fields.items() if key not in OPERATOR_KEYS}


def test(function: ReplicatorFunction) -> None:
    """Let the function log in with the connection secret and read a path that does not exist.

    Raises:
        FunctionFailed: it could not; the message is its own
    """
    mount = function.config().mounts[0].path
    function.replicate([f"{mount}/beanvault-connection-test"])
