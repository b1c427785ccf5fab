"""Story of beanvault/vault/policies.py and replicator/sources/kv2.py.

The policy decides how a mount is listed (`sources/`); hidden paths are not taken for deleted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from replicator.contract.summary import Count
from testbed.servers.openbao import hashicorp
from tests.conftest import openbao_only

LEAST_ON_OPENBAO = """
path "{mount}/detailed-metadata/*" {{ capabilities = ["list"] }}
path "{mount}/metadata/*" {{ capabilities = ["read"] }}
path "{mount}/data/*" {{ capabilities = ["read"] }}
"""
LEAST_ON_HASHICORP_VAULT = """
path "{mount}/metadata/*" {{ capabilities = ["list", "read"] }}
path "{mount}/data/*" {{ capabilities = ["read"] }}
"""
LEAST = LEAST_ON_HASHICORP_VAULT if hashicorp() else LEAST_ON_OPENBAO
ON_OPENBAO = pytest.param(LEAST_ON_OPENBAO, marks=openbao_only)


@pytest.fixture
def grant(bench: Any) -> Callable[[str], None]:
    """Connect with a token that has the given policy and nothing else."""

    def grant(policy: str) -> None:
        bench.vault.sys.create_or_update_policy(bench.mount, policy.format(mount=bench.mount))
        answer = bench.vault.auth.token.create(policies=[bench.mount], no_default_policy=True)
        bench.connect({"method": "token", "token": answer["auth"]["client_token"]})

    return grant


@pytest.mark.parametrize("policy", [ON_OPENBAO, LEAST_ON_HASHICORP_VAULT])
def test_either_least_policy_is_enough(bench: Any, grant: Callable[[str], None], policy: str) -> None:
    grant(policy)
    bench.write("app/database", password="canary")
    bench.write("top", password="canary-top")
    report = bench.run()
    assert report.healthy, report.problems()
    assert json.loads(bench.value("app/database")) == {"password": "canary"}
    assert json.loads(bench.value("top")) == {"password": "canary-top"}
    assert bench.run().outcomes == []


@pytest.mark.parametrize("listing", [pytest.param("detailed-metadata", marks=openbao_only), "metadata"])
def test_a_denied_folder_is_reported_and_its_secrets_stay(
    bench: Any, grant: Callable[[str], None], listing: str
) -> None:
    bench.set(deletion_days=7, max_delete_share=1.0)
    for path in ("hidden/db", "shown/db", "gone"):
        bench.write(path, password="canary")
    assert bench.run().healthy
    bench.vault.secrets.kv.v2.delete_metadata_and_all_versions("gone", mount_point=bench.mount)
    policy = LEAST_ON_OPENBAO if listing == "detailed-metadata" else LEAST_ON_HASHICORP_VAULT
    grant(policy + f'path "{{mount}}/{listing}/hidden/*" {{{{ capabilities = ["deny"] }}}}')
    report = bench.run()
    (problem,) = report.problems()
    # HashiCorp Vault applies `hidden/*` to the paths in the folder, and shows the folder's list.
    denied = "hidden/db" if hashicorp() else "hidden/"
    assert (problem.subject, problem.error) == (f"{bench.mount}/{denied}", "SourceDenied")
    assert "grant it in the policy" in problem.cause
    assert report.counts()[Count.DELETED] == 1
    assert "DeletedDate" not in bench.describe("hidden/db")
    assert "DeletedDate" in bench.describe("gone")


def test_a_denied_value_is_reported_and_the_others_are_replicated(
    bench: Any, grant: Callable[[str], None]
) -> None:
    bench.write("hidden", password="canary")
    bench.write("shown", password="canary")
    grant(LEAST + 'path "{mount}/data/hidden" {{ capabilities = ["deny"] }}')
    report = bench.run()
    (problem,) = report.problems()
    assert (problem.subject, problem.error) == (bench.name("hidden"), "SourceDenied")
    assert [each["Name"] for each in bench.secrets()] == [bench.name("shown")]


def test_a_mount_that_is_denied_or_missing_deletes_nothing(bench: Any, grant: Callable[[str], None]) -> None:
    bench.set(deletion_days=7, max_delete_share=1.0)
    bench.write("db", password="canary")
    bench.run()
    grant('path "elsewhere/*" {{ capabilities = ["read"] }}')
    (problem,) = bench.run().problems()
    assert (problem.subject, problem.error) == (f"{bench.mount}/", "SourceDenied")
    assert "DeletedDate" not in bench.describe("db")
    bench.vault.sys.disable_secrets_engine(bench.mount)
    assert not bench.run().healthy
    assert "DeletedDate" not in bench.describe("db")


@pytest.mark.parametrize("policy", [ON_OPENBAO, LEAST_ON_HASHICORP_VAULT])
def test_an_empty_mount_is_not_a_failure(bench: Any, grant: Callable[[str], None], policy: str) -> None:
    grant(policy)
    report = bench.run()
    assert report.healthy, report.problems()
    assert report.outcomes == []
