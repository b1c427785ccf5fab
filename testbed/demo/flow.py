"""The demo's steps. Each returns facts, which the display shows and the end-to-end tests check.

The steps use the product as its users do: by `beanvault`'s library, the EB CLI and https. They know the local
AWS only by its endpoint.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beanvault.artifacts import authorities, bundle
from beanvault.aws import Aws
from beanvault.deployment.deploy import deploy
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.replication import connection_secret
from beanvault.replication.function import ReplicatorFunction
from beanvault.replication.replication_request import requester
from beanvault.replication.waiter import ReplicationWaiter
from beanvault.rotation import alternating
from beanvault.rotation.credential_store import CredentialStore
from beanvault.rotation.database import Endpoint
from beanvault.rotation.rotation_context import RotationContext, RotationDatabase, RotationResult
from beanvault.vault import server as vault_server
from beanvault.vault import setup
from beanvault.vault.logins import AppRole
from beanvault.vault.policies import configured
from replicator.config import Config
from templates.deployment import APP_USERS, SCHEMA, Deployment
from templates.deployment_file import parse

from ..servers.authority import Authority
from ..servers.localaws import OPERATOR, REGION, LocalAws
from ..servers.mariadb import MariaDB
from ..servers.openbao import OpenBao
from . import access
from .configuration import INVISIBLE, NAME, deployment_file
from .deployed import DeployedResources
from .display import ProgressUi, ShowProgress
from .eb import EbCli
from .load import LoadSummary, OpenLoopLoad
from .site import Site

ROOT = Path(__file__).resolve().parents[2]
USE_SECONDS = 30
"""How long to wait until the app uses a new credential."""

Facts = dict[str, str | int | float | bool]


class FlowError(Exception):
    """A step had an unexpected result."""


@dataclass(slots=True, repr=False)
class Flow:
    """What the steps have created; each attribute exists once its step has run."""

    directory: Path
    cleanup: ExitStack
    show: ShowProgress
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
        """Start OpenBao (Raft, TLS), MariaDB (TLS required) and the local AWS."""
        self.authority = Authority(self.directory / "authority")
        self.show("OpenBao, with Raft storage and TLS")
        self.openbao = OpenBao.start(self.directory, self.authority)
        self.cleanup.callback(self.openbao.stop)
        self.show("MariaDB, which requires TLS")
        self.mariadb = MariaDB.start(self.directory, self.authority)
        self.cleanup.callback(self.mariadb.stop)
        self.show("the local AWS")
        self.aws = LocalAws.start(self.directory, self.mariadb)
        self.cleanup.callback(self.aws.stop)
        port = int(self.openbao.address.rpartition(":")[2])
        described = deployment_file(NAME, port, self.mariadb.port, self.authority.ca_file)
        self.deployment = parse(described, "the demo's deployment")
        return {"OpenBao": self.openbao.address, "AWS": self.aws.endpoint, "MariaDB port": self.mariadb.port}

    def prepare_vault(self) -> Facts:
        """Initialise and unseal Vault; create mount, second engine, read-only policy and AppRole."""
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
        return {"policy": prepared.policy, "access checks passed": len(prepared.checks)}

    def create_stacks(self) -> Facts:
        """Build both zips, render the layers and create their stacks by change sets."""
        results = deploy(self._context())
        created = {result.stack: len(result.changes) for result in results}
        return {"stacks": len(created), "resources": sum(created.values())}

    def connect_and_replicate(self) -> Facts:
        """Store the connection secret and write a credential into Vault, which the function replicates."""
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
        trusted = authorities.content(self.deployment)
        made = bundle.build(ROOT, project / "build" / "bundle.zip", trusted)
        self.eb = EbCli(project, self.directory / "home", self.aws.environment(), self.directory / "eb.log")
        self.show("eb init")
        platform = self.deployment.platform_branch
        self.eb.run("init", self.deployment.application_name, "--platform", platform, "--region", REGION)
        self.show("eb use")
        self.eb.run("use", self.deployment.environment_name)
        self.show("eb deploy")
        self.eb.run("deploy", self.deployment.environment_name, "--label", "demo-1", "--timeout", "5")
        self.site = self.deployed.site(self.directory)
        return {"bundle bytes": made.size, "page": self.site.url}

    def use_page(self) -> Facts:
        """Add an entry and read it over https; check credential and TLS of each hop."""
        with self.site.visitor() as visitor:
            mark = f"entry {uuid.uuid4()}"
            added = visitor.post(f"{self.site.url}/api/entries", json={"text": mark}, timeout=30)
            _expect(added.status_code == 201, f"adding an entry was answered with {added.status_code}")
            page = visitor.get(f"{self.site.url}/", timeout=30)
            _expect(page.ok and mark in page.text, "the page does not show the entry")
        status, current = self.site.status(), self.deployed.current_version()
        _expect(
            status["database"]["version_id"] == current,
            f"the app logged in with version {status['database']['version_id']}, not {current}",
        )
        return {
            "database user": status["database"]["user"],
            "credential version": status["database"]["version_id"],
            "TLS to the load balancer": self.site.tls_version(),
            "TLS to the instance": status["proxy"]["tls_version"],
            "TLS to the database": f"{status['database']['tls_version']} {status['database']['tls_cipher']}",
        }

    def rotate_under_load(self, rate: float = 100.0, lead: float = 3.0, tail: float = 3.0) -> Facts:
        """Rotate under *rate* requests a second, from *lead* seconds before until *tail* seconds after."""
        before = self.site.status()["database"]["user"]
        with OpenLoopLoad.start(self.site, rate) as load:
            time.sleep(lead)
            rotated = self.rotate()
            published = time.monotonic() - rotated.seconds
            used = self._wait_for_use(rotated.version_id) - published
            time.sleep(tail)
            result = LoadSummary.of(load.finish())
        expected = round(rate * (lead + tail))
        _expect(result.requests >= expected, f"only {result.requests} of {expected} requests were sent")
        _expect(
            result.failed == 0, f"{result.failed} of {result.requests} requests failed: {result.problems}"
        )
        return {
            "database user": f"{before} → {rotated.username}",
            "seconds from write to AWSCURRENT": round(rotated.seconds, 2),
            "seconds from write to use": round(used, 2),
            "requests": result.requests,
            "failed": result.failed,
            "slowest request, seconds": round(result.slowest, 3),
        }

    def try_what_is_refused(self) -> Facts:
        """Try what each identity must not be able to do, and what it must."""
        published = self._credential_store().read()
        assert published is not None  # noqa: S101 - the steps before wrote it
        function = self.vault.client()
        login = self.auth
        function.auth.approle.login(login["role_id"], login["secret_id"], mount_point=login["mount"])
        attempts = [
            *access.try_vault(
                function, self.deployment.credential_mount, self.deployment.credential_path, INVISIBLE
            ),
            *access.try_aws(
                self.aws,
                function_role=self.deployed.function_role(),
                app_role=self.deployed.app_role(),
                connection=self.deployment.connection_secret,
                replicated=self.secret,
            ),
            *access.try_database(self.mariadb, published.credential.username, published.credential.password),
        ]
        wrong = [attempt for attempt in attempts if not attempt.as_expected]
        _expect(not wrong, "; ".join(f"{attempt.what}: {attempt.answer}" for attempt in wrong))
        return {attempt.what: attempt.answer for attempt in attempts}

    # Used by several steps and by the tests

    @property
    def deployed(self) -> DeployedResources:
        return DeployedResources(self.aws, self.deployment)

    @property
    def secret(self) -> str:
        return self.deployment.credential_secret

    def addresses(self) -> dict[str, str]:
        """Return the addresses of everything that `--keep` leaves running."""
        return {
            "page": self.site.url,
            "its certificate": str(self.site.ca_file),
            "Vault": self.vault.address,
            "Vault's authority": str(self.vault.ca_file),
            "AWS endpoint": self.aws.endpoint,
            "AWS access key": OPERATOR["AWS_ACCESS_KEY_ID"],
        }

    def rotate(self) -> RotationResult:
        """Set a new password for the app's other database user and publish it."""
        master = self.deployed.master_credential()
        context = RotationContext(
            RotationDatabase(
                Endpoint(self.mariadb.host, self.mariadb.port, self.mariadb.ca_file), master, SCHEMA
            ),
            ReplicationWaiter(
                self.aws.client("secretsmanager"),
                Config.from_environ(self.deployed.function_environment()),
                requester(self.aws.client("events"), self.deployment.bus_name),
            ),
            ProgressUi(show=self.show),
            overlap_seconds=0,
        )
        return alternating.rotate(context, self._credential_store(), APP_USERS)

    def invoke_function(self) -> Mapping[str, Any]:
        """Invoke the function once and return its response."""
        return ReplicatorFunction(self._aws(), self.deployment.function_name).invoke({})

    def _aws(self) -> Aws:
        return Aws(self.aws.session(), self.aws.endpoint)

    def _context(self) -> DeploymentContext:
        return DeploymentContext(self.deployment, self._aws(), ProgressUi(agrees=True, show=self.show), ROOT)

    def _credential_store(self) -> CredentialStore:
        client = self.vault.client(self.root_token)
        return CredentialStore(client, self.deployment.credential_mount, self.deployment.credential_path)

    def _wait_for_use(self, version_id: str) -> float:
        """Return the monotonic time at which a query was made with the credential *version_id*.

        Raises:
            FlowError: the app does not use it in time
        """
        deadline = time.monotonic() + USE_SECONDS
        while time.monotonic() < deadline:
            if self.site.status()["database"]["version_id"] == version_id:
                return time.monotonic()
            time.sleep(0.05)
        raise FlowError(
            f"the app does not use version {version_id} {USE_SECONDS} s after it was published"
            f" (logs: {self.directory})"
        )


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise FlowError(problem)


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
