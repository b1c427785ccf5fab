"""IAM database authentication."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Protocol

from botocore.exceptions import BotoCoreError

from .model import Credential, CredentialUnavailable, Health, Rotation

logger = logging.getLogger(__name__)

TOKEN = "token"
"""The version of every token: an open connection doesn't depend on a newer token."""


class TokenSigner(Protocol):
    """The part of the RDS client that is used; signing sends no request."""

    def generate_db_auth_token(self, *, DBHostname: str, Port: int, DBUsername: str) -> str: ...  # noqa: N803 - the SDK's names


class IamCredentials:
    """IAM database authentication: each connection has a token of its own, so nothing has to be refreshed.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
    """

    def __init__(self, host: str, port: int, user: str, signer: TokenSigner) -> None:
        self._host, self._port, self._user, self._signer = host, port, user, signer
        self._refused_at: datetime | None = None

    def current(self) -> Credential:
        try:
            token = self._signer.generate_db_auth_token(
                DBHostname=self._host, Port=self._port, DBUsername=self._user
            )
        except BotoCoreError as error:
            raise CredentialUnavailable(f"could not sign a token: {type(error).__name__}") from None
        return Credential(self._user, TOKEN, token.encode())

    def version(self) -> str:
        return TOKEN

    def record_accepted(self, credential: Credential) -> None:  # noqa: ARG002 - the protocol's
        self._refused_at = None

    def record_refused(self, credential: Credential) -> None:
        if self._refused_at is None:
            self._refused_at = datetime.now(UTC)
            logger.warning("login refused", extra={"user": credential.user})

    def wait_for_newer(self, version: str, seconds: float) -> None:  # noqa: ARG002 - the protocol's
        time.sleep(seconds)

    def record_waiting(self) -> None:
        return None

    def health(self) -> Health:
        if self._refused_at:
            reason = (
                "the database refuses tokens: check rds-db:connect and the user's AWSAuthenticationPlugin"
            )
            return Health("refused", reason, self._refused_at)
        return Health("current")

    def rotation(self) -> Rotation | None:
        return None
