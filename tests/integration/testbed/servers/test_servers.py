"""Story of testbed/servers/.

The servers that the other integration tests use.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pymysql
import pytest

from beanvault.vault.mounts import enable_kv2
from testbed.servers.authority import Authority
from testbed.servers.mariadb import MariaDB
from testbed.servers.openbao import OpenBao
from testbed.servers.process import ServerError
from tests.conftest import SharedOpenBao, Unsealed, shared, unsealed


def test_openbao_is_active_and_keeps_versions(openbao: Unsealed) -> None:
    """It is unsealed, has a certificate of the run's authority, and keeps versions."""
    client = openbao.root_client()
    enable_kv2(client, "servers")
    for number in (1, 2):
        written = client.secrets.kv.v2.create_or_update_secret("one", {"k": "v"}, mount_point="servers")
        assert number == written["data"]["version"]


def test_a_shared_openbao_restarts_after_a_crash_with_its_data(tmp_path: Path, authority: Authority) -> None:
    """One that was stopped does not restart: the error has its log."""
    one = SharedOpenBao(OpenBao.start(tmp_path, authority))
    with shared(one):
        one.vault = unsealed(one.server)
        enable_kv2(one.vault.root_client(), "kept")
        one.server.process.popen.send_signal(signal.SIGQUIT)  # Go's runtime dumps its goroutines: status 2
        one.server.process.popen.wait(30)
        with pytest.warns(UserWarning, match="OpenBao crashed and was restarted"):
            one.require()
        assert "kept/" in one.vault.root_client().sys.list_mounted_secrets_engines()["data"]
        one.server.process.popen.terminate()
        one.server.process.popen.wait(30)
        with pytest.raises(ServerError, match=r"(?s)OpenBao exited unexpectedly with status 0.*log: "):
            one.require()
        one.server = one.server.restarted()


def test_mariadb_accepts_a_login_over_verified_tls_and_refuses_plain_text(mariadb: MariaDB) -> None:
    """A login that verifies authority and name succeeds; without TLS it fails."""
    with mariadb.admin() as admin, admin.cursor() as cursor:
        cursor.execute("CREATE USER tls_probe IDENTIFIED BY 'probe' REQUIRE SSL")
    login: dict[str, Any] = {
        "host": mariadb.host,
        "port": mariadb.port,
        "user": "tls_probe",
        "password": "probe",
    }
    verified = pymysql.connect(
        **login, ssl_ca=str(mariadb.ca_file), ssl_verify_cert=True, ssl_verify_identity=True
    )
    with verified, verified.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
        assert cursor.fetchone() in (("Ssl_version", "TLSv1.2"), ("Ssl_version", "TLSv1.3"))
    with pytest.raises(pymysql.err.OperationalError):
        pymysql.connect(**login, ssl_disabled=True)
