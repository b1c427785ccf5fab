"""The function as the templates deploy it, on a local AWS of its own, with the rights of its role."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import hvac

from beanvault.aws import Aws
from beanvault.deployment.deploy import deploy
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.replication.function import ReplicatorFunction
from beanvault.ui import NullUi
from beanvault.vault import logins, policies
from beanvault.vault.mounts import enable_kv2
from replicator.config import Config
from templates.deployment import Deployment
from templates.deployment_file import parse
from testbed.servers.localaws import REGION, LocalAws
from tests.federation import enable_federation
from tests.project import ROOT

from .support_notify import Mailbox, overhear, subscribe

LAYERS = ("keys", "network", "storage", "replicator")
"""The replicator's own, and what it imports from."""
TEAM_KEY = "alias/team"
REPLICA_REGION = "eu-west-1"


@dataclass(frozen=True, slots=True)
class Deployed:
    """One deployment; `name` is its owner's name, its prefix, and its KV v2 mount. `<name>-v1` is KV v1."""

    name: str
    aws: LocalAws
    deployment: Deployment
    openbao: Any
    vault: hvac.Client = field(repr=False)
    alerts: Mailbox
    events: Mailbox

    @property
    def function(self) -> ReplicatorFunction:
        return ReplicatorFunction(Aws(self.aws.session(), self.aws.endpoint), self.deployment.function_name)

    def operator(self, service: str) -> Any:
        return self.aws.client(service)

    def secret(self, path: str) -> str:
        return f"{self.name}/{path}"

    def write(self, path: str, **data: object) -> None:
        self.vault.secrets.kv.v2.create_or_update_secret(path, data, mount_point=self.name)

    def choose(self, path: str, **choices: str) -> None:
        """Set the custom metadata of a path; underscores stand for hyphens."""
        named = {key.replace("_", "-"): value for key, value in choices.items()}
        self.vault.secrets.kv.v2.update_metadata(path, mount_point=self.name, custom_metadata=named)

    def value(self, path: str) -> str:
        """Return the value that an app would read."""
        answer = self.operator("secretsmanager").get_secret_value(
            SecretId=self.secret(path), VersionStage="AWSCURRENT"
        )
        return str(answer["SecretString"])

    def configuration(self) -> dict[str, Any]:
        found: dict[str, Any] = self.operator("lambda").get_function_configuration(
            FunctionName=self.deployment.function_name
        )
        return found

    def variables(self) -> dict[str, str]:
        """Return the function's own variables."""
        found: dict[str, str] = self.configuration()["Environment"]["Variables"]
        return found

    def config(self) -> Config:
        return Config.from_environ(self.variables())

    def role_variables(self) -> dict[str, str]:
        """Return the variables that make a process the function, as far as AWS can see."""
        lent = self.operator("sts").assume_role(
            RoleArn=self.configuration()["Role"], RoleSessionName=self.deployment.function_name
        )["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": lent["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": lent["SecretAccessKey"],
            "AWS_SESSION_TOKEN": lent["SessionToken"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    def role_session(self) -> boto3.session.Session:
        """Return a session with the function's rights."""
        lent = self.role_variables()
        return boto3.session.Session(
            lent["AWS_ACCESS_KEY_ID"],
            lent["AWS_SECRET_ACCESS_KEY"],
            lent["AWS_SESSION_TOKEN"],
            region_name=REGION,
        )

    def statements(self) -> Iterator[dict[str, Any]]:
        """Yield the statements of the policies that are attached to the function's role."""
        iam = self.operator("iam")
        role = self.configuration()["Role"].rpartition("/")[2]
        for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            arn = policy["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
            yield from document["Statement"]

    def connect(self, auth: Mapping[str, object], *, address: str | None = None) -> None:
        """Write the connection secret; what the function keeps in it stays."""
        client, name = self.operator("secretsmanager"), self.deployment.connection_secret
        content = {
            "address": address or self.openbao.address,
            "ca_bundle": self.openbao.ca_file.read_text(),
            "auth": dict(auth),
        }
        client.put_secret_value(SecretId=name, SecretString=json.dumps(self.kept() | content))

    def kept(self) -> dict[str, Any]:
        """Return the connection secret's content."""
        client = self.operator("secretsmanager")
        try:
            text = client.get_secret_value(SecretId=self.deployment.connection_secret)["SecretString"]
        except client.exceptions.ResourceNotFoundException:  # it has no value yet
            return {}
        content: dict[str, Any] = json.loads(text)
        return content

    @property
    def policy(self) -> str:
        return f"{self.name}-replicator"

    def app_role(self) -> dict[str, str]:
        """Make an AppRole login with the least rights and return its `auth`, with a plain secret id."""
        return logins.create_login(
            self.vault, logins.AppRole(self.policy, f"approle-{self.name}"), self.policy
        )

    def wrapped(self, auth: Mapping[str, str]) -> dict[str, str]:
        """Return *auth* with a wrapped secret id in the place of its plain one."""
        path = f"/v1/auth/{auth['mount']}/role/{self.policy}/secret-id"
        token: str = self.vault.adapter.post(path, json={}, wrap_ttl="5m")["wrap_info"]["token"]
        rest = {key: value for key, value in auth.items() if key != "secret_id"}
        return {**rest, "wrapped_secret_id": token}

    def jwt(self) -> dict[str, str]:
        """Make a login with a token of AWS's, for the function's role alone, and return its `auth`."""
        issuer = enable_federation(self.operator("iam"))
        end = "-----END PUBLIC KEY-----\n"
        keys = (self.aws.home / "sts-web-identity.pem").read_text().split(end)[:-1]
        login = logins.Jwt(
            role=self.policy,
            issuer=issuer,
            audience=f"{self.name}-vault",
            subject=self.configuration()["Role"],
            mount=f"jwt-{self.name}",
            public_keys=tuple(key + end for key in keys),
        )
        return logins.create_login(self.vault, login, self.policy)


@contextmanager
def deployed(name: str, directory: Path, openbao: Any, mounts: Iterable[str] = ()) -> Iterator[Deployed]:
    """Deploy the function under *name*; it deletes, adopts `theirs`, and has a replica region.

    *mounts* are replicated besides, and are the caller's to make.
    """
    vault = openbao.root_client()
    enable_kv2(vault, name)
    vault.sys.enable_secrets_engine("kv", path=f"{name}-v1", options={"version": "1"})
    kinds = [policies.PolicyMount(name), policies.PolicyMount(f"{name}-v1", policies.MountKind.KV1)]
    kinds += policies.configured(mounts)
    vault.sys.create_or_update_policy(f"{name}-replicator", policies.text(kinds))
    described = {
        "name": name,
        "region": REGION,
        "network": {"nat": "single"},
        "database": {"mode": "iam"},
        "vault": {"where": "outside", "cidrs": ["127.0.0.1/32"], "port": 8200},
        "replicator": {
            "mounts": [name, f"{name}-v1", *mounts],
            "deletion": "schedule:7",
            "max_delete_share": 1.0,
            "adopt": ["theirs"],
            "replica_regions": [REPLICA_REGION],
            "key_aliases": [TEAM_KEY],
        },
    }
    deployment = parse(described)
    aws = LocalAws.start(directory)
    try:
        session = aws.session()
        deploy(DeploymentContext(deployment, Aws(session, aws.endpoint), NullUi(agrees=True), ROOT), LAYERS)
        team = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
        aws.client("kms").create_alias(AliasName=TEAM_KEY, TargetKeyId=team)
        topic = next(each["TopicArn"] for each in aws.client("sns").list_topics()["Topics"])
        alerts = subscribe(aws.client, topic, f"{name}-alerts")
        events = overhear(aws.client, deployment.bus_name, f"{name}-events")
        yield Deployed(name, aws, deployment, openbao, vault, alerts, events)
    finally:
        aws.stop()
