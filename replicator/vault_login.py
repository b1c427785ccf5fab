"""Reading the connection secret, and logging in to Vault with it."""

from __future__ import annotations

import base64
import json
import logging
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, assert_never

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from .aws import Clients, call
from .contract.connection import HASH_KEY, Connection, LoginMethod, parse_connection
from .contract.tags import TAG_HEALTH, HealthState
from .errors import ConfigError, NotConnected, SourceDenied, SourceError, TargetMissing
from .vault import Vault

logger = logging.getLogger(__name__)

JWT_SECONDS = 300


class ConnectionSecret:
    """The one secret that the function can read, and the only place where it stores anything for itself."""

    def __init__(self, clients: Clients, name: str, *, allow_http: bool) -> None:
        self._client = clients.secretsmanager
        self._name = name
        self._allow_http = allow_http
        self._content: dict[str, Any] = {}

    def read(self) -> Connection:
        """Read and check the secret.

        Raises:
            NotConnected: it never had a content.
            ConfigError: with everything that is wrong with its content.
            TargetError: it can't be read.
        """
        try:
            answer = call(
                self._client.get_secret_value,
                f"GetSecretValue for the connection secret {self._name}",
                SecretId=self._name,
                VersionStage="AWSCURRENT",
            )
        except TargetMissing:
            self._check_never_connected()
            raise NotConnected(
                "no connection to Vault is stored yet; run `beanvault vault init`, or `beanvault connect` if "
                "another team runs Vault"
            ) from None
        connection = parse_connection(answer.get("SecretString", ""), allow_http=self._allow_http)
        self._content = dict(connection.content)
        return connection

    def _check_never_connected(self) -> None:
        """Raise `TargetMissing` unless the secret exists and never had a content.

        AWS never removes `AWSCURRENT`, so a secret with a version, or with the state of a connected run, lost
        its content in another way.
        """
        described = call(
            self._client.describe_secret,
            f"DescribeSecret for the connection secret {self._name}",
            SecretId=self._name,
        )
        tags = {each["Key"]: each["Value"] for each in described.get("Tags", [])}
        was_connected = tags.get(TAG_HEALTH) in (HealthState.HEALTHY, HealthState.UNHEALTHY)
        if described.get("VersionIdsToStages") or was_connected:
            raise connection_lost(self._name)

    def amend(self, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        """Apply *change* to the current content, which an operator may have written meanwhile, and store it.

        Raises:
            ConfigError, TargetError: as in `read`, or it can't be written.
        """
        before = self.read().content
        content = change(before)
        if content != before:
            call(
                self._client.put_secret_value,
                f"PutSecretValue for the connection secret {self._name}",
                SecretId=self._name,
                SecretString=json.dumps(content),
            )
        self._content = dict(content)

    def hash_key(self) -> bytes:
        """Return the key that KV v1 values are hashed with; it is created and stored when first needed.

        Another key would make every such secret look changed.
        """
        if HASH_KEY not in self._content:
            self.amend(lambda content: {HASH_KEY: secrets.token_hex(32), **content})
        return str(self._content[HASH_KEY]).encode()


_REFUSAL_HINTS = {
    # https://openbao.org/docs/concepts/user-lockout/
    LoginMethod.APPROLE: " (five refusals lock it for 15 minutes)",
    # https://github.com/hashicorp/vault/pull/21960
    LoginMethod.AWS: "; Vault has to ask STS in the function's region, as `beanvault vault init` sets",
}


def connection_lost(name: str) -> TargetMissing:
    """Return the error for a connection secret without the content that it had."""
    return TargetMissing(
        f"the connection secret {name} has lost its content; store it again with `beanvault connect`"
    )


def log_in(vault: Vault, connection: Connection, secret: ConnectionSecret, clients: Clients) -> None:
    """Give *vault* a token by the method that the connection secret names.

    Raises:
        SourceDenied: Vault refuses the login.
    """
    auth, method, mount = connection.auth, connection.method, connection.mount
    path = f"auth/{mount}/login"
    secret_id = auth.get("secret_id") or ""
    if method is LoginMethod.APPROLE and not secret_id:
        secret_id = _unwrap(vault, auth["wrapped_secret_id"], mount, secret)
    try:
        match method:
            case LoginMethod.APPROLE:
                vault.login(
                    path, lambda c: c.auth.approle.login(auth["role_id"], secret_id, mount_point=mount)
                )
            case LoginMethod.AWS:
                signed = {"role": auth["role"], **_signed_identity(clients, auth["server_id"])}
                vault.login(path, lambda c: c.adapter.login(f"/v1/{path}", json=signed))
            case LoginMethod.JWT:
                token = _web_identity(clients, auth["audience"])
                vault.login(path, lambda c: c.auth.jwt.jwt_login(auth["role"], token, path=mount))
            case LoginMethod.TOKEN:
                logger.warning(
                    "the login to Vault by token is for trials only: the token expires, or never does; "
                    "`beanvault vault init` sets up another login"
                )
                vault.use_token(auth["token"])
            case _:
                assert_never(method)
    except SourceDenied as error:
        raise SourceDenied(
            f"Vault refuses the login by {method} at auth/{mount}; renew it in the "
            f"connection secret, or correct the role{_REFUSAL_HINTS.get(method, '')}"
        ) from error


def _unwrap(vault: Vault, wrapped: str, mount: str, secret: ConnectionSecret) -> str:
    """Return the secret id in a wrapping token, which works once: the plain one replaces it in *secret*.

    A run that is killed in between loses it, and the next one fails and asks for a new one.
    """
    try:
        origin = vault.wrapped_by(wrapped)
        # If a thief unwraps the token and wraps its content again, the path is another one.
        genuine = re.search(rf"(^|/)auth/{re.escape(mount)}/role/[^/]+/(custom-)?secret-id$", origin)
        secret_id = str(vault.unwrap(wrapped)["secret_id"]) if genuine else ""
    except (SourceError, KeyError, TypeError) as error:
        if isinstance(error, SourceError) and not isinstance(error, SourceDenied):
            raise
        raise SourceDenied(
            "the wrapped secret id in the connection secret was used, has expired or is wrong; store a new "
            "one, and if none of your runs used it, find out who did"
        ) from None
    if not genuine:
        raise SourceDenied(
            f"the wrapped secret id in the connection secret was wrapped by {origin} and not by AppRole at "
            f"auth/{mount}: it may have been stolen; destroy that secret id, and store a new one"
        )

    def put_plain(content: Mapping[str, Any]) -> Mapping[str, Any]:
        auth = content.get("auth") or {}
        if auth.get("wrapped_secret_id") != wrapped:
            return content  # replaced by a newer one meanwhile
        auth = {key: value for key, value in auth.items() if key != "wrapped_secret_id"}
        return {**content, "auth": {**auth, "secret_id": secret_id}}

    secret.amend(put_plain)
    return secret_id


def _signed_identity(clients: Clients, server_id: str) -> dict[str, str]:
    """Return a signed GetCallerIdentity request, which Vault sends to STS to verify our identity.

    https://developer.hashicorp.com/vault/docs/auth/aws#iam-auth-method: the server id is among the signed
    headers, so that the request is of no use to another Vault.
    """
    sts = clients.sts
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "X-Vault-AWS-IAM-Server-ID": server_id,
    }
    url = f"{sts.meta.endpoint_url.rstrip('/')}/"
    request = AWSRequest(method="POST", url=url, data=body, headers=headers)
    credentials = clients.session.get_credentials()
    if credentials is None:
        raise ConfigError(["there are no AWS credentials to sign the login to Vault with"])
    SigV4Auth(credentials.get_frozen_credentials(), "sts", sts.meta.region_name).add_auth(request)
    signed = {key: str(value) for key, value in request.headers.items()}
    return {
        "iam_http_request_method": "POST",
        "iam_request_url": base64.b64encode(url.encode()).decode(),
        "iam_request_body": base64.b64encode(body.encode()).decode(),
        "iam_request_headers": base64.b64encode(json.dumps(signed).encode()).decode(),
    }


def _web_identity(clients: Clients, audience: str) -> str:
    """Return a token, signed by AWS, that proves our identity; no secret has to be stored for it."""
    answer = call(
        clients.sts.get_web_identity_token,
        "GetWebIdentityToken",
        Audience=[audience],
        DurationSeconds=JWT_SECONDS,
        SigningAlgorithm="RS256",
    )
    return answer["WebIdentityToken"]
