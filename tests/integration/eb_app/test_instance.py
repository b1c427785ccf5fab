"""Story of eb_app/application.py, eb_app/factory.py, eb_app/migrate.py, eb_app/migrations/,
eb_app/migrations/versions/ and .platform/.

The bundle on an instance: hooks, gunicorn, and a real nginx with the platform's configuration.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from eb_app.entries import MAX_TEXT_LENGTH, PAGE_SIZE
from testbed.servers.process import require_tool
from tests.polling import until
from tests.project import ROOT
from tests.tls import assert_only_modern_tls

from .conftest import Boot, World
from .instance import CERTIFICATE_HOOK, app_environment, check_configuration, configure, run_hook


def test_the_instance_serves_tls(boot: Boot) -> None:
    """The app receives the TLS version of the request, and browsers receive HSTS."""
    running = boot()
    answer = running.session().get(f"{running.https}/api/status", timeout=30)
    assert answer.status_code == 200
    assert answer.json()["proxy"]["tls_version"] == "TLSv1.3"
    assert answer.json()["proxy"]["tls_cipher"].startswith("TLS_")
    # A visitor can't forge it.
    forged = running.session().get(
        f"{running.https}/api/status",
        timeout=30,
        headers={"X-Tls-Version": "SSLv2", "X_Tls_Version": "SSLv2"},
    )
    assert forged.json()["proxy"]["tls_version"] == "TLSv1.3"
    for path, status in (("/", 200), ("/nowhere", 404)):
        headers = running.session().get(running.https + path, timeout=30).headers
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains", status
        assert headers["Server"] == "nginx"
        assert headers["Content-Security-Policy"]


def test_only_tls_1_2_and_1_3_with_forward_secrecy_are_accepted(boot: Boot) -> None:
    """Neither older versions nor CBC nor RSA key exchange."""
    assert_only_modern_tls(f"127.0.0.1:{boot().ports[443]}")


def test_the_check_detects_an_old_cipher(boot: Boot) -> None:
    """The negative control of the test above: the same nginx, configured for CBC."""
    running = boot()
    running.change_nginx(r"ssl_ciphers [^;]+;", "ssl_ciphers HIGH;")
    with pytest.raises(AssertionError, match="ECDHE-ECDSA-AES128-SHA:"):
        assert_only_modern_tls(f"127.0.0.1:{running.ports[443]}")


@pytest.mark.parametrize(
    "more",
    [
        "server_tokens off;",
        "gzip on; keepalive_timeout 65; client_max_body_size 1m; types_hash_max_size 2048;",
        "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on;",
    ],
)
def test_nginx_accepts_the_merged_tree_whatever_the_platform_sets(tmp_path: Path, more: str) -> None:
    """The platform's `nginx.conf` changes with its versions; a directive twice on one level is an error."""
    (tmp_path / "var/run").mkdir(parents=True)
    run_hook(CERTIFICATE_HOOK, tmp_path)
    main = configure(tmp_path, 8000, {})
    before = main.read_text()
    main.write_text(re.sub(r"(?m)^(\s*http\s*\{)", rf"\1\n    {more}", before))
    assert main.read_text() != before
    check_configuration(main, tmp_path)


def test_port_80_only_redirects(boot: Boot) -> None:
    """The app is served over TLS only."""
    running = boot()
    answer = requests.get(
        f"http://127.0.0.1:{running.ports[80]}/api/entries", allow_redirects=False, timeout=30
    )
    assert answer.status_code == 308
    assert answer.headers["Location"].startswith("https://")


def test_large_requests_are_refused_by_nginx(boot: Boot) -> None:
    """They never reach the app."""
    running = boot()
    answer = running.session().post(f"{running.https}/api/entries", data=b"x" * 20_000, timeout=30)
    assert answer.status_code == 413
    assert "Content-Security-Policy" not in answer.headers  # it is nginx's own answer


def test_no_access_log_contains_what_a_visitor_sent(boot: Boot) -> None:
    """Neither path nor query nor headers, on both ports; Beanstalk's health log requires the path."""
    running = boot()
    headers = {"Referer": "https://canary.example", "User-Agent": "canary", "X-Forwarded-For": "canary"}
    for origin in (running.https, f"http://127.0.0.1:{running.ports[80]}"):
        answer = running.session().get(
            f"{origin}/canary?canary=1", headers=headers, allow_redirects=False, timeout=30
        )
        assert answer.status_code in (404, 308)
    running.stop_nginx()
    logs = running.root / "var/log/nginx"
    lines = (logs / "access.log").read_text()
    assert "canary" not in lines
    assert " GET 404 " in lines
    health = "".join(file.read_text() for file in (logs / "healthd").iterdir())
    assert '"/canary"404"' in health
    assert "canary=1" not in health


def test_a_slow_reader_blocks_no_thread_and_fills_no_disk(boot: Boot, world: World) -> None:
    """The largest response is buffered in nginx's memory; gunicorn is done before a byte is read."""
    running = boot()
    running.change_nginx(
        r"(listen [^;]+);", r"\1 sndbuf=4k;"
    )  # otherwise the kernel buffers it, and the test shows nothing
    rows = ", ".join(f"(UUID(), '{'😀' * MAX_TEXT_LENGTH}', NOW())" for _ in range(PAGE_SIZE))
    world.sql(f"INSERT INTO `{world.schema}`.entries (request_key, text, created_at) VALUES {rows}")
    context = ssl.create_default_context(cafile=str(running.certificate))
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(30)
    plain.connect(("127.0.0.1", running.ports[443]))
    with context.wrap_socket(plain, server_hostname="localhost") as visitor:
        visitor.sendall(b"GET /api/entries HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        until(lambda: running.in_flight() == 0 and '"route": "/api/entries"' in running.web.log.read_text())
        logs = running.root / "var/log/nginx"
        assert "buffered to a temporary file" not in (logs / "error.log").read_text()
        sent = [int(line.split()[4]) for line in (logs / "access.log").read_text().splitlines()]
        assert max(sent, default=0) < 10_000  # the visitor has read nothing
        answer = b"".join(iter(lambda: visitor.recv(65536), b""))
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert [entry["text"] for entry in body["entries"]] == ["😀" * MAX_TEXT_LENGTH] * PAGE_SIZE


def test_malformed_http_is_refused_by_nginx(boot: Boot) -> None:
    """Smuggling, two hosts, no host, long lines, garbage: refused with HSTS; the next request works."""
    running = boot()
    host = b"Host: localhost\r\n"
    chunked = host + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    sent = {
        b"POST /api/entries HTTP/1.1\r\n" + chunked + b"Content-Length: 5\r\n\r\n0\r\n\r\n": 400,
        b"POST /api/entries HTTP/1.1\r\n" + chunked + b"\r\n5000\r\n" + b"x" * 0x5000 + b"\r\n0\r\n\r\n": 413,
        b"POST /api/entries HTTP/1.1\r\n" + chunked + b"\r\nnonsense\r\n": 400,
        b"GET / HTTP/1.1\r\n" + host + b"Host: evil.example\r\n\r\n": 400,
        b"GET / HTTP/1.1\r\n\r\n": 400,
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + host + b"\r\n": 414,
        b"GET / HTTP/1.1\r\n" + host + b"Cookie: " + b"a" * 40_000 + b"\r\n\r\n": 400,
        b"\x16\x03\x01\x00\r\n\r\n": 400,
    }
    context = ssl.create_default_context(cafile=str(running.certificate))
    for request, status in sent.items():
        with (
            socket.create_connection(("127.0.0.1", running.ports[443]), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as visitor,
        ):
            with contextlib.suppress(ssl.SSLEOFError, ConnectionError):  # nginx has refused it by now
                visitor.sendall(request)
            answer = visitor.recv(4096)
        assert answer.startswith(b"HTTP/1.1 %d " % status), (request[:80], answer[:80])
        assert b"Strict-Transport-Security: max-age=31536000" in answer
    assert running.get("/api/entries") == 200


def test_the_health_log_is_written(boot: Boot) -> None:
    """Enhanced health reads it; the server on 443 writes it as the platform's own server does."""
    running = boot()
    running.get("/api/entries")
    logs = running.root / "var/log/nginx/healthd"
    until(lambda: any("/api/entries" in path.read_text() for path in logs.glob("application.log.*")))


def test_every_instance_has_a_key_of_its_own(tmp_path: Path) -> None:
    """Created once, readable by its owner only, kept by the next deployment, replaced before it expires."""
    pairs = []
    for name in ("one", "two"):
        root = tmp_path / name
        root.mkdir()
        run_hook(CERTIFICATE_HOOK, root)
        key, certificate = (
            root / f"etc/pki/tls/{file}" for file in ("private/beanvault.key", "certs/beanvault.crt")
        )
        assert stat.S_IMODE(key.stat().st_mode) == 0o400
        assert "-----BEGIN PRIVATE KEY-----" in key.read_text()
        first = key.read_text()
        run_hook(CERTIFICATE_HOOK, root)
        assert key.read_text() == first
        certificate.unlink()
        run_hook(CERTIFICATE_HOOK, root)
        assert key.read_text() != first
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        pairs.append(key.read_text())
    assert pairs[0] != pairs[1]


def test_a_stop_lets_waiting_requests_finish(boot: Boot, world: World) -> None:
    """SIGTERM arrives while requests wait for a newer credential: they get it and are answered."""
    running = boot(WEB_CONCURRENCY="1")
    assert running.get("/api/entries") == 200
    world.change_password(world.blue, "two")
    world.kill_connections()
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(running.get("/api/entries"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    until(lambda: running.in_flight() == 4 and "login refused" in running.web.log.read_text())
    running.web.popen.send_signal(signal.SIGTERM)
    until(lambda: "Handling signal: term" in running.web.log.read_text())
    assert statuses == []
    world.publish(world.blue, "two")
    for thread in threads:
        thread.join(30)
    assert statuses == [200] * 4
    assert running.web.popen.wait(30) == 0


def test_the_migration_runs_as_the_leader_runs_it(world: World) -> None:
    """Twice; with a mistake in the environment it fails and names it, without a password."""
    command = re.search(
        r"command: /var/app/venv/\*/bin/python (.*)",
        (ROOT / ".ebextensions/30-migrate.config").read_text(),
    )
    assert command
    world.sql(f"DROP TABLE `{world.schema}`.entries", f"DROP TABLE `{world.schema}`.alembic_version")
    run = [sys.executable, *command[1].split()]

    def migrate(**more: str) -> subprocess.CompletedProcess[str]:
        environment = app_environment(world, **more)
        return subprocess.run(run, env=environment, capture_output=True, text=True, timeout=60, check=False)

    for _ in range(2):
        done = migrate()
        assert done.returncode == 0, done.stderr
        assert world.sql(f"SELECT COUNT(*) FROM `{world.schema}`.entries") == [(0,)]
    # Interrupted after the table was created and before that was recorded.
    world.sql(f"DELETE FROM `{world.schema}`.alembic_version")
    assert migrate().returncode == 0
    failed = migrate(BEANVAULT_DATABASE_NAME="not_ours", BEANVAULT_DATABASE_WAIT="0")
    assert failed.returncode == 1
    assert "migration failed" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_hooks_pass_shellcheck_and_can_be_repeated(tmp_path: Path) -> None:
    """They are executable, and the log's folder can exist already."""
    hooks = sorted(ROOT.glob(".platform/*hooks/*/*.sh"))
    assert len(hooks) == 5
    assert all(os.access(hook, os.X_OK) for hook in hooks)
    checked = subprocess.run(
        [require_tool("shellcheck"), *hooks], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stdout
    for _ in range(2):
        run_hook(".platform/hooks/prebuild/20_log_folder.sh", tmp_path)
    assert (tmp_path / "var/log/beanvault").is_dir()
