"""Rotation against a real OpenBao, a real MariaDB, and the replicator's own code on the local AWS.

Dying is an exception out of the display: the next call begins anew from what is there, as a new process
would.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pymysql
import pytest

from beanvault import polling
from beanvault.errors import ConfigurationError, Unreachable
from beanvault.replication.waiter import ReplicationWaiter
from beanvault.rotation import alternating, dual, static_role
from beanvault.rotation.credential import DatabaseCredential
from beanvault.rotation.credential_path import CredentialPath, Deleted, Overtaken
from beanvault.rotation.database import (
    DatabaseLoginRefused,
    Endpoint,
    RotationDatabaseError,
    RotationUnderWay,
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
from testbed.servers.localaws import LocalAws
from testbed.servers.mariadb import MariaDB, engine
from tests.conftest import Unsealed


class Died(Exception):
    """The rotation's process ended."""


@dataclass
class Place:
    """A mount, two database users and a replicator of this test's own."""

    tools: RotationContext
    path: CredentialPath
    users: tuple[str, str]
    schema: str
    asked: list[str] = field(default_factory=list)
    deaf: bool = False
    """Whether requests for replication get lost."""

    def current(self) -> DatabaseCredential:
        published = self.path.read()
        assert published is not None
        return published.credential

    def works(self, credential: DatabaseCredential) -> bool:
        try:
            with connected(self.tools.database.endpoint, credential, self.schema):
                return True
        except DatabaseLoginRefused:
            return False


@pytest.fixture
def place(openbao: Unsealed, mariadb: MariaDB, local_aws: LocalAws) -> Iterator[Place]:
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

    def ask(source: str) -> None:
        """Replicate at once, with the code that runs in the function."""
        made.asked.append(source)
        if made.deaf:
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
    tools = RotationContext(
        RotationDatabase(endpoint, master, name),
        ReplicationWaiter(secretsmanager, config, ask),
        NullUi(),
        overlap=0,
    )
    made = Place(tools, CredentialPath(root, name, "app/database"), users, name)
    yield made
    vault.close()
    with admin.cursor() as cursor:
        for user in (*users, master.username):
            cursor.execute(f"DROP USER {user}@'%'")
        cursor.execute(f"DROP DATABASE {name}")
    admin.close()


@dataclass(frozen=True, slots=True)
class DyingAt(NullUi):
    """Dies at the step that contains these words."""

    words: str = ""

    def step(self, text: str) -> None:
        if self.words in text:
            raise Died(text)


@dataclass(frozen=True, slots=True)
class DyingAtCount(NullUi):
    """Dies at the so manieth step."""

    left: list[int] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.left[0] -= 1
        if not self.left[0]:
            raise Died(text)


def test_the_users_take_turns_and_the_one_before_stays_valid(place: Place) -> None:
    """Three rotations: blue, green, blue; whoever still uses the one before is not refused."""
    first = alternating.rotate(place.tools, place.path, place.users)
    blue = place.current()
    second = alternating.rotate(place.tools, place.path, place.users)
    green = place.current()
    assert (first.username, second.username) == place.users
    assert place.works(blue)
    assert place.works(green)
    third = alternating.rotate(place.tools, place.path, place.users)
    assert third.username == place.users[0]
    assert not place.works(blue)  # two rotations old
    assert place.works(green)
    assert place.works(place.current())
    secret = f"{place.schema}/app/database"
    assert place.tools.replication.current(secret) == third.version_id
    assert not third.resumed


def test_other_keys_of_the_path_stay(place: Place) -> None:
    alternating.rotate(place.tools, place.path, place.users)
    published = place.path.read()
    assert published is not None
    place.path.write({**published.data, "engine": "mysql", "port": "3307"}, published.revision.version)
    place.tools.replication.wait_until_current(place.path.read().revision)  # type: ignore[union-attr]  # it was just written
    alternating.rotate(place.tools, place.path, place.users)
    rotated = place.path.read()
    assert rotated is not None
    assert (rotated.data["engine"], rotated.data["port"]) == ("mysql", "3307")


@pytest.mark.parametrize(
    "where",
    [
        "logs in over TLS",  # the password is set, and nobody but the dead process knew it
        "is version",  # Vault is written, and nobody has asked for its replication
    ],
)
def test_after_dying_anywhere_the_app_has_a_valid_credential_and_the_next_call_ends_well(
    place: Place, where: str
) -> None:
    alternating.rotate(place.tools, place.path, place.users)
    before = place.current()
    with pytest.raises(Died):
        alternating.rotate(replace(place.tools, ui=DyingAt(words=where)), place.path, place.users)
    assert place.works(before)  # what the app has read
    assert place.works(place.current())  # what it will read
    rotated = alternating.rotate(place.tools, place.path, place.users)
    assert rotated.resumed is (where == "is version")
    assert rotated.username == place.users[1]
    assert place.works(before)
    assert place.works(place.current())
    revision = place.path.read().revision  # type: ignore[union-attr]  # it was just rotated
    assert place.tools.replication.is_current(revision)


def test_while_the_last_one_isnt_replicated_no_other_is_begun(place: Place) -> None:
    """The app still reads the user before; changing that one's password now would lock it out."""
    alternating.rotate(place.tools, place.path, place.users)
    in_use = place.current()
    place.deaf = True
    impatient = replace(place.tools.replication, clock=_fast_clock())
    with pytest.raises(Unreachable, match="isn't replicated after"):
        alternating.rotate(replace(place.tools, replication=impatient), place.path, place.users)
    with pytest.raises(Unreachable, match="isn't replicated after"):
        alternating.rotate(replace(place.tools, replication=impatient), place.path, place.users)
    assert place.works(in_use)
    assert len(place.asked) > 2  # it asks again from time to time
    place.deaf = False
    assert alternating.rotate(place.tools, place.path, place.users).resumed
    assert place.works(in_use)


def test_a_user_who_may_still_be_in_use_isnt_touched(place: Place) -> None:
    """Blue, green, and at once blue again: an app that has not heard of green yet still logs in as blue."""
    alternating.rotate(place.tools, place.path, place.users)
    blue = place.current()
    alternating.rotate(place.tools, place.path, place.users)
    with pytest.raises(TooSoon, match="may still be in use"):
        alternating.rotate(replace(place.tools, overlap=600), place.path, place.users)
    assert place.works(blue)
    patient = replace(place.tools, overlap=1, wait=True)
    assert alternating.rotate(patient, place.path, place.users).username == place.users[0]


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
def test_a_second_run_is_refused_until_the_first_has_published(place: Place, strategy: str) -> None:
    """It would change the password that the first has proven and not yet published."""
    alternating.rotate(place.tools, place.path, place.users)

    def rotate(tools: RotationContext) -> None:
        if strategy == "dual":
            dual.rotate(tools, place.path)
        else:
            alternating.rotate(tools, place.path, place.users)

    def rotate_too() -> None:
        with pytest.raises(RotationUnderWay, match="another rotation is under way"):
            rotate(place.tools)
        with pytest.raises(RotationUnderWay):
            dual.discard(place.tools, place.path)

    between = InterruptedAt(words="logs in over TLS", act=rotate_too)
    rotate(replace(place.tools, ui=between))
    assert between.done
    assert place.works(place.current())
    rotate(place.tools)  # the turn was given back
    assert place.works(place.current())


def test_who_lost_the_turn_publishes_nothing(place: Place, mariadb: MariaDB) -> None:
    """With the connection goes the lock, and another run may have changed the same password since."""
    alternating.rotate(place.tools, place.path, place.users)
    before = place.current()

    def lose_the_connection() -> None:
        with mariadb.admin() as admin, admin.cursor() as cursor:
            name = place.tools.database.master.username
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (name,))
            for (number,) in cursor.fetchall():
                with suppress(pymysql.OperationalError):  # it has just ended
                    cursor.execute(f"KILL {number}")
        alternating.rotate(place.tools, place.path, place.users)

    between = InterruptedAt(words="logs in over TLS", act=lose_the_connection)
    with pytest.raises(RotationDatabaseError, match="GET_LOCK"):
        alternating.rotate(replace(place.tools, ui=between), place.path, place.users)
    assert place.works(before)
    assert place.works(place.current())


def test_a_deleted_path_is_not_begun_anew(place: Place) -> None:
    """What was replicated of it may be in use, and nobody can tell whose it is."""
    alternating.rotate(place.tools, place.path, place.users)
    in_use = place.current()
    kv = place.path.client.secrets.kv.v2
    kv.delete_latest_version_of_secret(place.path.path, mount_point=place.path.mount)
    with pytest.raises(Deleted, match=r"version 1 .* is deleted") as refused:
        alternating.rotate(place.tools, place.path, place.users)
    assert "undelete" in refused.value.remedy
    assert place.works(in_use)
    kv.undelete_secret_versions(place.path.path, [1], mount_point=place.path.mount)
    assert alternating.rotate(place.tools, place.path, place.users).username == place.users[1]
    assert place.works(in_use)


def test_a_write_by_somebody_else_is_not_written_over(place: Place) -> None:
    alternating.rotate(place.tools, place.path, place.users)

    @dataclass(frozen=True, slots=True)
    class Meddling(NullUi):
        def step(self, text: str) -> None:
            if "logs in over TLS" in text:
                place.path.write({"username": place.users[0], "password": "theirs"}, after=1)

    with pytest.raises(Overtaken):
        alternating.rotate(replace(place.tools, ui=Meddling()), place.path, place.users)
    assert place.current().password == "theirs"


def test_a_stranger_in_the_path_is_refused(place: Place) -> None:
    place.path.write({"username": "somebody", "password": "x"}, after=0)
    with pytest.raises(ConfigurationError, match="holds the user somebody"):
        alternating.rotate(place.tools, place.path, place.users)


def test_two_passwords_are_valid_until_the_old_one_is_discarded(place: Place) -> None:
    alternating.rotate(place.tools, place.path, place.users)
    old = place.current()
    rotated = dual.rotate(place.tools, place.path)
    new = place.current()
    assert rotated.username == old.username
    assert old.password != new.password
    assert place.works(old)
    assert place.works(new)
    with pytest.raises(TooSoon):
        dual.discard(replace(place.tools, overlap=600), place.path)
    assert place.works(old)
    dual.discard(place.tools, place.path)
    assert not place.works(old)
    assert place.works(new)
    dual.discard(place.tools, place.path)  # again: nothing more to end
    assert place.works(new)


@pytest.mark.parametrize("step", [1, 2])
def test_dying_with_two_passwords_leaves_the_published_one_valid(place: Place, step: int) -> None:
    """After the database took the second password, and in mid-proof; then once more, to the end."""
    alternating.rotate(place.tools, place.path, place.users)
    published = place.current()

    for _ in range(2):
        with pytest.raises(Died):
            dual.rotate(replace(place.tools, ui=DyingAtCount(left=[step])), place.path)
        assert place.works(published)
    dual.rotate(place.tools, place.path)
    assert place.works(published)
    assert place.works(place.current())


def test_static_roles_are_rotated_apart(place: Place, openbao: Unsealed, mariadb: MariaDB) -> None:
    """Vault rotates the role that was at rest for longer; a second one within the overlap is refused."""
    root, mount = openbao.root_client(), f"{place.schema}-db"
    root.sys.enable_secrets_engine("database", path=mount)
    master = place.tools.database.master
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
    for role, user in zip(("blue", "green"), place.users, strict=True):
        root.write_data(
            f"{mount}/static-roles/{role}",
            data={"db_name": "db", "username": user, "rotation_period": "24h"},
        )
    engine = static_role.DatabaseEngine(root, mount)
    heard = InterruptedAt(words="within 600 s")
    careful = replace(place.tools, overlap=600, ui=heard)
    finished = [static_role.rotate(careful, engine, ("blue", "green")) for _ in range(2)]
    assert all(
        rotated.resumed for rotated in finished
    )  # both were made just now, and were not replicated yet
    assert heard.done  # that they were made together is told
    held = engine.credential("green")
    rotated = static_role.rotate(place.tools, engine, ("blue", "green"))
    assert (rotated.username, rotated.resumed) == (place.users[0], False)
    assert engine.credential("green") == held
    assert place.works(engine.credential("blue"))
    with pytest.raises(TooSoon, match="may not know"):
        static_role.rotate(careful, engine, ("blue", "green"))
    # What counts is when the app could learn of it, not when Vault did it.
    brief = replace(place.tools, overlap=3)
    engine.rotate("blue")
    time.sleep(brief.overlap)
    assert static_role.rotate(brief, engine, ("blue", "green")).resumed
    with pytest.raises(TooSoon, match="may not know"):
        static_role.rotate(brief, engine, ("blue", "green"))
    patient = static_role.rotate(replace(brief, wait=True), engine, ("blue", "green"))
    assert (patient.username, patient.resumed) == (place.users[1], False)


def test_the_database_is_known_by_its_certificate_and_its_name(place: Place) -> None:
    endpoint = place.tools.database.endpoint
    elsewhere = replace(endpoint, host="db.example.com", via=(endpoint.host, endpoint.port))
    with pytest.raises(Unreachable, match="certificate"), connected(elsewhere, place.tools.database.master):
        pass
    tunnel = replace(endpoint, via=("127.0.0.1", endpoint.port))
    with connected(tunnel, place.tools.database.master) as session:
        assert session.version().mariadb == (engine().name == "MariaDB")
    closed = replace(endpoint, port=9)
    with pytest.raises(Unreachable, match="didn't answer"), connected(closed, place.tools.database.master):
        pass


def test_a_refused_statement_is_told_without_its_words(place: Place) -> None:
    """MariaDB quotes the statement in a syntax error; the password in it must not come along."""
    with connected(place.tools.database.endpoint, place.tools.database.master) as session:
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
