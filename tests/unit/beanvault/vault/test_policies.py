"""The policy that `vault init` writes."""

from __future__ import annotations

from beanvault.vault.policies import MountKind, PolicyMount, configured, text

EXPECTED = """\
# Written by beanvault: what the replicator may read, and its own token.

# beanvault/ (kv2)
path "beanvault/config" { capabilities = ["read"] }
path "beanvault/data/*" { capabilities = ["read"] }
path "beanvault/metadata/*" { capabilities = ["read", "list"] }
path "beanvault/detailed-metadata/*" { capabilities = ["list"] }

# database/ (database)
path "database/static-roles" { capabilities = ["list"] }
path "database/static-roles/*" { capabilities = ["read", "list"] }
path "database/static-creds/*" { capabilities = ["read"] }

path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
"""


def test_it_reads_the_mounts_and_handles_its_own_token() -> None:
    assert text([PolicyMount("beanvault"), PolicyMount("database", MountKind.DATABASE)]) == EXPECTED


def test_nothing_in_it_writes() -> None:
    mounts = [PolicyMount("a"), PolicyMount("b", MountKind.KV1), PolicyMount("c", MountKind.DATABASE)]
    rules = [
        line for line in text(mounts).splitlines() if line.startswith("path") and "auth/token" not in line
    ]
    assert len(rules) == 8
    for word in ("create", "update", "patch", "delete", "sudo"):
        assert not any(word in rule for rule in rules)


def test_mounts_are_read_from_the_deployment_files_words() -> None:
    assert configured(["beanvault", "kv:team/kv", "database:db?engine=mysql"]) == (
        PolicyMount("beanvault"),
        PolicyMount("team/kv"),
        PolicyMount("db", MountKind.DATABASE),
    )
