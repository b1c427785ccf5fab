"""The logins that `vault init` creates (beanvault.vault.logins), next to other logins of the same Vault."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import hvac
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hvac import exceptions as hvac_errors

from beanvault.vault import logins, setup
from beanvault.vault.errors import VaultError
from beanvault.vault.policies import PolicyMount
from beanvault.vault.server import VaultServer
from testbed.servers.authority import Authority
from testbed.servers.proxy import FORWARD, Behaviour, ProxiedCall, Proxy, ProxyAnswer
from tests.conftest import Unsealed

ISSUER = "https://issuer.example"
ROLE = "arn:aws:iam::123456789012:role/dev-replicator"
ELSEWHERE = "192.0.2.0/24"
HERE = "127.0.0.0/8"


@pytest.fixture
def ready(openbao: Unsealed) -> VaultServer:
    return VaultServer(openbao.address, openbao.ca_file)


def prepared(openbao: Unsealed, reached: VaultServer, login: logins.Login, mount: str) -> setup.Prepared:
    return setup.prepare(reached, openbao.root_token, name=mount, mounts=[PolicyMount(mount)], login=login)


def public_key() -> str:
    public = rsa.generate_private_key(65537, 2048).public_key()
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def jwt(name: str, key: str, issuer: str = ISSUER) -> logins.Jwt:
    return logins.Jwt(f"{name}-replicator", issuer, "vault", ROLE, name, (key,))


def test_a_jwt_mount_that_other_roles_use_is_not_changed(openbao: Unsealed, ready: VaultServer) -> None:
    """Another issuer would lock the other roles out."""
    root, key = openbao.root_client(), public_key()
    root.sys.enable_auth_method("jwt", path="shared-jwt")
    root.write_data(
        "auth/shared-jwt/config",
        data={"bound_issuer": "https://company.example", "jwt_validation_pubkeys": [key]},
    )
    before = root.read("auth/shared-jwt/config")["data"]
    with pytest.raises(VaultError, match="used by other roles") as refused:
        prepared(openbao, ready, jwt("shared-jwt", key), "shared-jwt-kv")
    assert f"bound_issuer is https://company.example, not {ISSUER}" in str(refused.value)
    assert "jwt_validation_pubkeys" not in str(refused.value)  # it does not differ
    assert "--login-mount" in refused.value.remedy
    assert root.read("auth/shared-jwt/config")["data"] == before
    assert root.list("auth/shared-jwt/role") is None


def test_a_jwt_mount_with_the_same_trust_is_shared(openbao: Unsealed, ready: VaultServer) -> None:
    root, key = openbao.root_client(), public_key()
    prepared(openbao, ready, jwt("same-jwt", key), "same-jwt-kv")
    again = prepared(openbao, ready, jwt("same-jwt", key), "same-jwt-kv")
    assert again.auth["mount"] == "same-jwt"
    assert root.list("auth/same-jwt/role")["data"]["keys"] == ["same-jwt-replicator"]


def test_a_jwt_mount_without_configuration_after_an_interruption_is_completed(
    openbao: Unsealed, ready: VaultServer
) -> None:
    root = openbao.root_client()
    root.sys.enable_auth_method("jwt", path="begun-jwt")
    prepared(openbao, ready, jwt("begun-jwt", public_key()), "begun-jwt-kv")
    assert root.read("auth/begun-jwt/config")["data"]["bound_issuer"] == ISSUER


@dataclass
class AwsMethod:
    """The parts of HashiCorp Vault's `aws` auth method that `vault init` uses; OpenBao lacks the method.

    https://developer.hashicorp.com/vault/api-docs/auth/aws
    """

    mount: str = "aws"
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was written, by path below the mount."""
    enabled: bool = False

    def rule(self, call: ProxiedCall) -> Behaviour:
        if call.path == f"/v1/sys/auth/{self.mount}":
            self.enabled = True
            return answer(None)
        if call.path == "/v1/sys/auth" and self.enabled:
            return answer({f"{self.mount}/": {"type": "aws", "accessor": "auth_aws_1"}})
        if not call.path.startswith(f"/v1/auth/{self.mount}/"):
            return FORWARD
        path = call.path.removeprefix(f"/v1/auth/{self.mount}/")
        if call.method in ("PUT", "POST"):
            self.kept.setdefault(path, {}).update(json.loads(call.body))
            return answer(None)
        if path == "role?list=True":
            names = [key.removeprefix("role/") for key in self.kept if key.startswith("role/")]
            return answer({"keys": names}) if names else answer(None, 404)
        return answer(self.kept[path]) if path in self.kept else answer(None, 404)


def answer(data: dict[str, Any] | None, status: int = 200) -> ProxyAnswer:
    body: dict[str, Any] = {"errors": []} if status == 404 else {"data": data}
    return ProxyAnswer(status, json.dumps(body).encode(), "application/json")


@pytest.fixture
def with_aws(openbao: Unsealed, authority: Authority) -> Iterator[tuple[VaultServer, AwsMethod]]:
    method = AwsMethod()
    proxy = Proxy(openbao.address, openbao.ca_file, authority.issue("aws-method"))
    proxy.rule = method.rule
    yield VaultServer(proxy.address, openbao.ca_file), method
    proxy.close()


def aws(server_id: str = "vault.example") -> logins.AwsIam:
    return logins.AwsIam("dev-replicator", ROLE, server_id)


def test_an_aws_login_accepts_the_functions_role_and_this_server_id(
    openbao: Unsealed, with_aws: tuple[VaultServer, AwsMethod]
) -> None:
    reached, method = with_aws
    made = prepared(openbao, reached, aws(), "aws-kv")
    assert made.auth == {
        "method": "aws",
        "mount": "aws",
        "role": "dev-replicator",
        "server_id": "vault.example",
    }
    assert not made.used_login
    assert method.kept["config/client"] == {"iam_server_id_header_value": "vault.example"}
    role = method.kept["role/dev-replicator"]
    assert (role["auth_type"], role["bound_iam_principal_arn"]) == ("iam", [ROLE])
    assert role["token_policies"] == ["aws-kv-replicator"]
    prepared(openbao, reached, aws(), "aws-kv")


@pytest.mark.parametrize(
    ("theirs", "current"),
    [
        ({"config/client": {"iam_server_id_header_value": "company.example"}}, "company.example"),
        ({"role/payroll": {"auth_type": "iam"}}, "empty"),
    ],
)
def test_an_aws_mount_that_other_roles_use_is_not_changed(
    openbao: Unsealed,
    with_aws: tuple[VaultServer, AwsMethod],
    theirs: dict[str, dict[str, Any]],
    current: str,
) -> None:
    """A new server id would lock out the roles that sign without it, so none is added to a mount in use."""
    reached, method = with_aws
    method.enabled = True
    method.kept |= {path: dict(value) for path, value in theirs.items()}
    difference = f"iam_server_id_header_value is {current}, not vault.example"
    with pytest.raises(VaultError, match=re.escape(difference)):
        prepared(openbao, reached, aws(), "aws-others-kv")
    assert method.kept == theirs


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(hvac_errors.VaultError, match=r"unauthorized|permission denied|source address"):
        yield


def log_in(reached: VaultServer, auth: logins.Auth) -> hvac.Client:
    client = reached.client()
    client.auth.approle.login(auth["role_id"], auth["secret_id"], mount_point=auth["mount"])
    return client


def test_a_login_restricted_to_addresses_is_checked_from_elsewhere(
    openbao: Unsealed, ready: VaultServer
) -> None:
    """The operator is not behind the NAT gateways: the policy is checked, and the login works there only."""
    login = logins.AppRole("bound-replicator", "bound-approle", (ELSEWHERE,))
    made = prepared(openbao, ready, login, "bound-kv")
    assert not made.used_login
    assert made.checks
    assert all(check.as_expected for check in made.checks)
    with refused():
        log_in(ready, made.auth)


def test_an_address_restriction_stays_until_another_is_named(openbao: Unsealed, ready: VaultServer) -> None:
    """Repeating the command without addresses, as the runbook says, doesn't lift the restriction."""

    def made(*cidrs: str) -> setup.Prepared:
        return prepared(
            openbao, ready, logins.AppRole("stays-replicator", "stays-approle", cidrs), "stays-kv"
        )

    assert made().used_login
    made(ELSEWHERE)
    again = made()
    assert not again.used_login
    with refused():
        log_in(ready, again.auth)
    log_in(ready, made(HERE).auth)


def test_settings_that_the_operator_changed_by_hand_stay(openbao: Unsealed, ready: VaultServer) -> None:
    root = openbao.root_client()
    login = logins.AppRole("hard-replicator", "hard-approle")
    prepared(openbao, ready, login, "hard-kv")
    path = "auth/hard-approle/role/hard-replicator"
    root.write_data(path, data={"secret_id_ttl": "720h"})
    prepared(openbao, ready, login, "hard-kv")
    assert root.read(path)["data"]["secret_id_ttl"] == 720 * 3600
