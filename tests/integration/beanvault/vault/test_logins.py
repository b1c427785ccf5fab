"""The logins that `vault init` creates (beanvault.vault.logins), next to other logins of the same Vault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
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
from testbed.servers.proxy import Proxy
from tests.conftest import Unsealed

from .support_aws_method import AwsMethod

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


@pytest.fixture
def with_aws(openbao: Unsealed, authority: Authority) -> Iterator[tuple[VaultServer, AwsMethod]]:
    method = AwsMethod()
    proxy = Proxy(openbao.address, openbao.ca_file, authority.issue("aws-method"))
    proxy.rule = method.rule
    yield VaultServer(proxy.address, openbao.ca_file), method
    proxy.close()


REGION = "eu-central-1"
STS = "https://sts.eu-central-1.amazonaws.com"
SERVER_ID = {"iam_server_id_header_value": "vault.example"}
BY_CLIENT = {"use_sts_region_from_client": True}
BY_OPERATOR = {"sts_endpoint": STS, "sts_region": REGION}


def aws(server_id: str = "vault.example") -> logins.AwsIam:
    return logins.AwsIam("dev-replicator", ROLE, server_id, REGION, STS)


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
    assert method.kept["config/client"] == SERVER_ID | BY_CLIENT
    assert logins.STS_NOTE in made.notes
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


@pytest.mark.parametrize(
    ("config", "before_1_15", "expected"),
    [
        (SERVER_ID, False, SERVER_ID | BY_CLIENT),  # an earlier `vault init` left it so
        (SERVER_ID, True, SERVER_ID | BY_OPERATOR),
        (SERVER_ID | BY_OPERATOR, False, SERVER_ID | BY_OPERATOR),
        (SERVER_ID | BY_CLIENT, False, SERVER_ID | BY_CLIENT),
        (SERVER_ID | {"access_key": "AKIA"}, False, SERVER_ID | BY_CLIENT | {"access_key": "AKIA"}),
    ],
)
def test_vault_is_told_to_ask_sts_in_the_functions_region(
    openbao: Unsealed,
    with_aws: tuple[VaultServer, AwsMethod],
    config: dict[str, Any],
    before_1_15: bool,
    expected: dict[str, Any],
) -> None:
    """Vault asks the global STS otherwise, which refuses the function's signature."""
    reached, method = with_aws
    method.enabled, method.before_1_15 = True, before_1_15
    method.kept |= {"config/client": dict(config), "role/dev-replicator": {"auth_type": "iam"}}
    prepared(openbao, reached, aws(), "aws-sts-kv")
    assert method.kept["config/client"] == expected


@pytest.mark.parametrize(
    ("config", "before_1_15", "why"),
    [
        (
            SERVER_ID | {"sts_endpoint": "https://sts.eu-west-1.amazonaws.com", "sts_region": "eu-west-1"},
            False,
            "has Vault ask STS in eu-west-1, and the function signs for eu-central-1",
        ),
        (SERVER_ID, True, "is used by other roles, and this Vault asks STS in one region only"),
    ],
)
def test_an_sts_that_others_use_is_not_changed(
    openbao: Unsealed,
    with_aws: tuple[VaultServer, AwsMethod],
    config: dict[str, Any],
    before_1_15: bool,
    why: str,
) -> None:
    reached, method = with_aws
    method.enabled, method.before_1_15 = True, before_1_15
    method.kept |= {"config/client": dict(config), "role/payroll": {"auth_type": "iam"}}
    with pytest.raises(VaultError, match=why) as raised:
        prepared(openbao, reached, aws(), "aws-other-sts-kv")
    assert "--login-mount" in raised.value.remedy
    assert method.kept["config/client"] == config
    assert "role/dev-replicator" not in method.kept


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
