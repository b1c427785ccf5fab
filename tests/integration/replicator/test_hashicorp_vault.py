"""Story of replicator/vault_login.py and beanvault/vault/logins.py.

The login by AWS IAM (`vault_login.py`) against HashiCorp Vault, where it is installed; OpenBao has none.
"""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from beanvault.vault import logins, setup
from beanvault.vault.policies import PolicyMount
from beanvault.vault.server import VaultServer
from testbed.servers.openbao import hashicorp
from tests.conftest import Unsealed

pytestmark = pytest.mark.skipif(hashicorp() is None, reason="BEANVAULT_VAULT names no HashiCorp Vault")
SERVER_ID = "vault.example"


@pytest.fixture
def role(bench: Any, local_aws: Any) -> str:
    """A role as the function's, whose session the runs have; its ARN."""
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    rights = {"Effect": "Allow", "Action": ["secretsmanager:*", "kms:*"], "Resource": "*"}
    iam = local_aws.client("iam")
    made: str = iam.create_role(RoleName=bench.mount, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=bench.mount, PolicyName="rights", PolicyDocument=policy(rights))
    session = local_aws.client("sts").assume_role(RoleArn=made, RoleSessionName="run")["Credentials"]
    bench.session = boto3.session.Session(
        session["AccessKeyId"],
        session["SecretAccessKey"],
        session["SessionToken"],
        region_name=bench.session.region_name,
    )
    return made


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def connected(bench: Any, openbao: Unsealed, local_aws: Any, role: str) -> dict[str, str]:
    """Prepare Vault twice as the operator does; return the connection secret's `auth`."""
    mount = f"aws-{bench.mount}"
    region = bench.session.region_name
    login = logins.AwsIam("replicator", role, SERVER_ID, region, f"https://sts.{region}.amazonaws.com", mount)
    for _ in range(2):
        prepared = setup.prepare(
            VaultServer(openbao.address, openbao.ca_file),
            openbao.root_token,
            name=bench.mount,
            mounts=[PolicyMount(bench.mount)],
            login=login,
        )
    assert all(check.as_expected for check in prepared.checks)
    config = bench.vault.read(f"auth/{mount}/config/client")["data"]
    assert config["use_sts_region_from_client"] is True
    # Vault sends the signed request on to STS: to the local one here.
    local = {"use_sts_region_from_client": False, "sts_endpoint": local_aws.endpoint, "sts_region": region}
    bench.vault.write_data(f"auth/{mount}/config/client", data=local)
    return prepared.auth


def test_the_identity_that_sts_confirms_reads_what_the_policy_grants(
    bench: Any, connected: dict[str, str]
) -> None:
    bench.write("app/db", password="canary")
    bench.connect(connected)
    report = bench.run()
    assert report.healthy, report.problems()
    assert json.loads(bench.value("app/db")) == {"password": "canary"}


def test_a_signature_for_another_vault_is_refused(bench: Any, connected: dict[str, str]) -> None:
    bench.connect(connected | {"server_id": "another.example"})
    (problem,) = bench.run().problems()
    assert problem[1] == "SourceDenied"


def test_another_identity_is_refused(bench: Any, connected: dict[str, str]) -> None:
    path = f"auth/{connected['mount']}/role/replicator"
    bench.vault.write_data(path, data={"bound_iam_principal_arn": ["arn:aws:iam::123456789012:role/other"]})
    bench.connect(connected)
    (problem,) = bench.run().problems()
    assert problem[1] == "SourceDenied"
