"""Prepare a Vault for a deployment and check the new login's access. Safe to repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import hvac
from hvac import exceptions as hvac_errors

from ..errors import ConfigurationError
from . import logins, policies
from .access_checks import AccessCheck, check_access
from .answers import Answer
from .errors import VaultError, explained
from .logins import Auth, AwsIam, Login, Token
from .mounts import await_kv2, enable_kv2
from .policies import MountKind, PolicyMount
from .server import VaultServer

AUDIT_NOTE = (
    "No audit device is enabled, so nothing records who read what. HashiCorp Vault: `vault audit enable "
    "file file_path=…`; OpenBao: an `audit` block in the server's configuration. Enable two: Vault stops "
    "answering when its only device fails."
)
TOKEN_WARNING = (
    "The connection secret holds a long-lived token. Use AWS IAM, JWT or AppRole outside of trials."
)
BUILT_IN_MOUNTS = frozenset({"sys", "identity", "cubbyhole"})
"""Mounts of every Vault; a cubbyhole is private to its token."""


class WrongAccess(VaultError):
    """The new login can do more or less than it should; it was not handed out."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A Vault that is ready for the function."""

    policy: str
    policy_text: str
    auth: Auth = field(repr=False)
    checks: tuple[AccessCheck, ...]
    used_login: bool
    """Whether the checks used the login itself; otherwise a token with the same policy, because only the
    function can log in."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Mount:
    type: str
    version: str
    """Of a KV mount."""


def prepare(
    server: VaultServer,
    token: str,
    *,
    name: str,
    mounts: Sequence[PolicyMount],
    login: Login,
    invisible: Sequence[str] = (),
) -> Prepared:
    """Enable *mounts*, write the policy `<name>-replicator`, create *login*, and check what it can do.

    Args:
        token: an operator's with permission to do all this; the root token right after initialisation
        invisible: mounts, created where missing, that the login must not be able to read

    Raises:
        WrongAccess: the login can do more or less than it should
        VaultError: a mount exists with another type
    """
    if both := [mount.path for mount in mounts if mount.path in invisible]:
        raise ConfigurationError(
            f"{', '.join(both)} can't be replicated and invisible at the same time",
            "remove it from --invisible",
        )
    client = server.client(token)
    existing = _mounts(client)
    enabled = tuple(_enable(client, mount, existing) for mount in mounts)
    for path in invisible:
        _enable(client, PolicyMount(path), existing)
    policy = f"{name}-replicator"
    policy_text = policies.text(enabled)
    with explained(f"the policy {policy}"):
        client.sys.create_or_update_policy(policy, policy_text)
    auth = logins.create_login(client, login, policy)
    fresh = server.client()
    used_login = logins.log_in(client, fresh, login, auth, policy)
    others = [path for path in _mounts(client) if path not in {mount.path for mount in enabled}]
    checks = check_access(client, fresh, enabled, others)
    if not isinstance(login, Token):
        with explained("the revocation of the checks' token"):
            fresh.auth.token.revoke_self()
    unexpected = [check for check in checks if not check.as_expected]
    if unexpected:
        raise WrongAccess(
            f"the login {login.role} has the wrong access: it " + ", it ".join(map(str, unexpected)),
            f"check whether that login has another policy, or whether {policy} was changed",
        )
    notes = [TOKEN_WARNING] if isinstance(login, Token) else []
    notes += [logins.STS_NOTE] if isinstance(login, AwsIam) else []
    return Prepared(policy, policy_text, auth, checks, used_login, (*notes, *_audit_notes(client)))


def _mounts(client: hvac.Client) -> dict[str, _Mount]:
    """Return every mount except Vault's built-in ones, by path without the trailing slash."""
    request = "the list of mounts"
    with explained(request):
        raw = client.sys.list_mounted_secrets_engines()
    return {
        path.rstrip("/"): _Mount(mount.text("type"), mount.text_map("options").get("version", "1"))
        for path, mount in Answer.of(raw, request).parts().items()
        if path.rstrip("/") not in BUILT_IN_MOUNTS
    }


def _enable(client: hvac.Client, mount: PolicyMount, existing: Mapping[str, _Mount]) -> PolicyMount:
    """Enable the mount unless it exists; return it as it is (an existing KV mount can be version 1)."""
    found = existing.get(mount.path)
    engine = "database" if mount.kind is MountKind.DATABASE else "kv"
    if found is None:
        with explained(f"a mount at {mount.path}/"):
            if engine == "kv":
                enable_kv2(client, mount.path)
            else:
                client.sys.enable_secrets_engine(engine, path=mount.path)
        return mount
    if found.type != engine:
        raise VaultError(
            f"{mount.path}/ is a mount of type {found.type}, not {engine}",
            "name another mount in the deployment file",
        )
    if engine == "kv":
        if found.version != "2":
            return PolicyMount(mount.path, MountKind.KV1)
        with explained(f"the mount {mount.path}/"):
            await_kv2(client, mount.path)  # an interrupted run can have enabled it a moment ago
    return mount


def _audit_notes(client: hvac.Client) -> tuple[str, ...]:
    """Return a note if there is no audit device; none without permission to list them."""
    try:
        raw = client.sys.list_enabled_audit_devices()
    except hvac_errors.VaultError:
        return ()
    return () if Answer.of(raw, "the list of audit devices").fields else (AUDIT_NOTE,)
