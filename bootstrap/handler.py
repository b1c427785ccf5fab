"""The function behind the custom resource `Custom::DatabaseBootstrap` of the data layer.

CloudFormation passes the database's address, the secret with the master user's credential, and the accounts
to create. It gets an answer in every case; without one it would wait for its time-out. Deletion does nothing:
the accounts are deleted with their database. Names are logged, never a value.
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
from typing import TYPE_CHECKING, Any

import boto3
import pymysql
from botocore.config import Config
from botocore.exceptions import ClientError
from pymysql.connections import Connection
from pymysql.constants import CR
from pymysql.cursors import Cursor

from bootstrap.accounts import BootstrapError, DesiredAccounts, set_up

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

RDS_AUTHORITIES = Path(__file__).with_name("rds-global-bundle.pem")
"""In the zip; a deployment file with authorities of its own has them written there."""
_ATTEMPTS = 5
_UNREACHABLE = frozenset({CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST})
# OpenSSL's codes for what only VERIFY_X509_STRICT refuses: extensions that RFC 5280 requires.
# https://github.com/openssl/openssl/blob/master/include/openssl/x509_vfy.h.in
_STRICT_RULES = range(80, 94)
_CALLS = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 5})

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Master:
    """The master user's credential."""

    username: str
    password: str = field(repr=False)

    @classmethod
    def read(cls, client: SecretsManagerClient, secret: str) -> Master:
        """Return the credential in the secret that RDS manages."""
        answer = client.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")
        fields = json.loads(answer["SecretString"])
        return cls(fields["username"], fields["password"])


@contextmanager
def connected(
    host: str, port: int, master: Master, ca_file: Path, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Connection[Cursor]]:
    """Yield a connection over TLS to a server with a verified name and certificate.

    An unreachable database is retried; a refused login or certificate is not.

    Raises:
        BootstrapError: its certificate is not trusted
        pymysql.MySQLError: it could not be reached, or refused the login
    """
    tls = ssl.create_default_context(cafile=str(ca_file))
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13's defaults, on every Python. PyMySQL takes the first away from a context that it creates.
    tls.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            connection = pymysql.connect(
                host=host,
                port=port,
                user=master.username,
                password=master.password,
                ssl=tls,
                connect_timeout=5,
                read_timeout=15,
                write_timeout=15,
                autocommit=True,
            )
        except pymysql.OperationalError as error:
            # PyMySQL gives an untrusted certificate the error number of a host that doesn't answer.
            cause = getattr(error, "original_exception", None)
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise _untrusted(cause) from None
            if attempt == _ATTEMPTS or isinstance(cause, ssl.SSLError) or error.args[0] not in _UNREACHABLE:
                raise
            sleep(random.uniform(0, 2**attempt))  # noqa: S311 - jitter is not a secret
        else:
            break
    try:
        yield connection
    finally:
        connection.close()


def _untrusted(error: ssl.SSLCertVerificationError) -> BootstrapError:
    remedy = "[database] ca_file has to name the file with its authority"
    if error.verify_code in _STRICT_RULES:
        remedy = (
            "issue it, and its authority's, with the extensions basicConstraints (critical), keyUsage, "
            "subjectKeyIdentifier and authorityKeyIdentifier"
        )
    return BootstrapError(f"the database's certificate is not trusted: {error.verify_message}; {remedy}")


def bootstrap(properties: Mapping[str, Any], secrets_manager: SecretsManagerClient) -> dict[str, str]:
    """Create the accounts and return the attributes of the custom resource."""
    desired = DesiredAccounts(properties["Schema"], tuple(properties["Users"]), properties["IamUser"])
    master = Master.read(secrets_manager, properties["MasterSecret"])
    with connected(properties["Host"], int(properties["Port"]), master, RDS_AUTHORITIES) as connection:
        report = set_up(connection, desired)
    logger.info("created %s", ", ".join(report.created) or "no users: all exist")
    if not report.iam_user:
        logger.warning("%s was not created: this server has no AWSAuthenticationPlugin", desired.iam_user)
    return {"Created": ",".join(report.created), "IamUser": desired.iam_user if report.iam_user else ""}


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Handle a request of CloudFormation.

    Raises:
        BootstrapError: after the answer to CloudFormation, so that the function's error metric counts it
    """
    try:
        data: dict[str, str] = {}
        if event["RequestType"] != "Delete":
            data = bootstrap(event["ResourceProperties"], boto3.client("secretsmanager", config=_CALLS))
    except Exception as error:  # noqa: BLE001 - whatever it is, CloudFormation waits for an answer
        _answer(event, "FAILED", _reason(error), {})
        raise BootstrapError(_reason(error)) from None
    _answer(event, "SUCCESS", "the accounts exist", data)


def _reason(error: Exception) -> str:
    """Return the reason of a failure for the stack's events.

    A database's error text can quote the statement, so only its number is reported, also in the log.
    """
    if isinstance(error, pymysql.MySQLError):
        return f"the database refused a statement or did not answer: {type(error).__name__} {error.args[0]}"
    if isinstance(error, BootstrapError):
        return str(error)
    if isinstance(error, ClientError):
        return f"{error.operation_name} was refused: {error.response['Error']['Code']}"
    return f"the accounts were not created: {type(error).__name__}"


def _answer(event: Mapping[str, Any], status: str, reason: str, data: Mapping[str, str]) -> None:
    body = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body |= {"Status": status, "Reason": reason, "PhysicalResourceId": "accounts", "Data": data}
    # The URL is signed without a content type, as AWS's cfn-response sends it; urllib would add a form's:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own address
        event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT"
    )
    for pause in (1, 2, 4, None):  # Lambda doesn't run this function again if the answer is lost
        try:
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - the same
        except OSError:
            if pause is None:
                raise
            time.sleep(pause)
        else:
            return
