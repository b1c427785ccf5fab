"""Bring a Vault to what a deployment needs, and prove it with the new login. Safe to repeat."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import hvac
from hvac import exceptions as hvac_errors

from ..errors import ConfigurationError
from . import logins, policies
from .logins import Auth, Login, Token
from .mounts import await_kv2, enable_kv2
from .policies import MountKind, PolicyMount
from .server import VaultError, VaultServer, explained

AUDIT_NOTE = (
    "No audit device is enabled: nobody can tell who read what. HashiCorp Vault: `vault audit enable "
    "file file_path=…`; OpenBao: an `audit` block in the server's configuration. Enable two: Vault stops "
    "answering when the only one fails."
)
TOKEN_WARNING = (
    "The connection secret holds a long-lived token. Use AWS IAM, JWT or AppRole outside of trials."
)


class ProofFailed(VaultError):
    """The new login can do what it must not, or can't do what it must; it was not handed out."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing tried with the new login."""

    what: str
    allowed: bool
    expected: bool

    @property
    def holds(self) -> bool:
        return self.allowed == self.expected

    def __str__(self) -> str:
        return f"{'may' if self.allowed else 'may not'} {self.what}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A Vault that is ready for the function."""

    policy: str
    policy_text: str
    auth: Auth = field(repr=False)
    proofs: tuple[Proof, ...]
    by_login: bool
    """Whether the proof used the login itself, or, where only the function can log in, a token with the same
    policy."""
    notes: tuple[str, ...] = ()


def prepare(
    server: VaultServer,
    token: str,
    *,
    name: str,
    mounts: Sequence[PolicyMount],
    login: Login,
    invisible: Sequence[str] = (),
) -> Prepared:
    """Enable *mounts*, write the policy `<name>-replicator`, make *login*, and prove what it can do.

    Args:
        token: of an operator who may do all this; a root token right after initialisation
        invisible: mounts, made where missing, that the login must not be able to see

    Raises:
        ProofFailed: the login can do more or less than it should
        VaultError: a mount exists with another type
    """
    if missing := [mount.path for mount in mounts if mount.path in invisible]:
        raise ConfigurationError(f"{', '.join(missing)} can't be replicated and invisible at once")
    client = server.client(token)
    present = _mounts(client)
    settled = tuple(_enable(client, mount, present) for mount in mounts)
    for path in invisible:
        _enable(client, PolicyMount(path), present)
    policy = f"{name}-replicator"
    written = policies.text(settled)
    with explained(f"the policy {policy}"):
        client.sys.create_or_update_policy(policy, written)
    auth = logins.establish(client, login, policy)
    fresh = server.client()
    by_login = logins.prove_with(client, fresh, login, auth, policy)
    others = [path for path in _mounts(client) if path not in {mount.path for mount in settled}]
    proofs = prove(client, fresh, settled, others)
    if not isinstance(login, Token):
        with explained("the end of the proof's token"):
            fresh.auth.token.revoke_self()
    broken = [proof for proof in proofs if not proof.holds]
    if broken:
        raise ProofFailed(
            f"the login {login.role} is not as it must be: it " + ", it ".join(map(str, broken)),
            f"look for another policy of that login, or a changed {policy}",
        )
    notes = [TOKEN_WARNING] if isinstance(login, Token) else []
    return Prepared(policy, written, auth, proofs, by_login, (*notes, *_audit_notes(client)))


def prove(
    admin: hvac.Client, client: hvac.Client, mounts: Sequence[PolicyMount], others: Sequence[str]
) -> tuple[Proof, ...]:
    """Find out what a login's token can and can't do; nothing is written or changed.

    Reading is tried: names nobody uses are asked for, and Vault answers 404 to who may read them, 403 to who
    may not. Changing is asked of Vault (sys/capabilities), as trying it would be doing it.
    """
    nobody = f"beanvault-proof-{secrets.token_hex(8)}"
    must: list[tuple[str, str]] = []
    never: list[str] = [f"sys/policies/acl/{nobody}"]
    for mount in mounts:
        match mount.kind:
            case MountKind.KV2:
                must += [("read", f"{mount.path}/data/{nobody}"), ("list", f"{mount.path}/metadata/")]
                never += [
                    f"{mount.path}/{part}/{nobody}" for part in ("data", "metadata", "delete", "destroy")
                ]
            case MountKind.KV1:
                must += [("read", f"{mount.path}/{nobody}"), ("list", f"{mount.path}/")]
                never += [f"{mount.path}/{nobody}"]
            case MountKind.DATABASE:
                must += [("list", f"{mount.path}/static-roles/")]
                never += [
                    f"{mount.path}/{part}/{nobody}"
                    for part in ("static-roles", "rotate-role", "config", "roles")
                ]
    unseen = [
        attempt
        for path in others
        for attempt in (
            ("list", f"{path}/metadata/"),
            ("read", f"{path}/data/{nobody}"),
            ("read", f"{path}/{nobody}"),
        )
    ]
    return (
        *(_try(client, verb, path, expected=True) for verb, path in must),
        *(_try(client, verb, path, expected=False) for verb, path in [*unseen, ("list", "sys/policies/acl")]),
        *_changes(admin, client, never),
    )


def _try(client: hvac.Client, verb: str, path: str, *, expected: bool) -> Proof:
    with explained(f"the attempt to {verb} {path}"):
        try:
            client.list(path) if verb == "list" else client.read(path)
        except hvac_errors.Forbidden:
            return Proof(f"{verb} {path}", allowed=False, expected=expected)
        except (hvac_errors.InvalidPath, hvac_errors.InvalidRequest, hvac_errors.UnsupportedOperation):
            pass  # it was let through, and found nothing
    return Proof(f"{verb} {path}", allowed=True, expected=expected)


CHANGING = frozenset({"root", "sudo", "create", "update", "patch", "delete"})


def _changes(admin: hvac.Client, client: hvac.Client, paths: Sequence[str]) -> Iterator[Proof]:
    with explained("the new login's capabilities"):
        answer = admin.adapter.post(
            "/v1/sys/capabilities", json={"token": client.token, "paths": list(paths)}
        )
    for path in paths:
        yield Proof(f"change {path}", allowed=bool(CHANGING & set(answer["data"][path])), expected=False)


SYSTEM = frozenset({"sys", "identity", "cubbyhole"})
"""Mounts every Vault has; a cubbyhole is each token's own."""


def _mounts(client: hvac.Client) -> dict[str, Mapping[str, Any]]:
    """Return type and options of each mount but Vault's own, by path without the last slash."""
    with explained("the list of mounts"):
        found = client.sys.list_mounted_secrets_engines()["data"]
    return {path.rstrip("/"): mount for path, mount in found.items() if path.rstrip("/") not in SYSTEM}


def _enable(client: hvac.Client, mount: PolicyMount, present: Mapping[str, Mapping[str, Any]]) -> PolicyMount:
    """Make the mount unless it is there; return it as it is (an existing KV mount may be version 1)."""
    there = present.get(mount.path)
    engine = "database" if mount.kind is MountKind.DATABASE else "kv"
    if there is None:
        with explained(f"a mount at {mount.path}/"):
            if engine == "kv":
                enable_kv2(client, mount.path)
            else:
                client.sys.enable_secrets_engine(engine, path=mount.path)
        return mount
    if there["type"] != engine:
        raise VaultError(
            f"{mount.path}/ is a mount of type {there['type']}, not {engine}",
            "name another mount in the deployment file",
        )
    if engine == "kv":
        version = (there.get("options") or {}).get("version", "1")
        if version != "2":
            return PolicyMount(mount.path, MountKind.KV1)
        with explained(f"the mount {mount.path}/"):
            await_kv2(client, mount.path)  # whoever made it may have been interrupted right then
    return mount


def _audit_notes(client: hvac.Client) -> tuple[str, ...]:
    """Return what to say about audit devices; who may not see them is told nothing."""
    try:
        return () if client.sys.list_enabled_audit_devices()["data"] else (AUDIT_NOTE,)
    except hvac_errors.VaultError:
        return ()
