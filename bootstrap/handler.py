"""The function behind the custom resource `Custom::DatabaseBootstrap` of the data layer.

CloudFormation hands over where the database is, which secret has the master user's credential, and what shall
be there; it gets an answer in any case, without which it would wait for its time-out. Deletion does nothing:
the accounts go with their database. Names are logged, never a value.
"""

from __future__ import annotations

import json
import logging
import random
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pymysql
from botocore.config import Config
from botocore.exceptions import ClientError
from pymysql.connections import Connection
from pymysql.constants import CR
from pymysql.cursors import Cursor

from bootstrap.accounts import BootstrapError, DesiredAccounts, set_up

RDS_AUTHORITIES = Path(__file__).with_name("rds-global-bundle.pem")
_ATTEMPTS = 5
_UNREACHABLE = frozenset({CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST})
_CALLS = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 5})

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Master:
    """The master user's credential."""

    username: str
    password: str = field(repr=False)

    @classmethod
    def read(cls, client: Any, secret: str) -> Master:
        """Return what the secret that RDS manages holds."""
        answer = client.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")
        held = json.loads(answer["SecretString"])
        return cls(held["username"], held["password"])


@contextmanager
def connected(
    host: str, port: int, master: Master, ca_file: Path, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Connection[Cursor]]:
    """Yield a connection over TLS to the server whose name and certificate were verified.

    A database that can't be reached yet is tried again; a refused login or certificate is not.

    Raises:
        pymysql.MySQLError: it couldn't be reached, or refused the login.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            connection = pymysql.connect(
                host=host,
                port=port,
                user=master.username,
                password=master.password,
                ssl_ca=str(ca_file),
                ssl_verify_cert=True,
                ssl_verify_identity=True,
                connect_timeout=5,
                read_timeout=15,
                write_timeout=15,
                autocommit=True,
            )
        except pymysql.OperationalError as error:
            # PyMySQL gives a certificate that doesn't verify the number of a host that doesn't answer.
            untrusted = isinstance(getattr(error, "original_exception", None), ssl.SSLError)
            if attempt == _ATTEMPTS or untrusted or error.args[0] not in _UNREACHABLE:
                raise
            sleep(random.uniform(0, 2**attempt))  # noqa: S311 - jitter is no secret
        else:
            break
    try:
        yield connection
    finally:
        connection.close()


def bootstrap(properties: Mapping[str, Any], secrets_manager: Any) -> dict[str, str]:
    """Set the database up and return the attributes of the custom resource."""
    wanted = DesiredAccounts(properties["Schema"], tuple(properties["Users"]), properties["IamUser"])
    ca_file = Path(properties.get("CaFile") or RDS_AUTHORITIES)
    master = Master.read(secrets_manager, properties["MasterSecret"])
    with connected(properties["Host"], int(properties["Port"]), master, ca_file) as connection:
        report = set_up(connection, wanted)
    logger.info("created %s", ", ".join(report.created) or "nothing: all was there")
    if not report.iam_user:
        logger.warning("%s was left out: this server has no AWSAuthenticationPlugin", wanted.iam_user)
    return {"Created": ",".join(report.created), "IamUser": wanted.iam_user if report.iam_user else ""}


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Answer a request of CloudFormation.

    Raises:
        BootstrapError: after CloudFormation was told, so that the function's own errors count it.
    """
    try:
        data: dict[str, str] = {}
        if event["RequestType"] != "Delete":
            data = bootstrap(event["ResourceProperties"], boto3.client("secretsmanager", config=_CALLS))
    except Exception as error:  # noqa: BLE001 - whatever it is, CloudFormation waits for an answer
        _answer(event, "FAILED", _reason(error), {})
        raise BootstrapError(_reason(error)) from None
    _answer(event, "SUCCESS", "the accounts are there", data)


def _reason(error: Exception) -> str:
    """Return why it failed, for a person who sees the stack's events only.

    A database's error text can quote the statement, so of these only the number is told, also in the log.
    """
    if isinstance(error, pymysql.MySQLError):
        return f"the database refused or didn't answer: {type(error).__name__} {error.args[0]}"
    if isinstance(error, BootstrapError):
        return str(error)
    if isinstance(error, ClientError):
        return f"{error.operation_name} was refused: {error.response['Error']['Code']}"
    return f"the accounts were not made: {type(error).__name__}"


def _answer(event: Mapping[str, Any], status: str, reason: str, data: Mapping[str, str]) -> None:
    body = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body |= {"Status": status, "Reason": reason, "PhysicalResourceId": "accounts", "Data": data}
    # The address is signed for no type, as AWS's own cfn-response sends it; urllib would name a form's:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own address
        event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT"
    )
    urllib.request.urlopen(request, timeout=20).close()  # noqa: S310 - the same
