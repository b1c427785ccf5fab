"""The connection secret, and logging in to Vault with what it says."""

from __future__ import annotations

import base64
import ipaddress
import json
import logging
import re
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from .aws import Clients, call
from .errors import ConfigError, SourceDenied, SourceError
from .vault import Address, Vault

logger = logging.getLogger(__name__)

METHODS: Mapping[str, tuple[str, ...]] = {
    "approle": ("role_id",),
    "aws": ("role", "server_id"),
    "jwt": ("role", "audience"),
    "token": ("token",),
}
"""What each method of `auth` has to say."""

JWT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Connection:
    """What the connection secret says; *content* is all of it, so that it can be written back whole."""

    address: Address
    auth: Mapping[str, str] = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)


class ConnectionSecret:
    """The one secret that the function may read, and the only place where it keeps anything for itself."""

    def __init__(self, clients: Clients, name: str, *, allow_http: bool) -> None:
        self._client = clients.secretsmanager
        self._name = name
        self._allow_http = allow_http
        self._content: dict[str, Any] = {}

    def read(self) -> Connection:
        """Read and check the secret.

        Raises:
            ConfigError: with everything that is wrong with its content.
            TargetError: it can't be read.
        """
        answer = call(
            self._client.get_secret_value,
            f"GetSecretValue for the connection secret {self._name}",
            SecretId=self._name,
            VersionStage="AWSCURRENT",
        )
        connection = parse_connection(answer.get("SecretString", ""), allow_http=self._allow_http)
        self._content = dict(connection.content)
        return connection

    def amend(self, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        """Put what *change* makes of the content as it is now: an operator may have written it meanwhile.

        Raises:
            ConfigError, TargetError: as `read` does, or it can't be written.
        """
        now = self.read().content
        content = change(now)
        if content != now:
            call(
                self._client.put_secret_value,
                f"PutSecretValue for the connection secret {self._name}",
                SecretId=self._name,
                SecretString=json.dumps(content),
            )
        self._content = dict(content)

    def hash_key(self) -> bytes:
        """Return the key that KV v1 values are hashed with; it is made and kept when first asked for.

        A key that changed would make every such secret look changed.
        """
        if "hash_key" not in self._content:
            self.amend(lambda content: {"hash_key": secrets.token_hex(32), **content})
        return str(self._content["hash_key"]).encode()


def parse_connection(text: str, *, allow_http: bool) -> Connection:
    """Check the connection secret's content; raise `ConfigError` with all that is wrong, without values."""
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ConfigError(["the connection secret is not a JSON object"])
    if "vaultAddress" in content or "vaultToken" in content:
        url: object = content.get("vaultAddress")
        auth: object = {"method": "token", "token": content.get("vaultToken")}
    else:
        url, auth = content.get("address"), content.get("auth")
    namespace, bundle = content.get("namespace"), content.get("ca_bundle")
    problems = [*_address_problems(url, allow_http), *_auth_problems(auth), *_bundle_problems(bundle)]
    if namespace is not None and not isinstance(namespace, str):
        problems.append("namespace is not a string")
    if problems:
        raise ConfigError([f"the connection secret: {problem}" for problem in problems])
    address = Address(str(url).rstrip("/"), namespace or None, bundle or None)
    return Connection(address, auth if isinstance(auth, dict) else {}, content)


def _address_problems(url: object, allow_http: bool) -> list[str]:
    if not isinstance(url, str) or not url:
        return ["address is missing"]
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        return ["address is not a URL that begins with https://"]
    if parts.username or parts.password or parts.query:
        return ["address must hold neither credentials nor a query"]
    if parts.scheme == "http" and not (allow_http and _loopback(parts.hostname)):
        return ["address must begin with https://; http takes BEANVAULT_ALLOW_HTTP and a loopback address"]
    return []


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _auth_problems(auth: object) -> list[str]:
    if not isinstance(auth, dict):
        return ["auth is missing; it is an object with a method"]
    method = auth.get("method")
    if not isinstance(method, str) or method not in METHODS:
        return [f"auth.method is one of {', '.join(METHODS)}"]
    needed = [*METHODS[method]]
    if method == "approle" and not auth.get("wrapped_secret_id"):
        needed.append("secret_id")
    wrong = [key for key in needed if not isinstance(auth.get(key), str) or not auth.get(key)]
    padded = [key for key, value in auth.items() if isinstance(value, str) and value != value.strip()]
    return [
        *(f"auth.{key} is missing for the method {method}" for key in wrong),
        *(f"auth.{key} begins or ends with white space, such as a line's end" for key in padded),
    ]


def _bundle_problems(bundle: object) -> list[str]:
    if bundle is None or bundle == "":
        return []
    try:
        ssl.create_default_context(cadata=bundle)  # type: ignore[arg-type]  # a wrong type raises below
    except (ssl.SSLError, TypeError, ValueError):
        return ["ca_bundle holds no PEM certificate"]
    return []


def log_in(vault: Vault, connection: Connection, kept: ConnectionSecret, clients: Clients) -> None:
    """Give *vault* a token by the method that the connection secret names.

    Raises:
        SourceDenied: Vault refuses the login.
    """
    auth = connection.auth
    method = auth["method"]
    mount = auth.get("mount") or method
    path = f"auth/{mount}/login"
    secret_id = auth.get("secret_id") or ""
    if method == "approle" and not secret_id:
        secret_id = _unwrap(vault, auth["wrapped_secret_id"], mount, kept)
    try:
        match method:
            case "approle":
                vault.login(
                    path, lambda c: c.auth.approle.login(auth["role_id"], secret_id, mount_point=mount)
                )
            case "aws":
                signed = {"role": auth["role"], **_signed_identity(clients, auth["server_id"])}
                vault.login(path, lambda c: c.adapter.login(f"/v1/{path}", json=signed))
            case "jwt":
                token = _web_identity(clients, auth["audience"])
                vault.login(path, lambda c: c.auth.jwt.jwt_login(auth["role"], token, path=mount))
            case _:
                logger.warning(
                    "logging in to Vault with a token is for trying it out: it expires, or never does"
                )
                vault.use_token(auth["token"])
    except SourceDenied as error:
        # https://openbao.org/docs/concepts/user-lockout/
        locked = " (five refusals lock it for 15 minutes)" if method == "approle" else ""
        raise SourceDenied(
            f"Vault refuses the login by {method} at auth/{mount}; renew it in the "
            f"connection secret, or correct the role{locked}"
        ) from error


def _unwrap(vault: Vault, wrapped: str, mount: str, kept: ConnectionSecret) -> str:
    """Return the secret id in a wrapping token, which works once: the plain one is kept in its place.

    A run that is killed in between loses it, and the next one asks for a fresh one.
    """
    try:
        origin = vault.wrapped_by(wrapped)
        # Whoever opens a wrapping token and wraps its content again leaves another path.
        genuine = re.search(rf"(^|/)auth/{re.escape(mount)}/role/[^/]+/(custom-)?secret-id$", origin)
        secret_id = str(vault.unwrap(wrapped)["secret_id"]) if genuine else ""
    except (SourceError, KeyError, TypeError) as error:
        if isinstance(error, SourceError) and not isinstance(error, SourceDenied):
            raise
        raise SourceDenied(
            "the wrapped secret id in the connection secret is used up, expired or wrong; put a fresh one, "
            "and if nobody of yours has used it, look for who did"
        ) from None
    if not genuine:
        raise SourceDenied(
            f"the wrapped secret id in the connection secret was made by {origin} and not by AppRole at "
            f"auth/{mount}: somebody may have opened it; destroy that secret id, and put a fresh one"
        )

    def put_plain(content: Mapping[str, Any]) -> Mapping[str, Any]:
        auth = content.get("auth") or {}
        if auth.get("wrapped_secret_id") != wrapped:
            return content  # replaced by a newer one meanwhile
        auth = {key: value for key, value in auth.items() if key != "wrapped_secret_id"}
        return {**content, "auth": {**auth, "secret_id": secret_id}}

    kept.amend(put_plain)
    return secret_id


def _signed_identity(clients: Clients, server_id: str) -> dict[str, str]:
    """Return a signed GetCallerIdentity request, which Vault sends to STS to learn who we are.

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
    """Return a token, signed by AWS, that says who we are: no secret has to be kept for it."""
    answer = call(
        clients.sts.get_web_identity_token,
        "GetWebIdentityToken",
        Audience=[audience],
        DurationSeconds=JWT_SECONDS,
        SigningAlgorithm="RS256",
    )
    return answer["WebIdentityToken"]
