"""Every way of logging in (`vault_login.py`), and how each failure before the first secret is reported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import hvac
import pytest

from beanvault.vault import logins, setup
from beanvault.vault.mounts import enable_kv2
from beanvault.vault.policies import PolicyMount
from beanvault.vault.server import VaultServer
from replicator.aws import Clients
from replicator.vault import Vault
from replicator.vault_login import ConnectionSecret, log_in
from testbed.servers.authority import Authority
from testbed.servers.openbao import OpenBao
from testbed.servers.proxy import Proxy
from tests.conftest import openbao_only
from tests.federation import disable_federation, enable_federation
from tests.integration.beanvault.vault.support_aws_method import AwsMethod
from tests.project import ROOT

READ_ALL = """
path "{mount}/detailed-metadata/*" {{ capabilities = ["list"] }}
path "{mount}/metadata/*" {{ capabilities = ["read", "list"] }}
path "{mount}/data/*" {{ capabilities = ["read"] }}
"""


def error(report: Any) -> str:
    (problem,) = report.problems()
    return str(problem.error)


@pytest.fixture
def app_role(bench: Any) -> dict[str, str]:
    """An AppRole of the test's own that may read the mount; returns `auth` without a secret id."""
    mount = f"approle-{bench.mount}"
    bench.vault.sys.enable_auth_method("approle", path=mount)
    bench.vault.sys.create_or_update_policy(bench.mount, READ_ALL.format(mount=bench.mount))
    bench.vault.auth.approle.create_or_update_approle(
        "replicator", token_policies=[bench.mount], mount_point=mount
    )
    role_id = bench.vault.auth.approle.read_role_id("replicator", mount_point=mount)["data"]["role_id"]
    return {"method": "approle", "mount": mount, "role_id": role_id}


def secret_id(bench: Any, app_role: dict[str, str], **options: Any) -> dict[str, Any]:
    path = f"auth/{app_role['mount']}/role/replicator/secret-id"
    answer: dict[str, Any] = bench.vault.adapter.post(f"/v1/{path}", json={}, **options)
    return answer


def kept(bench: Any) -> dict[str, Any]:
    text = bench.aws.get_secret_value(SecretId=bench.config.connection_secret, VersionStage="AWSCURRENT")
    content: dict[str, Any] = json.loads(text["SecretString"])
    return content


def test_app_role_with_a_plain_secret_id(bench: Any, app_role: dict[str, str]) -> None:
    bench.write("db", password="canary")
    bench.connect({**app_role, "secret_id": secret_id(bench, app_role)["data"]["secret_id"]})
    report = bench.run()
    assert report.healthy, report.problems()
    assert json.loads(bench.value("db")) == {"password": "canary"}


def test_a_wrapped_secret_id_works_once_and_the_plain_one_takes_its_place(
    bench: Any, app_role: dict[str, str]
) -> None:
    bench.write("db", password="canary")
    wrapped = secret_id(bench, app_role, wrap_ttl="5m")["wrap_info"]["token"]
    bench.connect({**app_role, "wrapped_secret_id": wrapped})
    assert bench.run().healthy
    assert set(kept(bench)["auth"]) == {"method", "mount", "role_id", "secret_id"}
    assert kept(bench)["ca_bundle"] == bench.ca_bundle
    bench.write("db", password="canary-2")
    assert bench.run().healthy
    assert json.loads(bench.value("db")) == {"password": "canary-2"}


def test_a_wrapped_secret_id_that_was_used_before_is_reported(bench: Any, app_role: dict[str, str]) -> None:
    wrapped = secret_id(bench, app_role, wrap_ttl="5m")["wrap_info"]["token"]
    bench.vault.sys.unwrap(wrapped)
    bench.connect({**app_role, "wrapped_secret_id": wrapped})
    report = bench.run()
    assert error(report) == "SourceDenied"
    assert "find out who did" in report.problems()[0].cause


def test_a_wrapped_secret_id_that_was_wrapped_again_is_not_used(bench: Any, app_role: dict[str, str]) -> None:
    opened = bench.vault.sys.unwrap(secret_id(bench, app_role, wrap_ttl="5m")["wrap_info"]["token"])["data"]
    again = bench.vault.adapter.post("/v1/sys/wrapping/wrap", json=opened, wrap_ttl="5m")
    bench.connect({**app_role, "wrapped_secret_id": again["wrap_info"]["token"]})
    report = bench.run()
    assert error(report) == "SourceDenied"
    assert "was wrapped by sys/wrapping/wrap" in report.problems()[0].cause
    assert "secret_id" not in kept(bench)["auth"]


def test_what_an_operator_writes_into_the_connection_secret_meanwhile_is_kept(
    bench: Any, app_role: dict[str, str]
) -> None:
    clients = Clients(bench.session)
    secret = ConnectionSecret(clients, bench.config.connection_secret, allow_http=False)
    wrapped = secret_id(bench, app_role, wrap_ttl="5m")["wrap_info"]["token"]
    bench.connect({**app_role, "wrapped_secret_id": wrapped})
    read = secret.read()
    newer = {**app_role, "secret_id": secret_id(bench, app_role)["data"]["secret_id"]}
    bench.connect(newer, namespace="team")
    log_in(Vault(read.address), read, secret, clients)
    assert kept(bench)["auth"] == newer
    bench.connect(newer, namespace="other")
    key = secret.hash_key()
    assert (kept(bench)["auth"], kept(bench)["namespace"]) == (newer, "other")
    assert kept(bench)["hash_key"] == key.decode()


def test_a_wrong_secret_id_is_refused_without_being_shown(bench: Any, app_role: dict[str, str]) -> None:
    bench.connect({**app_role, "secret_id": "canary-secret-id"})
    report = bench.run()
    assert error(report) == "SourceDenied"
    assert "canary" not in f"{report!r}{list(report.summary().lines())}"


def test_the_login_ends_with_the_run(bench: Any, app_role: dict[str, str]) -> None:
    bench.connect({**app_role, "secret_id": secret_id(bench, app_role)["data"]["secret_id"]})
    before = len(bench.vault.auth.token.list_accessors()["data"]["keys"])
    assert bench.run().healthy
    assert len(bench.vault.auth.token.list_accessors()["data"]["keys"]) == before


def test_a_token_that_expired_is_reported(bench: Any) -> None:
    bench.connect({"method": "token", "token": "s.canary-expired"})
    report = bench.run()
    assert error(report) == "SourceDenied"
    assert "canary" not in f"{list(report.summary().lines())}"


def test_the_older_shape_of_the_connection_secret_is_read(bench: Any, openbao: Any) -> None:
    """Its server is then verified against the public authorities, which did not sign this one."""
    bench.aws.put_secret_value(
        SecretId=bench.config.connection_secret,
        SecretString=json.dumps({"vaultAddress": openbao.address, "vaultToken": openbao.root_token}),
    )
    report = bench.run()
    assert error(report) == "SourceUnavailable"
    assert "certificate is not trusted" in report.problems()[0].cause


def test_the_older_shape_of_the_connection_secret_logs_in_and_replicates(bench: Any, openbao: Any) -> None:
    bench.write("db", password="canary")
    bench.set(allow_http=True)
    with closing(Proxy(openbao.address, openbao.ca_file)) as vault:
        for token, result in (("s.wrong", "SourceDenied"), (openbao.root_token, None)):
            content = {"vaultAddress": vault.address, "vaultToken": token}
            bench.aws.put_secret_value(
                SecretId=bench.config.connection_secret, SecretString=json.dumps(content)
            )
            report = bench.run()
            assert [each.error for each in report.problems()] == ([result] if result else [])
    assert json.loads(bench.value("db")) == {"password": "canary"}


def test_a_jwt_that_sts_signs_is_a_login(bench: Any, local_aws: Any) -> None:
    issuer = enable_federation(bench.session.client("iam"))
    keys = (Path(local_aws.home) / "sts-web-identity.pem").read_text().split("-----END PUBLIC KEY-----\n")
    mount = f"jwt-{bench.mount}"
    bench.vault.sys.enable_auth_method("jwt", path=mount)
    bench.vault.auth.jwt.configure(
        jwt_validation_pubkeys=[f"{key}-----END PUBLIC KEY-----" for key in keys[:1]],
        bound_issuer=issuer,
        path=mount,
    )
    bench.vault.sys.create_or_update_policy(bench.mount, READ_ALL.format(mount=bench.mount))
    bench.vault.auth.jwt.create_role(
        "replicator",
        role_type="jwt",
        user_claim="sub",
        bound_audiences=["beanvault"],
        allowed_redirect_uris=[],
        token_policies=[bench.mount],
        path=mount,
    )
    bench.write("db", password="canary")
    bench.connect({"method": "jwt", "mount": mount, "role": "replicator", "audience": "beanvault"})
    report = bench.run()
    assert report.healthy, report.problems()
    bench.connect({"method": "jwt", "mount": mount, "role": "replicator", "audience": "another"})
    assert error(bench.run()) == "SourceDenied"


def test_an_account_that_issues_no_tokens_is_told_how_to(bench: Any) -> None:
    disable_federation(bench.session.client("iam"))
    bench.connect({"method": "jwt", "mount": "jwt", "role": "replicator", "audience": "beanvault"})
    ((problem),) = bench.run().problems()
    assert problem.error == "TargetDenied"
    assert "`aws iam enable-outbound-web-identity-federation`" in problem.cause


def test_a_token_does_not_depend_on_the_operations_that_lambdas_botocore_knows(
    bench: Any, local_aws: Any, tmp_path: Path
) -> None:
    """Lambda's runtime brings a botocore of its own, and GetWebIdentityToken came in November 2025."""
    enable_federation(bench.session.client("iam"))
    folder = tmp_path / "sts" / "2011-06-15"
    folder.mkdir(parents=True)
    loader = botocore.session.get_session().get_component("data_loader")
    model = loader.load_service_model("sts", "service-2")
    assert model["operations"].pop("GetWebIdentityToken")
    (folder / "service-2.json").write_text(json.dumps(model))
    script = (
        "from replicator.aws import Clients\n"
        "from replicator.vault_login import _web_identity\n"
        "print(_web_identity(Clients(), 'beanvault').count('.'))\n"
    )
    environment = local_aws.environment() | {"AWS_DATA_PATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "2", done.stderr
    unknown = subprocess.run(
        [sys.executable, "-c", "import boto3; boto3.client('sts').get_web_identity_token"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "has no attribute 'get_web_identity_token'" in unknown.stderr  # the control


@pytest.fixture
def vault_with_aws(bench: Any, openbao: Any, local_aws: Any, authority: Authority) -> Iterator[AwsMethod]:
    """Vault with its `aws` method, in front of the OpenBao; the runs have the session of a role."""
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    rights = {"Effect": "Allow", "Action": ["secretsmanager:*", "kms:*"], "Resource": "*"}
    iam, name = local_aws.client("iam"), bench.mount
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=_document(rights))
    lent = local_aws.client("sts").assume_role(RoleArn=ROLE_ARN.format(name), RoleSessionName="run")
    bench.session = boto3.session.Session(
        lent["Credentials"]["AccessKeyId"],
        lent["Credentials"]["SecretAccessKey"],
        lent["Credentials"]["SessionToken"],
        region_name=bench.session.region_name,
    )

    def make_token(policies: list[str]) -> dict[str, Any]:
        made: dict[str, Any] = openbao.root_client().auth.token.create(policies=policies)["auth"]
        return made

    method = AwsMethod(sts=local_aws.endpoint, make_token=make_token)
    proxy = Proxy(openbao.address, openbao.ca_file, authority.issue("vault-with-aws"))
    proxy.rule = method.rule
    bench.address = proxy.address
    yield method
    proxy.close()


ROLE_ARN = "arn:aws:iam::123456789012:role/{}"


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _prepared(bench: Any, openbao: Any) -> dict[str, str]:
    """Prepare Vault as `beanvault vault init` does; return the connection secret's `auth`."""
    region = bench.session.region_name
    return setup.prepare(
        VaultServer(bench.address, openbao.ca_file),
        openbao.root_token,
        name=bench.mount,
        mounts=[PolicyMount(bench.mount)],
        login=logins.AwsIam(
            "replicator",
            ROLE_ARN.format(bench.mount),
            "vault.example",
            region,
            f"https://sts.{region}.amazonaws.com",
        ),
    ).auth


@pytest.mark.parametrize("before_1_15", [False, True])
def test_an_identity_that_sts_confirms_is_a_login(
    bench: Any, openbao: Any, vault_with_aws: AwsMethod, before_1_15: bool
) -> None:
    """With Vault configured by `vault init` alone."""
    vault_with_aws.before_1_15 = before_1_15
    bench.write("db", password="canary")
    bench.connect(_prepared(bench, openbao))
    report = bench.run()
    assert report.healthy, report.problems()
    assert json.loads(bench.value("db")) == {"password": "canary"}


def test_the_global_sts_refuses_the_functions_signature(
    bench: Any, openbao: Any, vault_with_aws: AwsMethod
) -> None:
    """The control of the test above: Vault as it is without being told another endpoint."""
    bench.connect(_prepared(bench, openbao))
    client = vault_with_aws.kept["config/client"]
    vault_with_aws.kept["config/client"] = {key: client[key] for key in client if "sts" not in key}
    assert vault_with_aws.endpoint("eu-central-1") == "sts.amazonaws.com"
    assert error(bench.run()) == "SourceDenied"


@pytest.mark.usefixtures("vault_with_aws")
def test_a_signature_for_another_vault_is_no_login(bench: Any, openbao: Any) -> None:
    bench.connect(_prepared(bench, openbao) | {"server_id": "another.example"})
    assert error(bench.run()) == "SourceDenied"


def test_plain_http_takes_the_switch_and_a_loopback_address(bench: Any, openbao: Any) -> None:
    auth = {"method": "token", "token": openbao.root_token}
    plain = Proxy(openbao.address, openbao.ca_file)
    try:
        bench.connect(auth, address=plain.address)
        assert error(bench.run()) == "ConfigError"
        bench.set(allow_http=True)
        assert bench.run().healthy
        bench.connect(auth, address="http://vault.example:8200")
        assert error(bench.run()) == "ConfigError"
    finally:
        plain.close()


def test_a_certificate_of_another_authority_is_refused(bench: Any, tmp_path: Path) -> None:
    """Negative control of every other test here, which connects over TLS with the right bundle."""
    bench.ca_bundle = Authority(tmp_path / "other").ca_file.read_text()
    bench.connect({"method": "token", "token": "s.unused"})
    report = bench.run()
    assert error(report) == "SourceUnavailable"
    assert "certificate is not trusted" in report.problems()[0].cause


@openbao_only
def test_a_namespace_is_logged_in_to_and_read_from(bench: Any, openbao: Any) -> None:
    bench.vault.sys.create_namespace(path=f"ns-{bench.mount}")
    inside = openbao.root_client(namespace=f"ns-{bench.mount}")
    enable_kv2(inside, bench.mount)
    inside.secrets.kv.v2.create_or_update_secret("db", {"password": "canary-inside"}, mount_point=bench.mount)
    bench.write("db", password="canary-outside")
    inside.sys.create_or_update_policy("read", READ_ALL.format(mount=bench.mount))
    token = inside.auth.token.create(policies=["read"])["auth"]["client_token"]
    bench.connect({"method": "token", "token": token}, namespace=f"ns-{bench.mount}")
    report = bench.run()
    assert report.healthy, report.problems()
    assert json.loads(bench.value("db")) == {"password": "canary-inside"}


def test_a_sealed_vault_is_named_so(bench: Any, tmp_path: Path) -> None:
    server = OpenBao.start(tmp_path, Authority(tmp_path / "authority"))
    try:
        client = hvac.Client(url=server.address, verify=str(server.ca_file), timeout=30)
        client.sys.initialize(secret_shares=1, secret_threshold=1)
        bench.ca_bundle = server.ca_file.read_text()
        bench.connect({"method": "approle", "role_id": "r", "secret_id": "s"}, address=server.address)
        assert error(bench.run()) == "SourceSealed"
    finally:
        server.stop()
    report = bench.run()
    assert error(report) == "SourceUnavailable"
    assert "does not answer" in report.problems()[0].cause


@pytest.mark.parametrize(
    "content", ["", "canary-not-json", '["canary"]', '{"address":"https://canary:pw@v"}']
)
def test_a_malformed_connection_secret_is_reported_without_its_content(bench: Any, content: str) -> None:
    bench.aws.put_secret_value(SecretId=bench.config.connection_secret, SecretString=content or " ")
    report = bench.run()
    assert error(report) == "ConfigError"
    assert "canary" not in "\n".join(report.summary().lines())


def test_a_missing_connection_secret_is_reported(bench: Any) -> None:
    bench.set(connection_secret="nobody-connection")
    assert error(bench.run()) == "TargetMissing"
