"""Tries what must be refused, and what the same identity is allowed, so that a refusal means something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hvac
import pymysql
from botocore.exceptions import ClientError
from hvac import exceptions as vault_errors

from ..servers.localaws import REGION, LocalAws
from ..servers.mariadb import MariaDB


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt and its outcome."""

    what: str
    refused: bool
    answer: str
    """The error's code or class, or `allowed`."""
    should_be_refused: bool

    @property
    def as_expected(self) -> bool:
        return self.refused == self.should_be_refused


def try_vault(client: hvac.Client, mount: str, path: str, invisible: str) -> list[Attempt]:
    """Try what the function's Vault token can read; *client* is logged in as the function."""
    kv = client.secrets.kv.v2
    return [
        _attempt(
            f"function's token reads {invisible}/ in Vault",
            True,
            lambda: kv.read_secret_version("payroll", mount_point=invisible, raise_on_deleted_version=True),
        ),
        _attempt(
            f"function's token lists {invisible}/ in Vault",
            True,
            lambda: kv.list_secrets("", mount_point=invisible),
        ),
        _attempt(
            f"function's token writes {mount}/ in Vault",
            True,
            lambda: kv.create_or_update_secret("intruder", {"k": "v"}, mount_point=mount),
        ),
        _attempt(
            f"function's token reads {mount}/{path} in Vault",
            False,
            lambda: kv.read_secret_version(path, mount_point=mount, raise_on_deleted_version=True),
        ),
    ]


def try_aws(
    aws: LocalAws, *, function_role: str, app_role: str, connection: str, replicated: str
) -> list[Attempt]:
    """Try what the function's role (ARN) and the instances' role (ARN) can do in Secrets Manager."""
    function, app = (_secrets_manager(aws, role) for role in (function_role, app_role))
    return [
        _attempt(
            "function's role reads a replicated secret",
            True,
            lambda: function.get_secret_value(SecretId=replicated, VersionStage="AWSCURRENT"),
        ),
        _attempt(
            "function's role reads its connection secret",
            False,
            lambda: function.get_secret_value(SecretId=connection, VersionStage="AWSCURRENT"),
        ),
        _attempt(
            "function's role writes outside its prefix",
            True,
            lambda: function.create_secret(Name="intruder", SecretString="x"),
        ),
        _attempt(
            "app's role reads another secret",
            True,
            lambda: app.get_secret_value(SecretId=connection, VersionStage="AWSCURRENT"),
        ),
        _attempt(
            "app's role reads its own secret",
            False,
            lambda: app.get_secret_value(SecretId=replicated, VersionStage="AWSCURRENT"),
        ),
        _attempt(
            "app's role writes its own secret",
            True,
            lambda: app.put_secret_value(SecretId=replicated, SecretString="x"),
        ),
    ]


def try_database(mariadb: MariaDB, username: str, password: str) -> list[Attempt]:
    """Try to log in with the app's valid credential, without TLS and with it."""
    login: Any = {
        "host": mariadb.host,
        "port": mariadb.port,
        "user": username,
        "password": password,
    }
    login |= {"connect_timeout": 5}
    verified: Any = {"ssl_ca": str(mariadb.ca_file), "ssl_verify_cert": True, "ssl_verify_identity": True}
    return [
        _attempt(
            "app's user logs in to the database in plain text",
            True,
            lambda: pymysql.connect(**login, ssl_disabled=True).close(),
        ),
        _attempt(
            "app's user logs in to the database over TLS",
            False,
            lambda: pymysql.connect(**login, **verified).close(),
        ),
    ]


def _secrets_manager(aws: LocalAws, role: str) -> Any:
    credentials = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="demo")["Credentials"]
    session = aws.session()
    return session.client(
        "secretsmanager",
        region_name=REGION,
        endpoint_url=aws.endpoint,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def _attempt(what: str, should_be_refused: bool, action: Callable[[], object]) -> Attempt:
    try:
        action()
    except ClientError as error:
        answer = error.response["Error"]["Code"]
    except vault_errors.Forbidden:
        answer = "403 permission denied"
    except pymysql.OperationalError as error:
        answer = f"error {error.args[0]}"
    else:
        return Attempt(what, False, "allowed", should_be_refused)
    return Attempt(what, True, answer, should_be_refused)
