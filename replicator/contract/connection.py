"""The connection secret: where Vault is and how the function logs in there.

A JSON object with `address`, optionally `namespace` and `ca_bundle`, and `auth`, an object with `method` and
that method's own keys. `{"vaultAddress", "vaultToken"}`, the older shape, is read as well.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from ..errors import ConfigError


class LoginMethod(StrEnum):
    APPROLE = "approle"
    AWS = "aws"
    JWT = "jwt"
    TOKEN = "token"


REQUIRED_KEYS: Mapping[LoginMethod, tuple[str, ...]] = {
    LoginMethod.APPROLE: ("role_id",),
    LoginMethod.AWS: ("role", "server_id"),
    LoginMethod.JWT: ("role", "audience"),
    LoginMethod.TOKEN: ("token",),
}
"""The keys that `auth` must have for each method; AppRole also needs `secret_id` or `wrapped_secret_id`."""

OPERATOR_KEYS = frozenset({"address", "namespace", "ca_bundle", "auth", "vaultAddress", "vaultToken"})
"""Keys that the operator writes. The function keeps others in the same secret, such as `HASH_KEY`."""

HASH_KEY = "hash_key"
"""The key that KV version 1 values are hashed with, made by the function."""


@dataclass(frozen=True, slots=True)
class VaultAddress:
    """Where Vault is; *ca_bundle* is PEM text that replaces the public authorities."""

    url: str
    namespace: str | None = None
    ca_bundle: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """What the connection secret holds; *content* is all of it, so that it can be written back whole."""

    address: VaultAddress
    auth: Mapping[str, str] = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)

    @property
    def method(self) -> LoginMethod:
        return LoginMethod(self.auth["method"])

    @property
    def mount(self) -> str:
        """The path of the auth method, which defaults to the method's name."""
        return self.auth.get("mount") or self.method.value


def render_connection(address: VaultAddress, auth: Mapping[str, str]) -> str:
    """Return the operator's part of the connection secret as text."""
    content = {
        "address": address.url,
        "namespace": address.namespace,
        "ca_bundle": address.ca_bundle,
        "auth": auth,
    }
    return json.dumps({key: value for key, value in content.items() if value})


def parse_connection(text: str, *, allow_http: bool) -> Connection:
    """Read the connection secret's content.

    Raises:
        ConfigError: with all that is wrong, without values.
    """
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
    address = VaultAddress(str(url).rstrip("/"), namespace or None, bundle or None)
    return Connection(address, auth if isinstance(auth, dict) else {}, content)


def _address_problems(url: object, allow_http: bool) -> list[str]:
    if not isinstance(url, str) or not url:
        return ["address is missing"]
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is none is found when it is read
    except ValueError:
        return ["address is not a valid URL, such as https://vault.example.com:8200"]
    if parts.scheme not in ("https", "http") or not host:
        return ["address is not a URL that begins with https://"]
    if parts.username or parts.password or parts.query or parts.fragment:
        return ["address must not contain credentials, a query or a fragment"]
    if parts.scheme == "http" and not (allow_http and _is_loopback(host)):
        return ["address must begin with https://; http needs BEANVAULT_ALLOW_HTTP and a loopback address"]
    return []


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _auth_problems(auth: object) -> list[str]:
    if not isinstance(auth, dict):
        return ["auth is missing; it is an object with a method"]
    try:
        method = LoginMethod(str(auth.get("method")))
    except ValueError:
        return [f"auth.method is one of {', '.join(LoginMethod)}"]
    required = [*REQUIRED_KEYS[method]]
    if method is LoginMethod.APPROLE and not auth.get("wrapped_secret_id"):
        required.append("secret_id")
    missing = [key for key in required if not isinstance(auth.get(key), str) or not auth.get(key)]
    not_text = [key for key, value in auth.items() if key not in missing and not isinstance(value, str)]
    padded = [key for key, value in auth.items() if isinstance(value, str) and value != value.strip()]
    return [
        *(f"auth.{key} is missing for the method {method}" for key in missing),
        *(f"auth.{key} is not a string" for key in not_text),
        *(f"auth.{key} begins or ends with white space, such as a line break" for key in padded),
    ]


def _bundle_problems(bundle: object) -> list[str]:
    if bundle is None or bundle == "":
        return []
    try:
        ssl.create_default_context(cadata=bundle)  # type: ignore[arg-type]  # a wrong type raises below
    except (ssl.SSLError, TypeError, ValueError):
        return ["ca_bundle contains no PEM certificate"]
    return []
