"""How the function logs in to Vault: each login makes its role, and its part of the connection secret."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, assert_never

import hvac
from hvac import exceptions as hvac_errors

from .server import VaultError, explained

TOKEN_TTL = "20m"
BINDINGS = ("secret_id_bound_cidrs", "token_bound_cidrs")
"""Where an AppRole keeps the addresses it is bound to."""
EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})
ANOTHER_MOUNT = "keep that one, and name a mount of this deployment's own: --login-mount"
Auth = dict[str, str]
"""The `auth` object of the connection secret; holds secrets, so it is never printed."""


@dataclass(frozen=True, slots=True)
class AppRole:
    """A role id and a secret id kept in the connection secret."""

    role: str
    mount: str = "approle"
    cidrs: tuple[str, ...] = ()
    """From where the secret id may be used: the NAT gateways' addresses. Empty: what the role has stays,
    which is from anywhere if it is new."""
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

    Raises:
        VaultError: the mount is of another type, or serves others with another configuration
        VaultError, Denied, Unreachable: Vault refused, or didn't answer
    """
    limits: dict[str, Any] = {"token_policies": [policy], "token_ttl": TOKEN_TTL, "token_max_ttl": TOKEN_TTL}
    limits |= {"token_no_default_policy": True}
    match login:
        case AppRole():
            accessor = _enable(client, "approle", login.mount)
            path = f"auth/{login.mount}/role/{login.role}"
            # What isn't named here stays as it is: addresses, lifetimes of the secret id.
            bound = {key: list(login.cidrs) for key in BINDINGS} if login.cidrs else {}
            _write(client, path, limits | bound)
            with explained(f"the role id of {login.role}"):
                role_id = client.read(f"{path}/role-id")["data"]["role_id"]
            secret_id = _write(client, f"{path}/secret-id", {})["data"]["secret_id"]
            _unlock(client, accessor, login.role, role_id)
            return {"method": "approle", "mount": login.mount, "role_id": role_id, "secret_id": secret_id}
        case Jwt():
            _enable(client, "jwt", login.mount)
            trust = {
                "bound_issuer": login.issuer,
                "oidc_discovery_url": "" if login.public_keys else login.issuer,
                "jwt_validation_pubkeys": [key.strip() for key in login.public_keys],  # as Vault keeps them
                "jwks_url": "",
                "jwks_pairs": [],
            }
            _configure(client, f"auth/{login.mount}", "config", trust)
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
            named = {"iam_server_id_header_value": login.server_id}
            _configure(client, f"auth/{login.mount}", "config/client", named)
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

    A JWT and a signed AWS request can only be made by the function's role, and an AppRole bound to addresses
    works from there only: the policy is then proven with a short-lived token made for it, and the login by
    the function (`beanvault connect`).
    """
    match login:
        case AppRole() if not _bound(client, login):
            with explained(f"the new AppRole login {login.role}"):
                fresh.auth.approle.login(auth["role_id"], auth["secret_id"], mount_point=login.mount)
            return True
        case Token():
            fresh.token = auth["token"]
            return True
        case AppRole() | Jwt() | AwsIam():
            body = {"policies": [policy], "ttl": "5m", "no_default_policy": True, "renewable": False}
            fresh.token = _write(client, "auth/token/create", body)["auth"]["client_token"]
            return False
        case _:
            assert_never(login)


def _unlock(client: hvac.Client, accessor: str, role: str, role_id: str) -> None:
    """Let a role log in again at once that was refused too often, and with it the secret id just made.

    After five refusals Vault refuses whatever the role comes with, for a quarter of an hour
    (https://openbao.org/docs/concepts/user-lockout/). A function with an expired secret id gets there by
    itself. Whoever may not do this has to wait.
    """
    # Versions from before there was such a lock don't know the path.
    with explained(f"the lock of {role}"), suppress(hvac_errors.Forbidden, hvac_errors.InvalidPath):
        client.adapter.post(f"/v1/sys/locked-users/{accessor}/unlock/{role_id}")


def _enable(client: hvac.Client, kind: str, mount: str) -> str:
    """Make the mount unless it is there; return its accessor."""
    with explained(f"the login methods at auth/{mount}"):
        present = client.sys.list_auth_methods()["data"]
        if f"{mount}/" not in present:
            client.sys.enable_auth_method(kind, path=mount)
            present = client.sys.list_auth_methods()["data"]
    found = present[f"{mount}/"]
    if found["type"] != kind:
        raise VaultError(f"auth/{mount} is of type {found['type']}, not {kind}", ANOTHER_MOUNT)
    return str(found["accessor"])


def _configure(client: hvac.Client, mount: str, part: str, wanted: dict[str, Any]) -> None:
    """Write the configuration of a login nobody uses yet; leave one that is in use as it is.

    It holds for every role of the mount: another issuer or server id would lock the others out.
    """
    path = f"{mount}/{part}"
    with explained(f"the configuration at {path}"):
        answer = client.read(path)
    found = answer["data"] if answer else {}
    different = [key for key, value in wanted.items() if (found.get(key) or "") != (value or "")]
    if not different:
        return
    with explained(f"the list of roles at {mount}/role"):
        used = client.list(f"{mount}/role")
    if any(found.get(key) for key in wanted) or used:
        told = "; ".join(f"{key} is {_short(found.get(key))}, not {_short(wanted[key])}" for key in different)
        raise VaultError(f"{mount} serves others with another configuration: {told}", ANOTHER_MOUNT)
    _write(client, path, {key: value for key, value in wanted.items() if value})


def _short(value: Any) -> str:
    """Return a setting for a message; of public keys only how many."""
    if not value:
        return "empty"
    return value if isinstance(value, str) else f"a list of {len(value)}"


def _bound(client: hvac.Client, login: AppRole) -> bool:
    with explained(f"the role {login.role}"):
        role = client.read(f"auth/{login.mount}/role/{login.role}")["data"]
    return any(set(role.get(key) or ()) - EVERYWHERE for key in BINDINGS)


def _write(client: hvac.Client, path: str, data: dict[str, Any]) -> Any:
    with explained(f"a write to {path}"):
        return client.write_data(path, data=data)
