"""Story of replicator/sources/kv1.py and replicator/sources/database.py.

KV version 1 and static roles of the database engine (`sources/kv1.py`, `sources/database.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from replicator.contract.mounts import Mount
from replicator.contract.summary import Count


class TestKv1:
    @pytest.fixture
    def mount(self, bench: Any) -> str:
        mount = f"{bench.mount}-v1"
        bench.vault.sys.enable_secrets_engine("kv", path=mount, options={"version": "1"})
        bench.set(mounts=(Mount("kv", mount),))
        return mount

    def write(self, bench: Any, path: str, **data: object) -> None:
        bench.vault.secrets.kv.v1.create_or_update_secret(
            path, secret=data, mount_point=f"{bench.mount}-v1", method="POST"
        )

    @pytest.mark.usefixtures("mount")
    def test_nested_paths_are_replicated_and_a_second_run_does_nothing(self, bench: Any) -> None:
        self.write(bench, "a/b/c", password="canary-1")
        self.write(bench, "top", password="canary-2", number=0.10)
        report = bench.run()
        assert report.healthy, report.problems()
        assert json.loads(bench.value("a/b/c")) == {"password": "canary-1"}
        assert bench.run().outcomes == []

    @pytest.mark.usefixtures("mount")
    def test_a_changed_value_is_replicated_and_the_old_one_written_again_too(self, bench: Any) -> None:
        for password in ("canary-a", "canary-b", "canary-a", "canary-c", "canary-a"):
            self.write(bench, "db", password=password)
            assert bench.run().healthy
            assert json.loads(bench.value("db")) == {"password": password}
        assert bench.run().outcomes == []

    def test_the_hash_is_of_no_use_without_the_key_in_the_connection_secret(
        self, bench: Any, mount: str
    ) -> None:
        self.write(bench, "db", password="canary")
        bench.run()
        kept = json.loads(bench.aws.get_secret_value(SecretId=bench.config.connection_secret)["SecretString"])
        assert len(kept["hash_key"]) == 64
        assert kept["auth"]["method"] == "token"
        shown = bench.tags("db")["beanvault:version"]
        kept["hash_key"] = "0" * 64
        bench.aws.put_secret_value(SecretId=bench.config.connection_secret, SecretString=json.dumps(kept))
        assert bench.run().counts()[Count.UPDATED] == 1
        assert bench.tags("db")["beanvault:version"] != shown
        assert bench.tags("db")["beanvault:source"] == f"{mount}/db"

    @pytest.mark.usefixtures("mount")
    def test_a_removed_path_is_deleted(self, bench: Any) -> None:
        bench.set(deletion_days=7, max_delete_share=0.5)
        for path in ("one", "two"):
            self.write(bench, path, password="canary")
        bench.run()
        bench.vault.secrets.kv.v1.delete_secret("one", mount_point=f"{bench.mount}-v1")
        assert bench.run().counts()[Count.DELETED] == 1
        assert "DeletedDate" in bench.describe("one")


class TestDatabase:
    @pytest.fixture
    def role(self, bench: Any, mariadb: Any) -> Iterator[str]:
        """A static role on a real database; returns its name."""
        mount, user = f"{bench.mount}-db", f"u_{bench.mount}"
        with mariadb.admin() as admin, admin.cursor() as cursor:
            cursor.execute(f"CREATE USER '{bench.mount}'@'%' IDENTIFIED BY 'manager-canary' REQUIRE SSL")
            cursor.execute(f"GRANT CREATE USER, RELOAD ON *.* TO '{bench.mount}'@'%' WITH GRANT OPTION")
            cursor.execute(f"GRANT SELECT, UPDATE ON mysql.* TO '{bench.mount}'@'%'")
            cursor.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'first-canary' REQUIRE SSL")
        bench.vault.sys.enable_secrets_engine("database", path=mount)
        bench.vault.write_data(
            f"{mount}/config/app",
            data={
                "plugin_name": "mysql-database-plugin",
                "connection_url": f"{{{{username}}}}:{{{{password}}}}@tcp({mariadb.host}:{mariadb.port})/",
                "username": bench.mount,
                "password": "manager-canary",
                "tls_ca": mariadb.ca_file.read_text(),
                "allowed_roles": "*",
            },
        )
        bench.vault.write_data(
            f"{mount}/static-roles/app",
            data={"db_name": "app", "username": user, "rotation_period": "24h"},
        )
        adds = (("dbname", "app"), ("engine", "mysql"), ("host", mariadb.host), ("port", str(mariadb.port)))
        bench.set(mounts=(Mount("database", mount, adds),))
        yield "app"
        with mariadb.admin() as admin, admin.cursor() as cursor:
            cursor.execute(f"DROP USER '{user}'@'%', '{bench.mount}'@'%'")

    def test_a_rotation_is_replicated_in_the_shape_that_aws_clients_read(
        self, bench: Any, role: str, mariadb: Any
    ) -> None:
        def credential() -> dict[str, Any]:
            read: dict[str, Any] = json.loads(bench.value(role))
            return read

        report = bench.run()
        assert report.healthy, report.problems()
        first = credential()
        assert set(first) == {"username", "password", "engine", "host", "port", "dbname"}
        assert (first["host"], first["port"], first["username"]) == (
            mariadb.host,
            mariadb.port,
            f"u_{bench.mount}",
        )
        assert bench.run().outcomes == []
        bench.vault.write_data(f"{bench.mount}-db/rotate-role/{role}", data={})
        report = bench.run()
        assert report.counts()[Count.UPDATED] == 1
        assert 0 <= report.lag_seconds < 60
        assert credential()["password"] != first["password"]
        assert bench.run().outcomes == []

    def test_other_keys_that_are_added_make_a_new_version(self, bench: Any, role: str) -> None:
        bench.run()
        bench.set(mounts=(Mount("database", f"{bench.mount}-db"),))
        assert bench.run().counts()[Count.UPDATED] == 1
        assert set(json.loads(bench.value(role))) == {"username", "password"}

    def test_only_a_named_role_is_replicated(self, bench: Any, role: str) -> None:
        report = bench.run(f"{bench.mount}-db/{role}")
        assert report.healthy, report.problems()
        assert report.counts()[Count.CREATED] == 1
