"""What a Vault token can and cannot do, tested on the server. Nothing is written or changed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import hvac
from hvac import exceptions as hvac_errors

from .answers import Answer
from .errors import explained
from .policies import MountKind, PolicyMount

CHANGING = frozenset({"root", "sudo", "create", "update", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class AccessCheck:
    """One attempt with a token."""

    attempt: str
    allowed: bool
    expected: bool

    @property
    def as_expected(self) -> bool:
        return self.allowed == self.expected

    def __str__(self) -> str:
        return f"{'can' if self.allowed else 'cannot'} {self.attempt}"


def check_access(
    admin: hvac.Client, client: hvac.Client, mounts: Sequence[PolicyMount], others: Sequence[str]
) -> tuple[AccessCheck, ...]:
    """Test that *client* can read *mounts*, and can neither change them nor read *others*.

    Reading is tried with names that don't exist: Vault answers 404 to a token that can read them, 403 to one
    that can't. Changing is not tried: *admin* asks Vault for the token's capabilities (sys/capabilities).
    """
    unused = f"beanvault-check-{secrets.token_hex(8)}"
    allowed: list[tuple[str, str]] = []
    unchangeable: list[str] = [f"sys/policies/acl/{unused}"]
    for mount in mounts:
        match mount.kind:
            case MountKind.KV2:
                allowed += [("read", f"{mount.path}/data/{unused}"), ("list", f"{mount.path}/metadata/")]
                unchangeable += [
                    f"{mount.path}/{endpoint}/{unused}"
                    for endpoint in ("data", "metadata", "delete", "destroy")
                ]
            case MountKind.KV1:
                allowed += [("read", f"{mount.path}/{unused}"), ("list", f"{mount.path}/")]
                unchangeable += [f"{mount.path}/{unused}"]
            case MountKind.DATABASE:
                allowed += [("list", f"{mount.path}/static-roles/")]
                unchangeable += [
                    f"{mount.path}/{endpoint}/{unused}"
                    for endpoint in ("static-roles", "rotate-role", "config", "roles")
                ]
    denied = [("list", "sys/policies/acl")]
    for path in others:
        denied += [
            ("list", f"{path}/metadata/"),
            ("read", f"{path}/data/{unused}"),
            ("read", f"{path}/{unused}"),
        ]
    return (
        *(_attempt(client, operation, path, expected=True) for operation, path in allowed),
        *(_attempt(client, operation, path, expected=False) for operation, path in denied),
        *_changes(admin, client, unchangeable),
    )


def _attempt(client: hvac.Client, operation: str, path: str, *, expected: bool) -> AccessCheck:
    attempt = f"{operation} {path}"
    with explained(f"the attempt to {attempt}"):
        try:
            client.list(path) if operation == "list" else client.read(path)
        except hvac_errors.Forbidden:
            return AccessCheck(attempt, allowed=False, expected=expected)
        except (hvac_errors.InvalidPath, hvac_errors.InvalidRequest, hvac_errors.UnsupportedOperation):
            pass  # the policy allowed it, and there was nothing to read
    return AccessCheck(attempt, allowed=True, expected=expected)


def _changes(admin: hvac.Client, client: hvac.Client, paths: Sequence[str]) -> Iterator[AccessCheck]:
    request = "the new login's capabilities"
    with explained(request):
        raw = admin.adapter.post("/v1/sys/capabilities", json={"token": client.token, "paths": list(paths)})
    capabilities = Answer.of(raw, request)
    for path in paths:
        changing = bool(CHANGING & set(capabilities.texts(path)))
        yield AccessCheck(f"change {path}", allowed=changing, expected=False)
