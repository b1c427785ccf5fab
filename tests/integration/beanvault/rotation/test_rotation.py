"""Story of beanvault/rotation/ and beanvault/replication/waiter.py.

Rotation against a real OpenBao, a real MariaDB, and the replicator's own code on the local AWS.

A crash is an exception raised by the user interface: the next call starts from the state in the servers, as a
new process would.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pymysql
import pytest

from beanvault import polling
from beanvault.errors import ConfigurationError, Refused, Unreachable
from beanvault.replication.waiter import ReplicationWaiter
from beanvault.rotation import alternating, dual_password, static_role
from beanvault.rotation.credential import DatabaseCredential
from beanvault.rotation.credential_store import ConcurrentWrite, CredentialDeleted, CredentialStore
from beanvault.rotation.database import (
    DatabaseLoginRefused,
    Endpoint,
    RotationDatabaseError,
    RotationInProgress,
    connected,
)
from beanvault.rotation.rotation_context import RotationContext, RotationDatabase, TooSoon
from beanvault.ui import NullUi
from beanvault.vault.mounts import enable_kv2
from replicator.config import Config
from replicator.contract.connection import VaultAddress
from replicator.contract.events import ReplicationRequest
from replicator.replicate import RunClock, replicate
from replicator.source import VaultSource
from replicator.target import SecretsManagerTarget
from replicator.vault import Vault
from testbed.servers.authority import Authority
from testbed.servers.localaws import LocalAws
from testbed.servers.mariadb import MariaDB, engine
from tests.conftest import Unsealed


class Crashed(Exception):
    """The rotation's process ended."""


@dataclass
class World:
    """A mount, two database users and a replicator for one test."""

    context: RotationContext
    store: CredentialStore
    users: tuple[str, str]
    schema: str
    requested: list[str] = field(default_factory=list)
    requests_get_lost: bool = False

    def current(self) -> DatabaseCredential:
        stored = self.store.read()
        assert stored is not None
        return stored.credential

    def works(self, credential: DatabaseCredential) -> bool:
        try:
            with connected(self.context.database.endpoint, credential, self.schema):
                return True
        except DatabaseLoginRefused:
            return False


@pytest.fixture
def world(openbao: Unsealed, mariadb: MariaDB, local_aws: LocalAws) -> Iterator[World]:
    name = f"r{uuid.uuid4().hex[:8]}"
    users, master = (f"{name}_blue", f"{name}_green"), DatabaseCredential(f"{name}_master", uuid.uuid4().hex)
    admin = mariadb.admin()
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        for user in (*users, master.username):
            cursor.execute(f"CREATE USER {user}@'%%' IDENTIFIED BY %s REQUIRE SSL", (uuid.uuid4().hex,))
            cursor.execute(f"GRANT ALL ON {name}.* TO {user}@'%'")
        cursor.execute(f"ALTER USER {master.username}@'%%' IDENTIFIED BY %s", (master.password,))
        cursor.execute(f"GRANT CREATE USER ON *.* TO {master.username}@'%'")
        cursor.execute(f"GRANT SELECT ON mysql.* TO {master.username}@'%'")
    root = openbao.root_client()
    enable_kv2(root, name)
    secretsmanager = local_aws.client("secretsmanager")
    config = Config.from_environ(
        {
            "BEANVAULT_CONNECTION_SECRET": f"{name}-connection",
            "BEANVAULT_MOUNT": f"{name},database:{name}-db",
            "BEANVAULT_PREFIX": name,
            "BEANVAULT_OWNER": name,
        }
    )
    vault = Vault(VaultAddress(openbao.address, None, openbao.ca_file.read_text()))
    vault.use_token(openbao.root_token)

    def request(source: str) -> None:
        """Replicate immediately, with the code that runs in the function."""
        made.requested.append(source)
        if made.requests_get_lost:
            return
        origin = VaultSource(vault, config.mounts, time.time, lambda: b"key")
        report = replicate(
            origin,
            SecretsManagerTarget(secretsmanager),
            config,
            ReplicationRequest((source,)),
            RunClock(time.time),
        )
        assert report.healthy, report.problems()

    endpoint = Endpoint(mariadb.host, mariadb.port, mariadb.ca_file)
    context = RotationContext(
        RotationDatabase(endpoint, master, name),
        ReplicationWaiter(secretsmanager, config, request),
        NullUi(),
        overlap_seconds=0,
    )
    made = World(context, CredentialStore(root, name, "app/database"), users, name)
    yield made
    vault.close()
    with admin.cursor() as cursor:
        for user in (*users, master.username):
            cursor.execute(f"DROP USER {user}@'%'")
        cursor.execute(f"DROP DATABASE {name}")
    admin.close()


@dataclass(frozen=True, slots=True)
class CrashingAt(NullUi):
    """Crashes at the step that contains these words."""

    words: str = ""

    def step(self, text: str) -> None:
        if self.words in text:
            raise Crashed(text)


@dataclass(frozen=True, slots=True)
class CrashingAtCount(NullUi):
    """Crashes at the step with this number."""

    left: list[int] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.left[0] -= 1
        if not self.left[0]:
            raise Crashed(text)


def test_the_users_alternate_and_the_previous_one_stays_valid(world: World) -> None:
    """Three rotations: blue, green, blue. The previous user can still log in after each."""
    first = alternating.rotate(world.context, world.store, world.users)
    blue = world.current()
    second = alternating.rotate(world.context, world.store, world.users)
    green = world.current()
    assert (first.username, second.username) == world.users
    assert world.works(blue)
    assert world.works(green)
    third = alternating.rotate(world.context, world.store, world.users)
    assert third.username == world.users[0]
    assert not world.works(blue)  # two rotations old
    assert world.works(green)
    assert world.works(world.current())
    secret = f"{world.schema}/app/database"
    assert world.context.replication.current_version_id(secret) == third.version_id
    assert not third.resumed


def test_two_users_do_not_take_turns_behind_rds_proxy(world: World) -> None:
    """It knows only the current version's user; the first credential is needed to create it at all."""
    proxied = replace(world.context, through_proxy=True)
    first = alternating.rotate(proxied, world.store, world.users)
    blue = world.current()
    with pytest.raises(Refused, match="two users can't take turns") as raised:
        alternating.rotate(proxied, world.store, world.users)
    assert "--strategy dual" in raised.value.remedy
    assert world.current() == blue
    assert dual_password.rotate(proxied, world.store).username == first.username
    assert world.works(blue)
    assert world.works(world.current())


def test_the_first_credential_of_a_proxy_can_be_completed(world: World) -> None:
    """An interrupted first rotation resumes: it changes no user."""
    proxied = replace(world.context, through_proxy=True)
    with pytest.raises(Crashed):
        alternating.rotate(replace(proxied, ui=CrashingAt(words="is version")), world.store, world.users)
    assert alternating.rotate(proxied, world.store, world.users).resumed


def test_other_keys_of_the_path_are_kept(world: World) -> None:
    alternating.rotate(world.context, world.store, world.users)
    stored = world.store.read()
    assert stored is not None
    world.store.write({**stored.data, "engine": "mysql", "port": 3307}, stored.revision.version)
    world.context.replication.wait_until_current(world.store.read().revision)  # type: ignore[union-attr]  # it was just written
    alternating.rotate(world.context, world.store, world.users)
    rotated = world.store.read()
    assert rotated is not None
    assert (rotated.data["engine"], rotated.data["port"]) == ("mysql", 3307)


@pytest.mark.parametrize(
    "where",
    [
        "logs in over TLS",  # the password is set, and only the crashed process knew it
        "is version",  # Vault is written, and no replication is requested yet
    ],
)
def test_a_crash_anywhere_leaves_a_valid_credential_and_the_next_run_completes(
    world: World, where: str
) -> None:
    alternating.rotate(world.context, world.store, world.users)
    before = world.current()
    with pytest.raises(Crashed):
        alternating.rotate(replace(world.context, ui=CrashingAt(words=where)), world.store, world.users)
    assert world.works(before)  # what the app has read
    assert world.works(world.current())  # what it will read
    rotated = alternating.rotate(world.context, world.store, world.users)
    assert rotated.resumed is (where == "is version")
    assert rotated.username == world.users[1]
    assert world.works(before)
    assert world.works(world.current())
    revision = world.store.read().revision  # type: ignore[union-attr]  # it was just rotated
    assert world.context.replication.is_current(revision)


def test_no_rotation_begins_before_the_last_one_is_replicated(world: World) -> None:
    """The app still reads the previous user: changing that user's password now would lock it out."""
    alternating.rotate(world.context, world.store, world.users)
    in_use = world.current()
    world.requests_get_lost = True
    impatient = replace(world.context.replication, clock=_fast_clock())
    with pytest.raises(Unreachable, match="is not replicated after"):
        alternating.rotate(replace(world.context, replication=impatient), world.store, world.users)
    with pytest.raises(Unreachable, match="is not replicated after"):
        alternating.rotate(replace(world.context, replication=impatient), world.store, world.users)
    assert world.works(in_use)
    assert len(world.requested) > 2  # the request is repeated from time to time
    world.requests_get_lost = False
    assert alternating.rotate(world.context, world.store, world.users).resumed
    assert world.works(in_use)


def test_a_user_that_can_still_be_in_use_is_not_changed(world: World) -> None:
    """Blue, green, and immediately blue again: an app that has not read green yet still logs in as blue."""
    alternating.rotate(world.context, world.store, world.users)
    blue = world.current()
    alternating.rotate(world.context, world.store, world.users)
    with pytest.raises(TooSoon, match="may still be in use"):
        alternating.rotate(replace(world.context, overlap_seconds=600), world.store, world.users)
    assert world.works(blue)
    patient = replace(world.context, overlap_seconds=1, wait=True)
    assert alternating.rotate(patient, world.store, world.users).username == world.users[0]


@dataclass(frozen=True, slots=True)
class InterruptedAt(NullUi):
    """Does something at the first step that contains these words."""

    words: str = ""
    act: Callable[[], None] = lambda: None
    done: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        if self.words in text and not self.done:
            self.done.append(text)
            self.act()


@pytest.mark.parametrize("strategy", ["alternating", "dual"])
def test_a_second_run_is_refused_until_the_first_has_published(world: World, strategy: str) -> None:
    """It would change the password that the first run has verified and not yet published."""
    alternating.rotate(world.context, world.store, world.users)

    def rotate(context: RotationContext) -> None:
        if strategy == "dual":
            dual_password.rotate(context, world.store)
        else:
            alternating.rotate(context, world.store, world.users)

    def rotate_too() -> None:
        with pytest.raises(RotationInProgress, match="another rotation is in progress"):
            rotate(world.context)
        with pytest.raises(RotationInProgress):
            dual_password.discard(world.context, world.store)

    between = InterruptedAt(words="logs in over TLS", act=rotate_too)
    rotate(replace(world.context, ui=between))
    assert between.done
    assert world.works(world.current())
    rotate(world.context)  # the lock was released
    assert world.works(world.current())


def test_a_run_that_lost_the_lock_publishes_nothing(world: World, mariadb: MariaDB) -> None:
    """The lock ends with the connection, and another run can have changed the same password since."""
    alternating.rotate(world.context, world.store, world.users)
    before = world.current()

    def lose_the_connection() -> None:
        with mariadb.admin() as admin, admin.cursor() as cursor:
            name = world.context.database.master.username
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (name,))
            for (number,) in cursor.fetchall():
                with suppress(pymysql.OperationalError):  # it has just ended
                    cursor.execute(f"KILL {number}")
        alternating.rotate(world.context, world.store, world.users)

    between = InterruptedAt(words="logs in over TLS", act=lose_the_connection)
    with pytest.raises(RotationDatabaseError, match="GET_LOCK"):
        alternating.rotate(replace(world.context, ui=between), world.store, world.users)
    assert world.works(before)
    assert world.works(world.current())


def test_a_deleted_credential_is_not_replaced(world: World) -> None:
    """Its replica can be in use, and for which user is unknown."""
    alternating.rotate(world.context, world.store, world.users)
    in_use = world.current()
    kv = world.store.client.secrets.kv.v2
    kv.delete_latest_version_of_secret(world.store.path, mount_point=world.store.mount)
    with pytest.raises(CredentialDeleted, match=r"version 1 .* is deleted") as refused:
        alternating.rotate(world.context, world.store, world.users)
    assert "undelete" in refused.value.remedy
    assert world.works(in_use)
    kv.undelete_secret_versions(world.store.path, [1], mount_point=world.store.mount)
    assert alternating.rotate(world.context, world.store, world.users).username == world.users[1]
    assert world.works(in_use)


def test_a_concurrent_write_is_not_overwritten(world: World) -> None:
    alternating.rotate(world.context, world.store, world.users)

    @dataclass(frozen=True, slots=True)
    class WritingConcurrently(NullUi):
        def step(self, text: str) -> None:
            if "logs in over TLS" in text:
                world.store.write({"username": world.users[0], "password": "theirs"}, version=1)

    with pytest.raises(ConcurrentWrite):
        alternating.rotate(replace(world.context, ui=WritingConcurrently()), world.store, world.users)
    assert world.current().password == "theirs"


def test_an_unknown_user_in_the_path_is_refused(world: World) -> None:
    world.store.write({"username": "somebody", "password": "x"}, version=0)
    with pytest.raises(ConfigurationError, match="has the user somebody"):
        alternating.rotate(world.context, world.store, world.users)


def test_two_passwords_are_valid_until_the_old_one_is_discarded(world: World) -> None:
    alternating.rotate(world.context, world.store, world.users)
    old = world.current()
    rotated = dual_password.rotate(world.context, world.store)
    new = world.current()
    assert rotated.username == old.username
    assert old.password != new.password
    assert world.works(old)
    assert world.works(new)
    with pytest.raises(TooSoon):
        dual_password.discard(replace(world.context, overlap_seconds=600), world.store)
    assert world.works(old)
    dual_password.discard(world.context, world.store)
    assert not world.works(old)
    assert world.works(new)
    dual_password.discard(world.context, world.store)  # again: no password left to discard
    assert world.works(new)


@pytest.mark.parametrize("step", [1, 2])
def test_a_crash_with_two_passwords_leaves_the_published_one_valid(world: World, step: int) -> None:
    """After the database accepted the second password, and between the two logins; then to the end."""
    alternating.rotate(world.context, world.store, world.users)
    published = world.current()

    for _ in range(2):
        with pytest.raises(Crashed):
            dual_password.rotate(replace(world.context, ui=CrashingAtCount(left=[step])), world.store)
        assert world.works(published)
    dual_password.rotate(world.context, world.store)
    assert world.works(published)
    assert world.works(world.current())


def test_static_roles_are_rotated_one_after_the_other(
    world: World, openbao: Unsealed, mariadb: MariaDB
) -> None:
    """Vault rotates the role that was rotated longest ago; a second one within the overlap is refused."""
    root, mount = openbao.root_client(), f"{world.schema}-db"
    root.sys.enable_secrets_engine("database", path=mount)
    master = world.context.database.master
    root.write_data(
        f"{mount}/config/db",
        data={
            "plugin_name": "mysql-database-plugin",
            "connection_url": f"{{{{username}}}}:{{{{password}}}}@tcp({mariadb.host}:{mariadb.port})/",
            "username": master.username,
            "password": master.password,
            "tls_ca": mariadb.ca_file.read_text(),
            "allowed_roles": "*",
        },
    )
    for role, user in zip(("blue", "green"), world.users, strict=True):
        root.write_data(
            f"{mount}/static-roles/{role}",
            data={"db_name": "db", "username": user, "rotation_period": "24h"},
        )
    engine = static_role.DatabaseEngine(root, mount)
    warned = InterruptedAt(words="within 600 s")
    careful = replace(world.context, overlap_seconds=600, ui=warned)
    finished = [static_role.rotate(careful, engine, ("blue", "green")) for _ in range(2)]
    assert all(
        rotated.resumed for rotated in finished
    )  # both were created just now, and were not replicated yet
    assert warned.done  # because both were created at the same time
    green = engine.credential("green")
    rotated = static_role.rotate(world.context, engine, ("blue", "green"))
    assert (rotated.username, rotated.resumed) == (world.users[0], False)
    assert engine.credential("green") == green
    assert world.works(engine.credential("blue"))
    with pytest.raises(TooSoon, match="may not know"):
        static_role.rotate(careful, engine, ("blue", "green"))
    # The overlap counts from the replication, when the app could read it, not from Vault's rotation.
    brief = replace(world.context, overlap_seconds=3)
    engine.rotate("blue")
    time.sleep(brief.overlap_seconds)
    assert static_role.rotate(brief, engine, ("blue", "green")).resumed
    with pytest.raises(TooSoon, match="may not know"):
        static_role.rotate(brief, engine, ("blue", "green"))
    patient = static_role.rotate(replace(brief, wait=True), engine, ("blue", "green"))
    assert (patient.username, patient.resumed) == (world.users[1], False)


def test_the_databases_certificate_and_name_are_verified(world: World) -> None:
    endpoint = world.context.database.endpoint
    elsewhere = replace(endpoint, host="db.example.com", via=(endpoint.host, endpoint.port))
    with pytest.raises(Unreachable, match="certificate"), connected(elsewhere, world.context.database.master):
        pass
    tunnel = replace(endpoint, via=("127.0.0.1", endpoint.port))
    with connected(tunnel, world.context.database.master) as session:
        assert session.version().mariadb == (engine().name == "MariaDB")
    closed = replace(endpoint, port=9)
    with pytest.raises(Unreachable, match="didn't answer"), connected(closed, world.context.database.master):
        pass


def test_an_incomplete_certificate_is_refused_in_words(world: World, tmp_path: Path) -> None:
    """The same on every Python: 3.13 and later refuse it by default."""
    incomplete = Authority(tmp_path / "incomplete", strict=False)
    server = MariaDB.start(tmp_path, incomplete)
    with server.admin() as admin, admin.cursor() as cursor:
        cursor.execute("CREATE USER somebody")  # otherwise MySQL refuses the address before TLS
    endpoint = Endpoint(server.host, server.port, incomplete.ca_file)
    try:
        with (
            pytest.raises(Unreachable, match="Missing Authority Key Identifier") as raised,
            connected(endpoint, world.context.database.master),
        ):
            pass
    finally:
        server.stop()
    assert "keyUsage" in raised.value.remedy


def test_an_error_never_quotes_the_refused_statement(world: World) -> None:
    """MariaDB quotes the statement in a syntax error, with the password in it."""
    with connected(world.context.database.endpoint, world.context.database.master) as session:
        with pytest.raises(RotationDatabaseError, match="accounts called nobody"):
            session.set_password("nobody", "hunter2")
        with pytest.raises(RotationDatabaseError) as failure:
            session._query("ALTER USRE %s IDENTIFIED BY %s", "x", "hunter2")
    assert "hunter2" not in str(failure.value)
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


def _fast_clock() -> polling.PollingClock:
    """A clock on which waiting takes no time."""
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    return polling.PollingClock(lambda: passed[0], sleep)
