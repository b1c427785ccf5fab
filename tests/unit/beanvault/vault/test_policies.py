"""The policy that `vault init` writes."""

from __future__ import annotations

from beanvault.vault.policies import MountKind, PolicyMount, configured, text

EXPECTED = """\
# Written by beanvault: read access for the replicator, and its own token.

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


def test_the_policy_allows_reading_the_mounts_and_managing_its_own_token() -> None:
    assert text([PolicyMount("beanvault"), PolicyMount("database", MountKind.DATABASE)]) == EXPECTED


def test_no_rule_allows_a_write() -> None:
    mounts = [PolicyMount("a"), PolicyMount("b", MountKind.KV1), PolicyMount("c", MountKind.DATABASE)]
    rules = [
        line for line in text(mounts).splitlines() if line.startswith("path") and "auth/token" not in line
    ]
    assert len(rules) == 8
    for word in ("create", "update", "patch", "delete", "sudo"):
        assert not any(word in rule for rule in rules)


def test_mounts_are_parsed_from_the_deployment_file() -> None:
    assert configured(["beanvault", "kv:team/kv", "database:db?engine=mysql"]) == (
        PolicyMount("beanvault"),
        PolicyMount("team/kv"),
        PolicyMount("db", MountKind.DATABASE),
    )
