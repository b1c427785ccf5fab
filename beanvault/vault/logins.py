"""How the function logs in to Vault: each method creates its role and its part of the connection secret."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, assert_never

import hvac
from hvac import exceptions as hvac_errors

from .answers import Answer
from .errors import VaultError, explained

TOKEN_TTL = "20m"
CIDR_FIELDS = ("secret_id_bound_cidrs", "token_bound_cidrs")
"""The fields of an AppRole that restrict the addresses it can be used from."""
UNRESTRICTED = frozenset({"0.0.0.0/0", "::/0"})
OTHER_MOUNT_REMEDY = "leave that mount as it is, and name another one with --login-mount"
STS_NOTE = (
    "Vault verifies this login at AWS STS in the function's region: auth/…/config/client has "
    "use_sts_region_from_client, or sts_endpoint and sts_region. Vault has to reach that endpoint."
)
Auth = dict[str, str]
"""The `auth` object of the connection secret. It holds secrets, so it is never printed."""


@dataclass(frozen=True, slots=True)
class AppRole:
    """A role id and a secret id, stored in the connection secret."""

    role: str
    mount: str = "approle"
    cidrs: tuple[str, ...] = ()
    """The addresses that can use the secret id: the NAT gateways'. Empty leaves the role's restriction as it
    is; a new role has none."""
    method: Literal["approle"] = "approle"


@dataclass(frozen=True, slots=True)
class Jwt:
    """A token from sts:GetWebIdentityToken, signed by AWS for the function's role: no secret is stored."""

    role: str
    issuer: str
    """The account's issuer URL, from sts:GetWebIdentityToken or IAM's account settings."""
    audience: str
    subject: str
    """The function role's ARN."""
    mount: str = "jwt"
    public_keys: tuple[str, ...] = ()
    """PEM; without any, Vault fetches the issuer's keys by OIDC discovery."""
    method: Literal["jwt"] = "jwt"


@dataclass(frozen=True, slots=True)
class AwsIam:
    """A signed sts:GetCallerIdentity: no secret is stored. HashiCorp Vault only; OpenBao lacks it."""

    role: str
    principal: str
    """The function role's ARN."""
    server_id: str
    """Part of the signature, so that a request signed for another server can't be used here."""
    region: str
    """The region that the function signs for."""
    sts_endpoint: str
    """STS there, for a Vault that can't find it out by itself."""
    mount: str = "aws"
    method: Literal["aws"] = "aws"


@dataclass(frozen=True, slots=True)
class Token:
    """A long-lived token, stored in the connection secret: for trials."""

    role: str
    """Its display name."""
    period: str = "24h"
    """It expires when it is not renewed within this time."""
    method: Literal["token"] = "token"


Login = AppRole | Jwt | AwsIam | Token
Fields = dict[str, object]


def create_login(client: hvac.Client, login: Login, policy: str) -> Auth:
    """Create the login's role in Vault with only *policy*; return the connection secret's `auth`.

    An AppRole's earlier secret ids stay valid, so that a running function can still log in.

    Raises:
        VaultError: the mount is of another type, or other roles use it with another configuration
        VaultError, Denied, Unreachable: Vault refused, or didn't answer
    """
    limits: Fields = {"token_policies": [policy], "token_ttl": TOKEN_TTL, "token_max_ttl": TOKEN_TTL}
    limits |= {"token_no_default_policy": True}
    match login:
        case AppRole():
            accessor = _enable(client, "approle", login.mount)
            path = f"auth/{login.mount}/role/{login.role}"
            # Fields that are not named here stay as they are: addresses, the secret id's lifetime.
            restricted: Fields = {key: list(login.cidrs) for key in CIDR_FIELDS} if login.cidrs else {}
            _write(client, path, limits | restricted)
            role_id = _read(client, f"{path}/role-id").text("role_id")
            secret_id = _write(client, f"{path}/secret-id", {}).part("data").text("secret_id")
            _unlock(client, accessor, login.role, role_id)
            return {"method": "approle", "mount": login.mount, "role_id": role_id, "secret_id": secret_id}
        case Jwt():
            _enable(client, "jwt", login.mount)
            trust: Fields = {
                "bound_issuer": login.issuer,
                "oidc_discovery_url": "" if login.public_keys else login.issuer,
                "jwt_validation_pubkeys": [key.strip() for key in login.public_keys],  # as Vault stores them
                "jwks_url": "",
                "jwks_pairs": [],
            }
            _configure(client, f"auth/{login.mount}", "config", trust)
            role: Fields = {
                "role_type": "jwt",
                "user_claim": "sub",
                "bound_audiences": [login.audience],
                "bound_subject": login.subject,
            }
            _write(client, f"auth/{login.mount}/role/{login.role}", limits | role)
            return {"method": "jwt", "mount": login.mount, "role": login.role, "audience": login.audience}
        case AwsIam():
            _enable(client, "aws", login.mount)
            header: Fields = {"iam_server_id_header_value": login.server_id}
            _configure(client, f"auth/{login.mount}", "config/client", header)
            _use_regional_sts(client, login)
            # Vault would need AWS credentials to resolve the ARN to its unique id.
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
            created = _write(
                client,
                "auth/token/create-orphan",
                {
                    "policies": [policy],
                    "period": login.period,
                    "no_default_policy": True,
                    "display_name": login.role,
                },
            )
            return {"method": "token", "token": created.part("auth").text("client_token")}
        case _:
            assert_never(login)


def log_in(client: hvac.Client, fresh: hvac.Client, login: Login, auth: Auth, policy: str) -> bool:
    """Give *fresh* a token with the login's permissions; return whether the login itself was used.

    Only the function's role can make a JWT or a signed AWS request, and an AppRole restricted to addresses
    works from those only. The token is then a short-lived one with the same policy, and the login itself is
    tested by the function (`beanvault connect`).
    """
    match login:
        case AppRole() if not _restricted(client, login):
            with explained(f"the new AppRole login {login.role}"):
                fresh.auth.approle.login(auth["role_id"], auth["secret_id"], mount_point=login.mount)
            return True
        case Token():
            fresh.token = auth["token"]
            return True
        case AppRole() | Jwt() | AwsIam():
            body: Fields = {"policies": [policy], "ttl": "5m", "no_default_policy": True, "renewable": False}
            fresh.token = _write(client, "auth/token/create", body).part("auth").text("client_token")
            return False
        case _:
            assert_never(login)


def _unlock(client: hvac.Client, accessor: str, role: str, role_id: str) -> None:
    """Unlock a role that was locked after too many refused logins, so that the new secret id works at once.

    After five refused logins Vault refuses the role for 15 minutes, whatever its secret id is
    (https://openbao.org/docs/concepts/user-lockout/). A function whose secret id has expired causes that.
    Without permission to unlock, the lock ends after those 15 minutes.
    """
    # Vault versions without user lockout don't have the path.
    with explained(f"the lock of {role}"), suppress(hvac_errors.Forbidden, hvac_errors.InvalidPath):
        client.adapter.post(f"/v1/sys/locked-users/{accessor}/unlock/{role_id}")


def _enable(client: hvac.Client, kind: str, mount: str) -> str:
    """Enable the auth method unless it exists; return its accessor."""
    request = f"the auth methods at auth/{mount}"
    with explained(request):
        existing = Answer.of(client.sys.list_auth_methods(), request)
        if f"{mount}/" not in existing.fields:
            client.sys.enable_auth_method(kind, path=mount)
            existing = Answer.of(client.sys.list_auth_methods(), request)
    method = existing.part(f"{mount}/")
    if method.text("type") != kind:
        raise VaultError(f"auth/{mount} is of type {method.text('type')}, not {kind}", OTHER_MOUNT_REMEDY)
    return method.text("accessor")


def _configure(client: hvac.Client, mount: str, part: str, desired: Fields) -> None:
    """Write the configuration of an unused auth method; refuse to change one that other roles use.

    The configuration applies to every role of the mount: another issuer or server id would lock them out.
    """
    path = f"{mount}/{part}"
    with explained(f"the configuration at {path}"):
        raw = client.read(path)
    current: Mapping[str, object] = Answer.of(raw, f"a read of {path}").fields if raw else {}
    different = [key for key, value in desired.items() if (current.get(key) or "") != (value or "")]
    if not different:
        return
    with explained(f"the list of roles at {mount}/role"):
        has_roles = bool(client.list(f"{mount}/role"))
    if any(current.get(key) for key in desired) or has_roles:
        differences = "; ".join(
            f"{key} is {_summary(current.get(key))}, not {_summary(desired[key])}" for key in different
        )
        raise VaultError(
            f"{mount} is used by other roles with another configuration: {differences}", OTHER_MOUNT_REMEDY
        )
    _write(client, path, {key: value for key, value in desired.items() if value})


def _use_regional_sts(client: hvac.Client, login: AwsIam) -> None:
    """Have Vault verify logins at STS in the function's region, unless an operator has decided that.

    Otherwise it asks the global endpoint, which refuses a signature for a region: "Credential should be
    scoped to a valid region". `use_sts_region_from_client` suits every role of the mount. Vault has it since
    1.15 and ignores it before: https://github.com/hashicorp/vault/pull/21960
    """
    mount, path = f"auth/{login.mount}", f"auth/{login.mount}/config/client"
    current = _read(client, path).fields
    if current.get("use_sts_region_from_client"):
        return
    if current.get("sts_endpoint") or current.get("sts_region"):
        if current.get("sts_region") == login.region:
            return
        raise VaultError(
            f"{mount} has Vault ask STS in {_summary(current.get('sts_region'))}, and the function signs for "
            f"{login.region}",
            OTHER_MOUNT_REMEDY,
        )
    _write(client, path, {"use_sts_region_from_client": True})
    if _read(client, path).fields.get("use_sts_region_from_client"):
        return
    with explained(f"the list of roles at {mount}/role"):
        raw = client.list(f"{mount}/role")
    names = Answer.of(raw, f"the list of roles at {mount}/role").texts("keys") if raw else ()
    if set(names) - {login.role}:
        raise VaultError(
            f"{mount} is used by other roles, and this Vault asks STS in one region only (before 1.15)",
            OTHER_MOUNT_REMEDY,
        )
    _write(client, path, {"sts_endpoint": login.sts_endpoint, "sts_region": login.region})


def _summary(value: object) -> str:
    """Return a setting for a message; of a list, of public keys for example, only its length."""
    if not value:
        return "empty"
    return f"a list of {len(value)}" if isinstance(value, list) else str(value)


def _restricted(client: hvac.Client, login: AppRole) -> bool:
    role = _read(client, f"auth/{login.mount}/role/{login.role}")
    return any(set(role.texts(key)) - UNRESTRICTED for key in CIDR_FIELDS)


def _read(client: hvac.Client, path: str) -> Answer:
    request = f"a read of {path}"
    with explained(request):
        return Answer.of(client.read(path), request)


def _write(client: hvac.Client, path: str, data: Fields) -> Answer:
    request = f"a write to {path}"
    with explained(request):
        raw = client.write_data(path, data=data)
    # A write without an answer body (204) gives a response, not a dictionary.
    return Answer.root(raw if isinstance(raw, dict) else {}, request)
