"""A deployment on this machine as the demo makes it, whose replication can be delayed and connections killed.

nginx with TLS twice, gunicorn, MariaDB with TLS, a real OpenBao and the real function between them. The
function reaches OpenBao through a proxy, which delays its login.
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
from typing import Self

import pymysql
import requests

from beanvault.artifacts import bundle
from beanvault.aws import Aws
from beanvault.replication import connection_secret
from beanvault.rotation import alternating, deployed
from beanvault.rotation.credential_path import CredentialPath
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
from testbed.demo.flow import INVISIBLE, NAME, ROOT, Flow, Say, deployment_file
from testbed.servers.proxy import FORWARD, Pass, ProxiedCall, Proxy

ENGINE = "database"
"""The database engine's mount."""
ROLE = "app"
"""The static role that the app uses, of the first of its users."""
PLAIN = Path(__file__).parent / "plain_app.py"
LOGIN = "/v1/auth/approle/login"
KILL_EVERY = 0.2
SETTLED_BY = 20
"""Answers in a row that come over connections of the current credential, so that each process gave some."""
QUIET = 3.0
"""Seconds without a call to Vault after which no run of the function is under way or due."""


class NotSettled(Exception):
    """The deployment didn't come to rest between two scenarios."""


@dataclass(slots=True, repr=False)
class BenchmarkDeployment:
    """The deployment; either its users take turns, or Vault rotates the one user (*static*)."""

    flow: Flow
    proxy: Proxy
    tools: RotationContext
    static: bool
    _labels: int = 0

    @classmethod
    def start(cls, directory: Path, cleanup: ExitStack, say: Say, *, static: bool) -> Self:
        """Start and deploy everything below *directory*; *cleanup* ends it."""
        flow = Flow(directory, cleanup, lambda _: None)
        say("starting OpenBao, MariaDB and the local AWS")
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
        say("creating the stacks")
        flow.create_stacks()
        aws = Aws(flow.aws.session(), flow.aws.endpoint)
        tools = replace(deployed.rotation_context(flow.deployment, aws, NullUi(), ROOT), overlap=0)
        place = cls(flow, proxy, tools, static)
        place._connect(aws)
        say("deploying the app")
        flow.deploy_app()
        place.settle()
        return place

    def _connect(self, aws: Aws) -> None:
        """Open Vault to the function, tell it where Vault is, and replicate a first credential."""
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
            self.tools.replication.wait_until_current(self.engine.role(ROLE).revision)
        else:
            self.rotate_other_user()

    @property
    def engine(self) -> DatabaseEngine:
        return DatabaseEngine(self.flow.vault.client(self.flow.root_token), ENGINE)

    @property
    def path(self) -> CredentialPath:
        deployment = self.flow.deployment
        client = self.flow.vault.client(self.flow.root_token)
        return CredentialPath(client, deployment.credential_mount, deployment.credential_path)

    def make_roles(self, roles: dict[str, str]) -> None:
        """Make static roles for database users; their passwords change at once."""
        client, database = self.flow.vault.client(self.flow.root_token), self.tools.database
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

    # Rotations. Each returns when Vault took the new credential, by Vault's own clock.

    def rotate_other_user(self) -> dt.datetime:
        """As `beanvault rotate`: the user who rests gets a new password and is published, with a push."""
        alternating.rotate(self.tools, self.path, APP_USERS)
        return self._published()

    def rotate_static_role(self) -> dt.datetime:
        """As Vault does when a static role's period is over: nobody is told."""
        self.engine.rotate(ROLE)
        return self.engine.role(ROLE).rotated

    def make_both_users_static(self) -> None:
        """Make Vault the one who changes both users' passwords, and publish one of them."""
        self.make_roles({user: user for user in APP_USERS})
        self.rotate_both_users()

    def rotate_both_users(self) -> dt.datetime:
        """Two static roles of the same phase: while one is about to be published, the other changes too."""
        before = self.path.read()
        assert before is not None
        engine = self.engine
        for user in APP_USERS:
            engine.rotate(user)
        rested = next(user for user in APP_USERS if user != before.credential.username)
        fresh = engine.credential(rested)
        data = {"username": fresh.username, "password": fresh.password}
        self.path.write(dict(before.data) | data, before.revision.version)
        self.tools.replication.ask(self.path.source)
        return self._published()

    def _published(self) -> dt.datetime:
        published = self.path.read()
        assert published is not None
        return parse_time(published.revision.created_time)

    # What goes wrong in the window

    def delay(self, seconds: float) -> None:
        """Let every login of the function to Vault take so long; 0 ends it."""

        def rule(call: ProxiedCall) -> Pass:
            return Pass(seconds) if call.path == LOGIN else FORWARD

        self.proxy.rule = rule

    @contextmanager
    def killing(self, user: str | None) -> Iterator[list[int]]:
        """Kill every connection of *user* several times a second, and note how many each time.

        Of two users only the one in use: the other is just being proven by the rotation.
        """
        killed: list[int] = []
        stopped = threading.Event()

        def kill() -> None:
            with self.flow.mariadb.admin() as admin, admin.cursor() as cursor:
                while not stopped.wait(KILL_EVERY):
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

    # Looking at the app

    def status(self) -> dict[str, dict[str, str]]:
        """Return what the app says of the connection that answers."""
        with self.flow.site.visitor() as visitor:
            answer = visitor.get(f"{self.flow.site.url}/api/status", timeout=30)
            answer.raise_for_status()
            told: dict[str, dict[str, str]] = answer.json()
            return told

    def first_use(self, other_than: str, stopped: threading.Event) -> dt.datetime | None:
        """Return when a query was first answered with another credential version; None: not before *stopped*.

        Looked at twenty times a second, so it is late by the look's own time and up to 50 ms.
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
        """Return when the current credential is the one in use, and nothing is under way.

        Raises:
            NotSettled: it isn't within *seconds*
        """
        deadline = time.monotonic() + seconds
        self.delay(0)
        current, in_a_row, calls, quiet_since = "", 0, -1, time.monotonic()
        while in_a_row < SETTLED_BY or time.monotonic() - quiet_since < QUIET:
            if time.monotonic() > deadline:
                raise NotSettled(f"{in_a_row} answers in a row with the current credential after {seconds} s")
            if (now := len(self.proxy.calls())) != calls:
                calls, quiet_since = now, time.monotonic()
            current = self.tools.replication.current(self.flow.secret) or ""
            in_a_row = in_a_row + 1 if self.status()["database"]["version_id"] == current else 0
            time.sleep(0.05)

    def deploy_plain(self) -> None:
        """Deploy the app without its credential layer; it reads the credential of this moment."""
        self._labels += 1
        flow = self.flow
        project = flow.directory / f"plain-{self._labels}"
        for name in (*bundle.FOLDERS, *bundle.MOVED):
            source, target = ROOT / name, project / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copy(source, target)
        shutil.copy(PLAIN, project / "eb_app" / "plain.py")
        procfile = project / "Procfile"
        changed = procfile.read_text().replace("eb_app.application:", "eb_app.plain:")
        assert "eb_app.plain:" in changed
        procfile.write_text(changed)
        bundle.build(project, flow.eb.directory / "build" / "bundle.zip")
        label = f"plain-{self._labels}"
        flow.eb.run("deploy", flow.deployment.environment_name, "--label", label, "--timeout", "5")
