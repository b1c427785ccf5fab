"""IAM database authentication: each connection has a token of its own, signed in the process."""

from __future__ import annotations

import logging
from typing import cast
from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest
from botocore.exceptions import NoCredentialsError

from eb_app.credentials import CredentialUnavailable, IamCredentials
from eb_app.credentials.iam import TokenSigner

KEY_ID = "AKIDEXAMPLE"
LOG = "eb_app.credentials.iam"


def credentials() -> IamCredentials:
    rds = botocore.session.Session().create_client(
        "rds", region_name="eu-central-1", aws_access_key_id=KEY_ID, aws_secret_access_key="example"
    )
    return IamCredentials(
        "db.example", 3307, "app_iam", cast(TokenSigner, rds)
    )  # botocore makes its methods at run time


def test_a_token_is_a_request_to_connect_signed_for_fifteen_minutes() -> None:
    """Made by the AWS SDK itself, for this host, port and user; none of it is in the credential's repr."""
    credential = credentials().current()
    token = credential.password.decode()
    address = urlsplit(f"https://{token}")
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert (address.hostname, address.port) == ("db.example", 3307)
    assert (query["Action"], query["DBUser"], query["X-Amz-Expires"]) == ("connect", "app_iam", "900")
    assert query["X-Amz-Credential"].startswith(f"{KEY_ID}/")
    assert query["X-Amz-Signature"] not in repr(credential)
    assert credential.user == "app_iam"


def test_without_aws_credentials_there_is_no_token() -> None:
    """The error names the cause, and nothing of the request."""

    class Unable:
        """An RDS client on an instance without a role."""

        def generate_db_auth_token(self, **_: object) -> str:
            raise NoCredentialsError

    with pytest.raises(CredentialUnavailable, match="NoCredentialsError"):
        IamCredentials("db.example", 3307, "app_iam", Unable()).current()


def test_a_refused_token_is_logged_once_and_cleared_by_the_next_login(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The reason names what to check; the next connection has another token."""
    caplog.set_level(logging.WARNING, LOG)
    source = credentials()
    token = source.current()
    for _ in range(3):
        source.record_refused(token)
    assert len(caplog.records) == 1
    health = source.health()
    assert health.state == "refused"
    assert "rds-db:connect" in health.reason
    source.record_accepted(token)
    assert source.health().state == "current"
