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
"""The version of all tokens: none is newer than another in a way that matters to an open connection."""


class TokenSigner(Protocol):
    """What is used of the RDS client; signing needs no request."""

    def generate_db_auth_token(self, *, DBHostname: str, Port: int, DBUsername: str) -> str: ...  # noqa: N803 - the SDK's names


class IamCredentials:
    """IAM database authentication: each connection has a token of its own, so there is nothing to refresh.

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
            raise CredentialUnavailable(f"no token could be signed: {type(error).__name__}") from None
        return Credential(self._user, TOKEN, token.encode())

    def version(self) -> str:
        return TOKEN

    def accepted(self, credential: Credential) -> None:  # noqa: ARG002 - the protocol's
        self._refused_at = None

    def refused(self, credential: Credential) -> None:
        if self._refused_at is None:
            self._refused_at = datetime.now(UTC)
            logger.warning("login refused", extra={"user": credential.user})

    def wait(self, than: str, seconds: float) -> None:  # noqa: ARG002 - the protocol's
        time.sleep(seconds)

    def waiting(self) -> None:
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
