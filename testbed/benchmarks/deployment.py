"""The demo's deployment, in which replication can be delayed and connections killed.

Two nginx with TLS, gunicorn, MariaDB with TLS, a real OpenBao and the real function. The function connects to
OpenBao through a proxy, which delays its login.
"""

from __future__ import annotations

import datetime as dt
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pymysql
import requests

from beanvault.artifacts import authorities, bundle
from beanvault.aws import Aws
from beanvault.replication import connection_secret
from beanvault.rotation import alternating, context_factory
from beanvault.rotation.credential_store import CredentialStore
from beanvault.rotation.rotation_context import RotationContext
from beanvault.rotation.static_role import DatabaseEngine
from beanvault.ui import NullUi
from beanvault.vault import setup
from beanvault.vault.logins import AppRole
from beanvault.vault.policies import configured
from beanvault.vault.server import VaultServer
from replicator.timestamps import parse_time
from templates.deployment import APP_USERS
from templates.deployment_file import parse
from testbed.demo.configuration import INVISIBLE, NAME, deployment_file
from testbed.demo.display import ShowProgress
from testbed.demo.flow import ROOT, Flow
from testbed.servers.proxy import FORWARD, Pass, ProxiedCall, Proxy

ENGINE = "database"
"""The database engine's mount."""
ROLE = "app"
"""The static role of the first of the app's users."""
PLAIN_APP = Path(__file__).parent / "plain_app.py"
LOGIN_PATH = "/v1/auth/approle/login"
KILL_INTERVAL_SECONDS = 0.2
SETTLED_RESPONSES = 20
"""Consecutive responses over connections of the current credential, enough to include every process."""
QUIET_SECONDS = 3.0
"""After this long without a call to Vault no run of the function is in progress or due."""


class NotSettled(Exception):
    """The deployment did not settle between two scenarios."""


@dataclass(slots=True, repr=False)
class BenchmarkDeployment:
    """The deployment. Its users alternate, or Vault rotates one user (*static*)."""

    flow: Flow
    proxy: Proxy
    context: RotationContext
    static: bool
    _labels: int = 0

    @classmethod
    def start(cls, directory: Path, cleanup: ExitStack, show: ShowProgress, *, static: bool) -> Self:
        """Start the servers and deploy, with files below *directory*; *cleanup* stops them."""
        flow = Flow(directory, cleanup, lambda _: None)
        show("starting OpenBao, MariaDB and the local AWS")
        flow.start_servers()
        flow.prepare_vault()
        proxy = Proxy(flow.openbao.address, flow.openbao.ca_file, flow.authority.issue("proxy"))
        cleanup.callback(proxy.close)
        port = int(proxy.address.rpartition(":")[2])
        described = deployment_file(NAME, port, flow.mariadb.port, flow.authority.ca_file)
        if static:
            described["replicator"] = {"mounts": ["beanvault", f"database:{ENGINE}"]}
            described["database"]["credential"] = f"{ENGINE}/{ROLE}"
        flow.deployment = parse(described, "the benchmark's deployment")
        show("creating the stacks")
        flow.create_stacks()
        aws = Aws(flow.aws.session(), flow.aws.endpoint)
        context = replace(
            context_factory.rotation_context(flow.deployment, aws, NullUi(), ROOT), overlap_seconds=0
        )
        deployment = cls(flow, proxy, context, static)
        deployment._connect(aws)
        show("deploying the app")
        flow.deploy_app()
        deployment.settle()
        return deployment

    def _connect(self, aws: Aws) -> None:
        """Give the function access to Vault through the proxy, and replicate a first credential."""
        prepared = setup.prepare(
            self.flow.vault,
            self.flow.root_token,
            name=NAME,
            mounts=configured(self.flow.deployment.replicator.mounts),
            login=AppRole(f"{NAME}-replicator"),
            invisible=[INVISIBLE],
        )
        server = VaultServer(self.proxy.address, self.flow.authority.ca_file)
        secret = self.flow.deployment.connection_secret
        connection_secret.store(aws, secret, connection_secret.content(server, dict(prepared.auth)))
        if self.static:
            self.make_roles({ROLE: APP_USERS[0]})
            self.context.replication.wait_until_current(self.engine.role(ROLE).revision)
        else:
            self.rotate_other_user()

    @property
    def engine(self) -> DatabaseEngine:
        return DatabaseEngine(self.flow.vault.client(self.flow.root_token), ENGINE)

    @property
    def store(self) -> CredentialStore:
        deployment = self.flow.deployment
        client = self.flow.vault.client(self.flow.root_token)
        return CredentialStore(client, deployment.credential_mount, deployment.credential_path)

    def make_roles(self, roles: dict[str, str]) -> None:
        """Create static roles for database users, which changes their passwords at once."""
        client, database = self.flow.vault.client(self.flow.root_token), self.context.database
        if f"{ENGINE}/" not in client.sys.list_mounted_secrets_engines()["data"]:
            client.sys.enable_secrets_engine("database", path=ENGINE)
        endpoint = database.endpoint
        client.write_data(
            f"{ENGINE}/config/app",
            data={
                "plugin_name": "mysql-database-plugin",
                "connection_url": f"{{{{username}}}}:{{{{password}}}}@tcp({endpoint.host}:{endpoint.port})/",
                "username": database.master.username,
                "password": database.master.password,
                "tls_ca": endpoint.ca_file.read_text(),
                "allowed_roles": "*",
            },
        )
        for role, user in roles.items():
            client.write_data(
                f"{ENGINE}/static-roles/{role}",
                data={"db_name": "app", "username": user, "rotation_period": "24h"},
            )

    # Rotations: each returns the time at which Vault stored the new credential, by Vault's clock.

    def rotate_other_user(self) -> dt.datetime:
        """Rotate as `beanvault rotate` does: set the unused user's password and publish it."""
        alternating.rotate(self.context, self.store, APP_USERS)
        return self._published()

    def rotate_static_role(self) -> dt.datetime:
        """Rotate as Vault does when a static role's period is over, without any notification."""
        self.engine.rotate(ROLE)
        return self.engine.role(ROLE).rotated

    def make_both_users_static(self) -> None:
        """Let Vault rotate both users' passwords, and publish one of them."""
        self.make_roles({user: user for user in APP_USERS})
        self.rotate_both_users()

    def rotate_both_users(self) -> dt.datetime:
        """Rotate two static roles together: before one is published, the other has changed too."""
        before = self.store.read()
        assert before is not None
        engine = self.engine
        for user in APP_USERS:
            engine.rotate(user)
        unused = next(user for user in APP_USERS if user != before.credential.username)
        fresh = engine.credential(unused)
        data = {"username": fresh.username, "password": fresh.password}
        self.store.write(dict(before.data) | data, before.revision.version)
        self.context.replication.request(self.store.source)
        return self._published()

    def _published(self) -> dt.datetime:
        published = self.store.read()
        assert published is not None
        return parse_time(published.revision.created_time)

    # Faults during the rotation

    def delay(self, seconds: float) -> None:
        """Delay every login of the function to Vault by *seconds*; 0 ends the delay."""

        def rule(call: ProxiedCall) -> Pass:
            return Pass(seconds) if call.path == LOGIN_PATH else FORWARD

        self.proxy.rule = rule

    @contextmanager
    def killing(self, user: str | None) -> Iterator[list[int]]:
        """Kill every connection of *user* several times a second; yield the list of counts.

        Of two users only the current one: the rotation is testing the other's login.
        """
        killed: list[int] = []
        stopped = threading.Event()

        def kill() -> None:
            with self.flow.mariadb.admin() as admin, admin.cursor() as cursor:
                while not stopped.wait(KILL_INTERVAL_SECONDS):
                    cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (user,))
                    found = cursor.fetchall()
                    for (number,) in found:
                        with suppress(pymysql.OperationalError):  # it has just ended
                            cursor.execute("KILL %s", (number,))
                    if found:
                        killed.append(len(found))

        thread = threading.Thread(target=kill, name="killer")
        if user:
            thread.start()
        try:
            yield killed
        finally:
            stopped.set()
            if user:
                thread.join()

    # The app's status

    def status(self) -> dict[str, Any]:
        return self.flow.site.status()

    def first_use(self, other_than: str, stopped: threading.Event) -> dt.datetime | None:
        """Return when a response first used another credential version, or None if *stopped* is set before.

        The status is polled 20 times a second: the time is late by the request's duration and up to 50 ms.
        """
        with self.flow.site.visitor() as visitor:
            while not stopped.wait(0.05):
                try:
                    answer = visitor.get(f"{self.flow.site.url}/api/status", timeout=30)
                except requests.RequestException:
                    continue
                if answer.ok and answer.json()["database"]["version_id"] != other_than:
                    return dt.datetime.now(dt.UTC)
        return None

    def settle(self, seconds: float = 120) -> None:
        """Return when the app uses the current credential and no replication is in progress.

        Raises:
            NotSettled: this took longer than *seconds*
        """
        deadline = time.monotonic() + seconds
        self.delay(0)
        current, in_a_row, calls, quiet_since = "", 0, -1, time.monotonic()
        while in_a_row < SETTLED_RESPONSES or time.monotonic() - quiet_since < QUIET_SECONDS:
            if time.monotonic() > deadline:
                raise NotSettled(
                    f"only {in_a_row} consecutive responses used the current credential after {seconds} s"
                )
            if (now := len(self.proxy.calls())) != calls:
                calls, quiet_since = now, time.monotonic()
            current = self.context.replication.current_version_id(self.flow.secret) or ""
            in_a_row = in_a_row + 1 if self.status()["database"]["version_id"] == current else 0
            time.sleep(0.05)

    def deploy_plain(self) -> None:
        """Deploy the app without its credential layer; it reads the credential once, at its start."""
        self._labels += 1
        flow = self.flow
        project = flow.directory / f"plain-{self._labels}"
        for name in (*bundle.FOLDERS, *bundle.FILES):
            source, target = ROOT / name, project / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copy(source, target)
        shutil.copy(PLAIN_APP, project / "eb_app" / "plain.py")
        procfile = project / "Procfile"
        changed = procfile.read_text().replace("eb_app.application:", "eb_app.plain:")
        assert "eb_app.plain:" in changed
        procfile.write_text(changed)
        trusted = authorities.content(flow.deployment)
        bundle.build(project, flow.eb.directory / "build" / "bundle.zip", trusted)
        label = f"plain-{self._labels}"
        flow.eb.run("deploy", flow.deployment.environment_name, "--label", label, "--timeout", "5")
