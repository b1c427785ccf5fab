"""Story of beanvault/vault/setup.py, beanvault/vault/access_checks.py, beanvault/vault/mounts.py and
beanvault/vault/errors.py.

Preparing a real OpenBao (beanvault.vault: server, keys, setup, access_checks).
"""

from __future__ import annotations

import base64
import json
import secrets
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hvac import exceptions as hvac_errors

from beanvault.errors import ConfigurationError, Denied, Unreachable
from beanvault.vault import logins, server, setup
from beanvault.vault.access_checks import check_access
from beanvault.vault.errors import VaultError
from beanvault.vault.keys import KeyFile, Keys
from beanvault.vault.mounts import enable_kv2
from beanvault.vault.policies import MountKind, PolicyMount
from beanvault.vault.server import Shares, VaultServer
from testbed.servers.authority import Authority
from testbed.servers.openbao import OpenBao, hashicorp
from testbed.servers.proxy import FORWARD, Behaviour, ProxiedCall, Proxy, ProxyAnswer
from tests.conftest import Unsealed, openbao_only

from .support_pgp import Holder


@pytest.fixture
def ready(openbao: Unsealed) -> VaultServer:
    return VaultServer(openbao.address, openbao.ca_file)


def test_an_empty_server_is_initialised_with_shares_and_unsealed_by_the_threshold(
    empty: VaultServer, tmp_path: Path
) -> None:
    """Two of three shares unseal it, one doesn't; only the owner can read the key file."""
    file = KeyFile.reserve(tmp_path / "keys" / "vault.json")
    keys = server.initialise(empty, Shares(3, 2))
    file.save(keys)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert Keys.read(file.path) == keys
    assert keys.root_token not in repr(keys)
    with pytest.raises(VaultError, match="1 of 2 keys were given"):
        server.unseal(empty, keys.keys[:1])
    server.unseal(empty, keys.keys[1:])
    assert not server.seal_status(empty).sealed
    server.unseal(empty, [])  # unsealed already
    prepared = setup.prepare(
        empty,
        keys.root_token,
        name="dev",
        mounts=[PolicyMount("beanvault")],
        login=logins.AppRole("dev-replicator"),
    )
    assert prepared.used_login
    assert all(check.as_expected for check in prepared.checks)


def test_initialising_twice_is_refused(ready: VaultServer) -> None:
    with pytest.raises(VaultError, match="already initialized"):
        server.initialise(ready, Shares(1, 1))


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    file = KeyFile.reserve(tmp_path / "keys.json")
    with pytest.raises(ConfigurationError, match="only keys"):
        KeyFile.reserve(file.path)
    file.remove()
    assert not file.path.exists()


def test_the_login_reads_its_mount_and_nothing_else(openbao: Unsealed, ready: VaultServer) -> None:
    """With the role id and secret id that `prepare` returns, not with the root token."""
    root = openbao.root_client()
    prepared = setup.prepare(
        ready,
        openbao.root_token,
        name="reads",
        mounts=[PolicyMount("reads-kv")],
        login=logins.AppRole("reads-replicator"),
        invisible=["reads-hidden"],
    )
    for mount in ("reads-kv", "reads-hidden"):
        root.secrets.kv.v2.create_or_update_secret("app/database", {"password": "a"}, mount_point=mount)
    client = ready.client()
    client.auth.approle.login(prepared.auth["role_id"], prepared.auth["secret_id"])
    read = client.secrets.kv.v2.read_secret_version(
        "app/database", mount_point="reads-kv", raise_on_deleted_version=True
    )
    assert read["data"]["data"] == {"password": "a"}
    listing = "metadata" if hashicorp() else "detailed-metadata"
    assert client.list(f"reads-kv/{listing}/")["data"]["keys"] == ["app/"]
    attempts: tuple[Callable[[], object], ...] = (
        lambda: client.secrets.kv.v2.read_secret_version(
            "app/database", mount_point="reads-hidden", raise_on_deleted_version=True
        ),
        lambda: client.secrets.kv.v2.list_secrets("", mount_point="reads-hidden"),
        lambda: client.secrets.kv.v2.create_or_update_secret("app/x", {"a": "b"}, mount_point="reads-kv"),
        lambda: client.secrets.kv.v2.delete_metadata_and_all_versions("app/database", mount_point="reads-kv"),
    )
    for attempt in attempts:
        with pytest.raises(hvac_errors.Forbidden):
            attempt()
    client.auth.token.revoke_self()


def test_repeating_changes_nothing_and_keeps_the_earlier_secret_id(
    openbao: Unsealed, ready: VaultServer
) -> None:
    def prepare() -> setup.Prepared:
        return setup.prepare(
            ready,
            openbao.root_token,
            name="again",
            mounts=[PolicyMount("again-kv"), PolicyMount("again-db", MountKind.DATABASE)],
            login=logins.AppRole("again-replicator"),
            invisible=["again-hidden"],
        )

    first, second = prepare(), prepare()
    assert (first.policy_text, first.auth["role_id"]) == (second.policy_text, second.auth["role_id"])
    for prepared in (first, second):
        ready.client().auth.approle.login(prepared.auth["role_id"], prepared.auth["secret_id"])


def test_a_locked_role_is_unlocked(openbao: Unsealed, ready: VaultServer) -> None:
    """Vault locks the role of a function whose secret id expired: with a new one it must work at once."""

    def prepare() -> setup.Prepared:
        return setup.prepare(
            ready,
            openbao.root_token,
            name="locked",
            mounts=[PolicyMount("locked-kv")],
            login=logins.AppRole("locked-replicator"),
        )

    def log_in(secret_id: str) -> None:
        ready.client().auth.approle.login(first.auth["role_id"], secret_id)

    first = prepare()
    for _ in range(5):
        with pytest.raises(hvac_errors.InvalidRequest):
            log_in("expired")
    with pytest.raises(hvac_errors.Forbidden):
        log_in(first.auth["secret_id"])
    assert prepare().used_login
    log_in(first.auth["secret_id"])


def test_a_policy_that_allows_too_much_is_detected(openbao: Unsealed, ready: VaultServer) -> None:
    """The negative control of the access checks: the same attempts under a policy that allows everything."""
    root = openbao.root_client()
    mount = setup.prepare(
        ready,
        openbao.root_token,
        name="wide",
        mounts=[PolicyMount("wide-kv")],
        login=logins.AppRole("wide-replicator"),
        invisible=["wide-hidden"],
    )
    assert all(check.as_expected for check in mount.checks)
    root.sys.create_or_update_policy(
        "wide-everything",
        'path "wide-*" { capabilities = ["create", "read", "update", "delete", "list"] }',
    )
    wide = ready.client(root.auth.token.create(policies=["wide-everything"])["auth"]["client_token"])
    unexpected = {
        str(check)
        for check in check_access(root, wide, [PolicyMount("wide-kv")], ["wide-hidden"])
        if not check.as_expected
    }
    assert "can list wide-hidden/metadata/" in unexpected
    assert any(text.startswith("can change wide-kv/data/") for text in unexpected)


def test_a_policy_that_allows_too_little_is_detected(openbao: Unsealed, ready: VaultServer) -> None:
    root = openbao.root_client()
    enable_kv2(root, "narrow-kv")
    narrow = ready.client(root.auth.token.create(policies=["default"])["auth"]["client_token"])
    unexpected = [
        str(check)
        for check in check_access(root, narrow, [PolicyMount("narrow-kv")], [])
        if not check.as_expected
    ]
    assert "cannot list narrow-kv/metadata/" in unexpected


def test_an_existing_version_one_mount_gets_the_policy_of_version_one(
    openbao: Unsealed, ready: VaultServer
) -> None:
    openbao.root_client().sys.enable_secrets_engine("kv", path="old-kv", options={"version": "1"})
    prepared = setup.prepare(
        ready,
        openbao.root_token,
        name="old",
        mounts=[PolicyMount("old-kv")],
        login=logins.AppRole("old-replicator"),
    )
    assert 'path "old-kv/*" { capabilities = ["read", "list"] }' in prepared.policy_text


UPGRADING = (
    "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period"
)


def test_a_mount_that_is_not_ready_after_an_interruption_is_waited_for(
    openbao: Unsealed, authority: Authority
) -> None:
    """Vault answers first and sets the mount up afterwards, so the next run finds it before it is ready."""
    openbao.root_client().sys.enable_secrets_engine("kv", path="half-kv", options={"version": "2"})
    refused: list[str] = []

    def still_upgrading(call: ProxiedCall) -> Behaviour:
        if call.path.startswith("/v1/half-kv/") and len(refused) < 3:
            refused.append(call.path)
            return ProxyAnswer(400, json.dumps({"errors": [UPGRADING]}).encode(), "application/json")
        return FORWARD

    proxy = Proxy(openbao.address, openbao.ca_file, authority.issue("half-made"))
    proxy.rule = still_upgrading
    prepared = setup.prepare(
        VaultServer(proxy.address, openbao.ca_file),
        openbao.root_token,
        name="half",
        mounts=[PolicyMount("half-kv")],
        login=logins.AppRole("half-replicator"),
    )
    proxy.close()
    assert refused == ["/v1/half-kv/config"] * 3  # before any other request
    assert all(check.as_expected for check in prepared.checks)


def test_a_mount_of_another_type_is_refused(openbao: Unsealed, ready: VaultServer) -> None:
    openbao.root_client().sys.enable_secrets_engine("pki", path="taken")
    with pytest.raises(VaultError, match="taken/ is a mount of type pki"):
        setup.prepare(
            ready, openbao.root_token, name="x", mounts=[PolicyMount("taken")], login=logins.AppRole("x")
        )


def test_a_token_login_works_with_a_warning(openbao: Unsealed, ready: VaultServer) -> None:
    prepared = setup.prepare(
        ready, openbao.root_token, name="trial", mounts=[PolicyMount("trial-kv")], login=logins.Token("trial")
    )
    assert setup.TOKEN_WARNING in prepared.notes
    assert setup.AUDIT_NOTE not in prepared.notes  # this server has an audit device
    assert ready.client(prepared.auth["token"]).lookup_token()["data"]["policies"] == ["trial-replicator"]


def test_a_jwt_login_accepts_tokens_of_its_audience_and_subject_only(
    openbao: Unsealed, ready: VaultServer
) -> None:
    """Signed here with a key whose public half Vault was given; in AWS the account's issuer signs."""
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def signed(audience: str, subject: str) -> str:
        def part(value: object) -> bytes:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

        claims = {
            "iss": "https://issuer.example",
            "aud": audience,
            "sub": subject,
            "exp": int(time.time()) + 60,
        }
        body = part({"alg": "RS256", "typ": "JWT"}) + b"." + part(claims)
        signature = key.sign(body, padding.PKCS1v15(), hashes.SHA256())
        return (body + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()

    role = "arn:aws:iam::123456789012:role/dev-replicator"
    prepared = setup.prepare(
        ready,
        openbao.root_token,
        name="jwt",
        mounts=[PolicyMount("jwt-kv")],
        login=logins.Jwt(
            "jwt-replicator", "https://issuer.example", "vault", role, "jwt-login", (public.decode(),)
        ),
    )
    assert not prepared.used_login
    assert prepared.auth == {
        "method": "jwt",
        "mount": "jwt-login",
        "role": "jwt-replicator",
        "audience": "vault",
    }
    login = ready.client().auth.jwt.jwt_login
    answer = login("jwt-replicator", signed("vault", role), path="jwt-login")
    assert answer["auth"]["policies"] == ["jwt-replicator"]
    for wrong in (signed("other", role), signed("vault", role + "x")):
        with pytest.raises(hvac_errors.VaultError):
            login("jwt-replicator", wrong, path="jwt-login")


def test_connection_errors_name_a_remedy(openbao: Unsealed, ready: VaultServer) -> None:
    """A wrong token, an untrusted authority, a closed port, an address without TLS."""
    with pytest.raises(Denied):
        setup.prepare(ready, "s.wrong", name="x", mounts=[PolicyMount("x")], login=logins.AppRole("x"))
    with pytest.raises(Unreachable, match="certificate isn't trusted") as untrusted:
        server.seal_status(VaultServer(openbao.address))
    assert untrusted.value.remedy.endswith("--vault-ca-file")
    with pytest.raises(Unreachable, match="didn't answer"):
        server.seal_status(VaultServer("https://127.0.0.1:9"))
    with pytest.raises(ConfigurationError, match="not an https address") as clear:
        VaultServer("http://127.0.0.1:8200")
    assert "--vault-ca-file" in clear.value.remedy


def test_encrypted_shares_can_be_decrypted_by_their_holders_only(
    empty: VaultServer, holders: list[Holder]
) -> None:
    """With GnuPG: each share for its own holder, the root token for the named one."""
    shares = Shares(2, 2, tuple(holder.public_key for holder in holders), holders[0].public_key)
    keys = server.initialise(empty, shares)
    assert keys.encrypted
    with pytest.raises(VaultError):
        server.unseal(empty, keys.keys)  # encrypted, they are no keys
    with pytest.raises(subprocess.CalledProcessError):
        holders[1].decrypted(keys.keys[0])
    # What is inside is the share in hex, as Vault's own command line takes it.
    decrypted = [holder.decrypted(share) for holder, share in zip(holders, keys.keys, strict=True)]
    server.unseal(empty, decrypted)
    assert not server.seal_status(empty).sealed
    token = holders[0].decrypted(keys.root_token)
    assert empty.client(token).is_authenticated()


@openbao_only
def test_a_server_with_auto_unseal_gives_recovery_keys_and_unseals_after_a_restart(
    tmp_path: Path, authority: Authority
) -> None:
    """With OpenBao's static seal, which behaves as the AWS KMS seal."""
    key = tmp_path / "seal.key"
    key.write_bytes(secrets.token_bytes(32))
    seal = f'seal "static" {{\n  current_key_id = "one"\n  current_key = "file://{key}"\n}}\n'
    running = OpenBao.start(tmp_path, authority, seal=seal)
    try:
        reached = VaultServer(running.address, running.ca_file)
        keys = server.initialise(reached, Shares(3, 2))
        assert (keys.recovery, len(keys.keys)) == (True, 3)
        assert "recovery_keys" in json.loads(keys.as_json())
        server.unseal(reached, ())
        running = running.restarted()
        server.unseal(reached, ())
        assert not server.seal_status(reached).sealed
        assert reached.client(keys.root_token).is_authenticated()
    finally:
        running.stop()
