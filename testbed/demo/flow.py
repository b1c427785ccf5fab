"""The flow itself, step by step. Each step returns what it found out; the end-to-end tests assert on that.

The steps use the product as its users do: the library under `beanvault`, the EB CLI, https. What stands in
for AWS is known here by its address only.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beanvault.artifacts import bundle
from beanvault.aws import Aws
from beanvault.deployment.certificates import find
from beanvault.deployment.deploy import DeploymentContext, deploy
from beanvault.replication import connection_secret
from beanvault.replication.function import ReplicatorFunction
from beanvault.replication.waiter import ReplicationWaiter, ask_on
from beanvault.rotation import alternating
from beanvault.rotation.credential import DatabaseCredential
from beanvault.rotation.credential_path import CredentialPath
from beanvault.rotation.database import Endpoint
from beanvault.rotation.rotation_context import RotationContext, RotationDatabase, RotationResult
from beanvault.ui import NullUi
from beanvault.vault import server as vault_server
from beanvault.vault import setup
from beanvault.vault.logins import AppRole
from beanvault.vault.policies import configured
from replicator.config import Config
from templates.aws_versions import PLATFORM
from templates.deployment import APP_USERS, SCHEMA, Deployment
from templates.deployment_file import parse

from ..servers.authority import Authority
from ..servers.localaws import OPERATOR, REGION, LocalAws
from ..servers.mariadb import MariaDB
from ..servers.openbao import OpenBao
from ..servers.process import require_tool
from . import refusals
from .eb import EbCli
from .load import Site, VisitorLoad

ROOT = Path(__file__).resolve().parents[2]
NAME = "demo"
INVISIBLE = "finance"
"""A second engine, which the function's token must not see."""
USE_SECONDS = 30
"""How long the rotation waits for the app to use the new credential."""

Facts = dict[str, str | int | float | bool]
Say = Callable[[str], None]


class FlowError(Exception):
    """Something didn't happen as it should; the message says what, and where the log is."""


@dataclass(frozen=True, slots=True)
class Speaking(NullUi):
    """Passes the library's steps on to the display."""

    say: Say = print

    def step(self, text: str) -> None:
        self.say(text)


def deployment_file(name: str, vault_port: int, database_port: int, ca_file: Path) -> dict[str, Any]:
    """Return the demo's deployment file: as small as `config/dev.toml`, with Vault on this machine."""
    return {
        "name": name,
        "region": REGION,
        "network": {"nat": "single"},
        "domain": {"certificate": "self-signed"},
        "app": {"min_instances": 1, "max_instances": 2},
        "database": {
            "deletion_protection": False,
            "port": database_port,
            "ca_file": str(ca_file),
            # The demo rotates minutes after it began; a real deployment keeps the defaults.
            "connection_age_seconds": 2,
            "secret_ttl_seconds": 1,
        },
        "vault": {"where": "outside", "cidrs": ["127.0.0.1/32"], "port": vault_port},
        "edge": {"waf": False, "deletion_protection": False},
        "logs": {"retention_days": 30},
    }


@dataclass(slots=True, repr=False)
class Flow:
    """What the steps have built so far; each attribute is there once its step has run."""

    directory: Path
    cleanup: ExitStack
    say: Say
    authority: Authority = field(init=False)
    openbao: OpenBao = field(init=False)
    mariadb: MariaDB = field(init=False)
    aws: LocalAws = field(init=False)
    deployment: Deployment = field(init=False)
    vault: vault_server.VaultServer = field(init=False)
    root_token: str = field(init=False, repr=False)
    auth: Mapping[str, str] = field(init=False, repr=False)
    eb: EbCli = field(init=False)
    site: Site = field(init=False)

    def start_servers(self) -> Facts:
        """A real OpenBao (Raft, TLS), a real MariaDB (TLS required), and the local AWS."""
        self.authority = Authority(self.directory / "authority")
        self.say("OpenBao, with Raft storage and TLS")
        self.openbao = OpenBao.start(self.directory, self.authority)
        self.cleanup.callback(self.openbao.stop)
        self.say("MariaDB, which takes TLS only")
        self.mariadb = MariaDB.start(self.directory, self.authority)
        self.cleanup.callback(self.mariadb.stop)
        self.say("the local AWS")
        self.aws = LocalAws.start(self.directory, self.mariadb)
        self.cleanup.callback(self.aws.stop)
        port = int(self.openbao.address.rpartition(":")[2])
        described = deployment_file(NAME, port, self.mariadb.port, self.authority.ca_file)
        self.deployment = parse(described, "the demo's deployment")
        return {"OpenBao": self.openbao.address, "AWS": self.aws.endpoint, "MariaDB port": self.mariadb.port}

    def prepare_vault(self) -> Facts:
        """Initialise and unseal it; the mount, the invisible engine, the read-only policy, AppRole."""
        self.vault = vault_server.VaultServer(self.openbao.address, self.openbao.ca_file)
        keys = vault_server.initialise(self.vault, vault_server.Shares(3, 2))
        vault_server.unseal(self.vault, keys.keys)
        self.root_token = keys.root_token
        prepared = setup.prepare(
            self.vault,
            self.root_token,
            name=NAME,
            mounts=configured(self.deployment.replicator.mounts),
            login=AppRole(f"{NAME}-replicator"),
            invisible=[INVISIBLE],
        )
        self.auth = prepared.auth
        self.vault.client(self.root_token).secrets.kv.v2.create_or_update_secret(
            "payroll", {"iban": str(uuid.uuid4())}, mount_point=INVISIBLE
        )
        return {"policy": prepared.policy, "proofs that hold": len(prepared.proofs)}

    def create_stacks(self) -> Facts:
        """Render the layers and create them by change sets, outputs feeding the next; build both zips."""
        results = deploy(self._work())
        created = {result.stack: len(result.changes) for result in results}
        return {"stacks": len(created), "resources": sum(created.values())}

    def connect_and_replicate(self) -> Facts:
        """Tell the function where Vault is; write the credential into Vault; the function replicates it."""
        secret = connection_secret.content(self.vault, dict(self.auth))
        connection_secret.store(self._aws(), self.deployment.connection_secret, secret)
        first = self.rotate()
        again = self.invoke_function()
        described = self.aws.client("secretsmanager").describe_secret(SecretId=self.secret)
        return {
            "secret": self.secret,
            "database user": first.username,
            "seconds from Vault to Secrets Manager": round(first.seconds, 2),
            "KMS key": described["KmsKeyId"],
            "second run": json.dumps(dict(again), sort_keys=True),
        }

    def deploy_app(self) -> Facts:
        """`eb init`, `eb use`, `eb deploy` with the real EB CLI."""
        project = self.directory / "project"
        (project / ".elasticbeanstalk").mkdir(parents=True)
        shutil.copy(ROOT / ".elasticbeanstalk" / "config.yml", project / ".elasticbeanstalk")
        made = bundle.build(ROOT, project / "build" / "bundle.zip")
        self.eb = EbCli(project, self.directory / "home", self.aws.environment(), self.directory / "eb.log")
        self.say("eb init")
        platform = self.deployment.app.platform or PLATFORM.use
        self.eb.run("init", self.deployment.application_name, "--platform", platform, "--region", REGION)
        self.say("eb use")
        self.eb.run("use", self.deployment.environment_name)
        self.say("eb deploy")
        self.eb.run("deploy", self.deployment.environment_name, "--label", "demo-1", "--timeout", "5")
        self.site = self._site()
        return {"bundle bytes": made.size, "page": self.site.url}

    def use_page(self) -> Facts:
        """Add an entry and read it, over https; see how the request went."""
        with self.site.visitor() as visitor:
            mark = f"entry {uuid.uuid4()}"
            added = visitor.post(f"{self.site.url}/api/entries", json={"text": mark}, timeout=30)
            _expect(added.status_code == 201, f"adding an entry was answered with {added.status_code}")
            page = visitor.get(f"{self.site.url}/", timeout=30)
            _expect(page.ok and mark in page.text, "the page doesn't show the entry")
            status = visitor.get(f"{self.site.url}/api/status", timeout=30).json()
        held = self.current_version()
        _expect(
            status["database"]["version_id"] == held,
            f"the app logged in with version {status['database']['version_id']}, not {held}",
        )
        return {
            "database user": status["database"]["user"],
            "credential version": status["database"]["version_id"],
            "TLS to the load balancer": self._tls_version(),
            "TLS to the instance": status["proxy"]["tls_version"],
            "TLS to the database": f"{status['database']['tls_version']} {status['database']['tls_cipher']}",
        }

    def rotate_under_load(self, rate: float = 100.0, lead: float = 3.0, tail: float = 3.0) -> Facts:
        """Rotate while visitors come at *rate* a second; *lead* and *tail* are seconds before and after."""
        before = self._used()
        with VisitorLoad(self.site, "/api/entries", rate) as load:
            time.sleep(lead)
            rotated = self.rotate()
            published = time.monotonic() - rotated.seconds
            used = self._wait_for_use(rotated.version_id) - published
            time.sleep(tail)
        tally = load.tally()
        _expect(
            tally.requests > rate * lead, f"only {tally.requests} requests were made: that proves nothing"
        )
        _expect(tally.failed == 0, f"{tally.failed} of {tally.requests} requests failed: {tally.problems}")
        return {
            "database user": f"{before} → {rotated.username}",
            "seconds from write to AWSCURRENT": round(rotated.seconds, 2),
            "seconds from write to use": round(used, 2),
            "requests": tally.requests,
            "failed": tally.failed,
            "slowest request, seconds": round(tally.slowest, 3),
        }

    def try_what_is_refused(self) -> Facts:
        """Try what the identities involved must not be able to do, and what they must."""
        published = self._credential_path().read()
        assert published is not None  # noqa: S101 - the steps before wrote it
        function = self.vault.client()
        login = self.auth
        function.auth.approle.login(login["role_id"], login["secret_id"], mount_point=login["mount"])
        attempts = [
            *refusals.of_vault(
                function, self.deployment.credential_mount, self.deployment.credential_path, INVISIBLE
            ),
            *refusals.of_aws(
                self.aws,
                function_role=self._function_role(),
                app_role=self._app_role(),
                connection=self.deployment.connection_secret,
                replicated=self.secret,
            ),
            *refusals.of_database(self.mariadb, published.credential.username, published.credential.password),
        ]
        wrong = [attempt for attempt in attempts if not attempt.as_it_should]
        _expect(not wrong, "; ".join(f"{attempt.what}: {attempt.answer}" for attempt in wrong))
        return {attempt.what: attempt.answer for attempt in attempts}

    # What several steps and the tests use

    @property
    def secret(self) -> str:
        return self.deployment.credential_secret

    def addresses(self) -> dict[str, str]:
        """Return where a person finds what `--keep` leaves running."""
        return {
            "page": self.site.url,
            "its certificate": str(self.site.ca_file),
            "Vault": self.vault.address,
            "Vault's authority": str(self.vault.ca_file),
            "AWS endpoint": self.aws.endpoint,
            "AWS access key": OPERATOR["AWS_ACCESS_KEY_ID"],
        }

    def rotate(self) -> RotationResult:
        """Give the app's other database user a new password and publish it."""
        master = self._master()
        tools = RotationContext(
            RotationDatabase(
                Endpoint(self.mariadb.host, self.mariadb.port, self.mariadb.ca_file), master, SCHEMA
            ),
            ReplicationWaiter(
                self.aws.client("secretsmanager"),
                Config.from_environ(self._function_environment()),
                ask_on(self.deployment.bus_name, self.aws.client("events")),
            ),
            Speaking(say=self.say),
            overlap=0,
        )
        return alternating.rotate(tools, self._credential_path(), APP_USERS)

    def invoke_function(self) -> Mapping[str, Any]:
        """Run the function once and return what it answers."""
        return ReplicatorFunction(self._aws(), self.deployment.function_name).invoke({})

    def current_version(self) -> str:
        """Return the version id of the app's secret that is AWSCURRENT."""
        described = self.aws.client("secretsmanager").describe_secret(SecretId=self.secret)
        stages: dict[str, list[str]] = described["VersionIdsToStages"]
        return next(version for version, labels in stages.items() if "AWSCURRENT" in labels)

    def _aws(self) -> Aws:
        return Aws(self.aws.session(), self.aws.endpoint)

    def _work(self) -> DeploymentContext:
        return DeploymentContext(self.deployment, self._aws(), Speaking(agrees=True, say=self.say), ROOT)

    def _credential_path(self) -> CredentialPath:
        client = self.vault.client(self.root_token)
        return CredentialPath(client, self.deployment.credential_mount, self.deployment.credential_path)

    def _master(self) -> DatabaseCredential:
        """RDS keeps the master user's password in a secret of its own."""
        instances = self.aws.client("rds").describe_db_instances(
            DBInstanceIdentifier=self.deployment.database_identifier
        )["DBInstances"]
        arn = instances[0]["MasterUserSecret"]["SecretArn"]
        value = json.loads(self.aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        return DatabaseCredential(value["username"], value["password"])

    def _function_environment(self) -> dict[str, str]:
        configuration = self.aws.client("lambda").get_function_configuration(
            FunctionName=self.deployment.function_name
        )
        environment: dict[str, str] = configuration["Environment"]["Variables"]
        return environment

    def _function_role(self) -> str:
        role: str = self.aws.client("lambda").get_function_configuration(
            FunctionName=self.deployment.function_name
        )["Role"]
        return role

    def _app_role(self) -> str:
        settings = self.aws.client("elasticbeanstalk").describe_configuration_settings(
            ApplicationName=self.deployment.application_name,
            EnvironmentName=self.deployment.environment_name,
        )["ConfigurationSettings"][0]["OptionSettings"]
        profile = next(s["Value"] for s in settings if s["OptionName"] == "IamInstanceProfile")
        found = self.aws.client("iam").get_instance_profile(InstanceProfileName=profile.rpartition("/")[2])
        role: str = found["InstanceProfile"]["Roles"][0]["Arn"]
        return role

    def _site(self) -> Site:
        """The environment's address, and the self-signed certificate that ACM holds for it."""
        environments = self.aws.client("elasticbeanstalk").describe_environments(
            EnvironmentNames=[self.deployment.environment_name]
        )["Environments"]
        arn = find(self._aws(), self.deployment.name)
        _expect(arn is not None, "ACM has no certificate of this deployment")
        acm = self.aws.client("acm")
        file = self.directory / "load-balancer.pem"
        file.write_text(acm.get_certificate(CertificateArn=arn)["Certificate"])
        name = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainName"]
        return Site(f"https://{environments[0]['CNAME']}", name, file)

    def _tls_version(self) -> str:
        shown = subprocess.run(
            [
                require_tool("openssl"),
                "s_client",
                "-connect",
                self.site.url.removeprefix("https://"),
                "-brief",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        lines = (shown.stderr + shown.stdout).splitlines()
        return next((line.split(": ")[1] for line in lines if line.startswith("Protocol version")), "unknown")

    def _used(self) -> str:
        with self.site.visitor() as visitor:
            user: str = visitor.get(f"{self.site.url}/api/status", timeout=30).json()["database"]["user"]
            return user

    def _wait_for_use(self, version_id: str) -> float:
        """Return when, on the monotonic clock, a query has been made with the credential *version_id*."""
        deadline = time.monotonic() + USE_SECONDS
        with self.site.visitor() as visitor:
            while time.monotonic() < deadline:
                status = visitor.get(f"{self.site.url}/api/status", timeout=30).json()
                if status["database"]["version_id"] == version_id:
                    return time.monotonic()
                time.sleep(0.05)
        raise FlowError(f"the app doesn't use version {version_id} {USE_SECONDS} s after it was published")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise FlowError(otherwise)


STEPS: tuple[tuple[str, Callable[[Flow], Facts]], ...] = (
    ("Start OpenBao, MariaDB and the local AWS", Flow.start_servers),
    ("Initialise and unseal Vault, with a read-only login", Flow.prepare_vault),
    ("Create the stacks by change sets", Flow.create_stacks),
    ("Replicate the database credential", Flow.connect_and_replicate),
    ("Deploy the app with the EB CLI", Flow.deploy_app),
    ("Use the page over HTTPS", Flow.use_page),
    ("Rotate the credential under load", Flow.rotate_under_load),
    ("Try what must be refused", Flow.try_what_is_refused),
)
