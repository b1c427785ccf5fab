"""How the function logs in to Vault. Each login makes its role, and says what the connection secret needs of
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, assert_never

import hvac

from .server import VaultError, explained

TOKEN_TTL = "20m"
Auth = dict[str, str]
"""The `auth` object of the connection secret; holds secrets, so it is never printed."""


@dataclass(frozen=True, slots=True)
class AppRole:
    """A role id and a secret id kept in the connection secret."""

    role: str
    mount: str = "approle"
    cidrs: tuple[str, ...] = ()
    """From where the secret id may be used: the NAT gateways' addresses. Empty: from anywhere."""
    secret_id_ttl: str = "0"
    """After which the function can no longer log in; 0 is never."""
    method: Literal["approle"] = "approle"


@dataclass(frozen=True, slots=True)
class Jwt:
    """A token from sts:GetWebIdentityToken, signed by AWS for the function's role: nothing is kept."""

    role: str
    issuer: str
    """The account's own issuer URL, from sts:GetWebIdentityToken or IAM's account settings."""
    audience: str
    subject: str
    """The function role's ARN."""
    mount: str = "jwt"
    public_keys: tuple[str, ...] = ()
    """PEM; none means that Vault fetches the issuer's keys by OIDC discovery."""
    method: Literal["jwt"] = "jwt"


@dataclass(frozen=True, slots=True)
class AwsIam:
    """A signed sts:GetCallerIdentity: nothing is kept. HashiCorp Vault only; OpenBao has no such method."""

    role: str
    principal: str
    """The function role's ARN."""
    server_id: str
    """Goes into the signature, so that a request made for another server can't be used here."""
    mount: str = "aws"
    method: Literal["aws"] = "aws"


@dataclass(frozen=True, slots=True)
class Token:
    """A long-lived token kept in the connection secret: for trying it out."""

    role: str
    """Its display name."""
    period: str = "24h"
    """It ends when it isn't renewed within this time."""
    method: Literal["token"] = "token"


Login = AppRole | Jwt | AwsIam | Token


def establish(client: hvac.Client, login: Login, policy: str) -> Auth:
    """Make the login's role with *policy* alone, in Vault; return the connection secret's `auth`.

    An AppRole's earlier secret ids stay valid, so that a function that is running goes on.

    :raises VaultError, Denied, Unreachable: Vault refused, or didn't answer
    """
    limits: dict[str, Any] = {"token_policies": [policy], "token_ttl": TOKEN_TTL, "token_max_ttl": TOKEN_TTL}
    limits |= {"token_no_default_policy": True}
    match login:
        case AppRole():
            _enable(client, "approle", login.mount)
            path = f"auth/{login.mount}/role/{login.role}"
            bound: dict[str, Any] = {
                "secret_id_bound_cidrs": list(login.cidrs),
                "token_bound_cidrs": list(login.cidrs),
            }
            _write(client, path, limits | bound | {"secret_id_ttl": login.secret_id_ttl})
            with explained(f"the role id of {login.role}"):
                role_id = client.read(f"{path}/role-id")["data"]["role_id"]
            secret_id = _write(client, f"{path}/secret-id", {})["data"]["secret_id"]
            return {"method": "approle", "mount": login.mount, "role_id": role_id, "secret_id": secret_id}
        case Jwt():
            _enable(client, "jwt", login.mount)
            trust: dict[str, Any] = {"bound_issuer": login.issuer}
            if login.public_keys:
                trust |= {"jwt_validation_pubkeys": list(login.public_keys)}
            else:
                trust |= {"oidc_discovery_url": login.issuer}
            _write(client, f"auth/{login.mount}/config", trust)
            role: dict[str, Any] = {
                "role_type": "jwt",
                "user_claim": "sub",
                "bound_audiences": [login.audience],
                "bound_subject": login.subject,
            }
            _write(client, f"auth/{login.mount}/role/{login.role}", limits | role)
            return {"method": "jwt", "mount": login.mount, "role": login.role, "audience": login.audience}
        case AwsIam():
            _enable(client, "aws", login.mount)
            _write(
                client, f"auth/{login.mount}/config/client", {"iam_server_id_header_value": login.server_id}
            )
            # Resolving the ARN to its unique id needs AWS credentials in Vault; the ARN alone needs none.
            role = {
                "auth_type": "iam",
                "bound_iam_principal_arn": [login.principal],
                "resolve_aws_unique_ids": False,
            }
            _write(client, f"auth/{login.mount}/role/{login.role}", limits | role)
            return {
                "method": "aws",
                "mount": login.mount,
                "role": login.role,
                "server_id": login.server_id,
            }
        case Token():
            made = _write(
                client,
                "auth/token/create-orphan",
                {
                    "policies": [policy],
                    "period": login.period,
                    "no_default_policy": True,
                    "display_name": login.role,
                },
            )
            return {"method": "token", "token": made["auth"]["client_token"]}
        case _:
            assert_never(login)


def prove_with(client: hvac.Client, fresh: hvac.Client, login: Login, auth: Auth, policy: str) -> bool:
    """Give *fresh* a token with the login's rights; return whether that was by the login itself.

    A JWT and a signed AWS request can only be made by the function's role: the policy is then proven with a
    token made for it, and the login by the function (`beanvault connect`).
    """
    match login:
        case AppRole():
            with explained(f"the new AppRole login {login.role}"):
                fresh.auth.approle.login(auth["role_id"], auth["secret_id"], mount_point=login.mount)
            return True
        case Token():
            fresh.token = auth["token"]
            return True
        case Jwt() | AwsIam():
            body = {"policies": [policy], "ttl": "5m", "no_default_policy": True, "renewable": False}
            fresh.token = _write(client, "auth/token/create", body)["auth"]["client_token"]
            return False
        case _:
            assert_never(login)


def _enable(client: hvac.Client, kind: str, mount: str) -> None:
    with explained(f"the login methods at auth/{mount}"):
        present = client.sys.list_auth_methods()["data"]
        if f"{mount}/" not in present:
            client.sys.enable_auth_method(kind, path=mount)
            return
    found = present[f"{mount}/"]["type"]
    if found != kind:
        raise VaultError(f"auth/{mount} is of type {found}, not {kind}", "name another mount for this login")


def _write(client: hvac.Client, path: str, data: dict[str, Any]) -> Any:
    with explained(f"a write to {path}"):
        return client.write_data(path, data=data)
