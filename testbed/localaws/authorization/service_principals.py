"""AWS services as callers: they assume roles that trust them, and use resources whose policy allows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config

from ..moto_client import client
from .enforcement import decide
from .identity import Caller, remember_context
from .policy import AccessRequest, ContextValue, Decision
from .sent_keys import sent


@dataclass(frozen=True, slots=True)
class AssumedRoleSession:
    """Temporary credentials of a role."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str = field(repr=False)
    expires: datetime

    def client(self, service: str, region: str, endpoint: str) -> Any:
        """Return a client that calls *service* with these credentials, over HTTP."""
        return _client(self, service, region, endpoint)

    def environment(self) -> dict[str, str]:
        """Return these credentials as environment variables of AWS's clients."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_SESSION_TOKEN": self.token,
        }


@lru_cache(maxsize=64)
def _client(session: AssumedRoleSession, service: str, region: str, endpoint: str) -> Any:
    maker: Any = boto3.session.Session(
        session.access_key_id, session.secret_access_key, session.token, region_name=region
    )
    return maker.client(
        service,
        endpoint_url=endpoint,
        config=Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 0}),
    )


class NotTrustedError(Exception):
    """The role's trust policy does not let the service assume it."""


def assume_role(
    role_arn: str,
    service: str,
    session_name: str,
    region: str,
    source_arn: str = "",
    context: Mapping[str, ContextValue] | None = None,
) -> AssumedRoleSession:
    """Return credentials for one hour of the role, assumed by *service* (`lambda.amazonaws.com`).

    The condition keys in *context* are added to every call of the session.

    Raises:
        NotTrustedError: the role's trust policy does not allow it
    """
    if not service_is_allowed(service, "sts:AssumeRole", role_arn, source_arn):
        raise NotTrustedError(f"{service} cannot assume {role_arn}: its trust policy does not allow it")
    account = role_arn.split(":")[4]
    sts = client("sts", region, account)
    made = sts.assume_role(RoleArn=role_arn, RoleSessionName=f"{session_name:-<2.64}")["Credentials"]
    remember_context(account, made["AccessKeyId"], context or {})
    return AssumedRoleSession(
        made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], made["Expiration"]
    )


def service_is_allowed(service: str, action: str, resource: str, source_arn: str = "") -> bool:
    """Return whether *resource*'s policy allows *action* to *service*, on behalf of *source_arn*.

    Of the keys that name the source, the request has those that the service is known to send.
    """
    context = {"aws:SecureTransport": "true", "aws:PrincipalIsAWSService": "true"}
    context |= sent(service, action, source_arn)
    caller = Caller(service, "")
    return decide(caller, AccessRequest(action, resource, service, context)) is Decision.ALLOWED
