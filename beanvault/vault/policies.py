"""The Vault policy of the function's login, as text. Pure.

https://developer.hashicorp.com/vault/docs/concepts/policies, https://openbao.org/docs/concepts/policies/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from replicator.contract.mounts import parse_mounts


class MountKind(StrEnum):
    KV2 = "kv2"
    KV1 = "kv1"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class PolicyMount:
    path: str
    kind: MountKind = MountKind.KV2


def configured(mounts: Iterable[str]) -> tuple[PolicyMount, ...]:
    """Return the mounts of `replicator.mounts`: `NAME`, `kv:NAME`, `database:NAME?parameters`."""
    return tuple(
        PolicyMount(mount.path, MountKind.DATABASE if mount.kind == "database" else MountKind.KV2)
        for mount in parse_mounts(mounts)
    )


@dataclass(frozen=True, slots=True)
class Rule:
    path: str
    capabilities: tuple[str, ...]

    def __str__(self) -> str:
        return f'path "{self.path}" {{ capabilities = {json.dumps(self.capabilities)} }}'


OWN_TOKEN = (
    Rule("auth/token/lookup-self", ("read",)),
    Rule("auth/token/renew-self", ("update",)),
    Rule("auth/token/revoke-self", ("update",)),
)
"""The login excludes the default policy, which would allow these and much more."""


def read_only(mount: PolicyMount) -> tuple[Rule, ...]:
    """Return the rules that allow reading everything below one mount, and nothing else."""
    match mount.kind:
        case MountKind.KV2:
            return (
                Rule(f"{mount.path}/config", ("read",)),
                Rule(f"{mount.path}/data/*", ("read",)),
                Rule(f"{mount.path}/metadata/*", ("read", "list")),
                # OpenBao's own endpoint; HashiCorp Vault has none of this name.
                Rule(f"{mount.path}/detailed-metadata/*", ("list",)),
            )
        case MountKind.KV1:
            return (Rule(f"{mount.path}/*", ("read", "list")),)
        case MountKind.DATABASE:
            return (
                Rule(f"{mount.path}/static-roles", ("list",)),
                Rule(f"{mount.path}/static-roles/*", ("read", "list")),
                Rule(f"{mount.path}/static-creds/*", ("read",)),
            )


def text(mounts: Sequence[PolicyMount]) -> str:
    """Return the policy text of a login that replicates *mounts*."""
    lines = ["# Written by beanvault: read access for the replicator, and its own token."]
    for mount in mounts:
        lines += ["", f"# {mount.path}/ ({mount.kind.value})", *map(str, read_only(mount))]
    return "\n".join([*lines, "", *map(str, OWN_TOKEN), ""])
