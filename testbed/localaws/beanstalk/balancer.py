"""The load balancers: one nginx, with a loopback port for each environment that stands for its CNAME.

An environment's target is switched by a flag file that nginx checks for every request, not by a reload: a
reload closes idle keep-alive connections, and a request just sent on one is lost. So nginx is reloaded only
when an environment is added or removed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .processes import ManagedProcess, tail, wait_listening


class BalancerError(Exception):
    """nginx refused the load balancers' configuration or did not start."""


@dataclass(frozen=True, slots=True)
class Tls:
    """The HTTPS listener's certificate (with its chain), key, and security policy."""

    certificate: bytes
    key: bytes = field(repr=False)
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Frontend:
    """The load balancer of one environment."""

    environment: str
    port: int
    slots: tuple[int, int]
    """The two loopback ports that its old and new instance alternate between."""
    secure_targets: bool
    tls: Tls | None = None
    hosts: tuple[str, ...] = ()
    """Host names of its listener rule; none if it is the listener's default action."""
    default_status: str = "404"
    """The response to a host without a rule."""
    redirect_http: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    """Response headers that the listener's attributes add."""
    adds_tls_headers: bool = False
    """Whether requests get X-Amzn-Tls-Version and X-Amzn-Tls-Cipher-Suite, with OpenSSL's names."""


def protocols(policy: str) -> str:
    """Return nginx's ssl_protocols for an Elastic Load Balancing security policy.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
    """
    versions = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
    named = re.match(r"ELBSecurityPolicy-(TLS13|TLS|FS)-1-(\d)", policy)
    if not named:
        return " ".join(versions[:3])
    return " ".join(versions[int(named[2]) : 4 if named[1] == "TLS13" else 3])


def ciphers(policy: str) -> str:
    """Return nginx's ssl_ciphers (up to TLS 1.2) for a policy; restricted policies have no CBC."""
    return "ECDHE+AESGCM" if "-Res-" in policy else "HIGH:!aNULL:!MD5"


class LoadBalancers:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._frontends: dict[str, Frontend] = {}
        self._nginx: ManagedProcess | None = None
        self._lock = threading.Lock()

    def put(self, *frontends: Frontend) -> None:
        """Add or replace the load balancers of environments, and return when they listen.

        Raises:
            BalancerError: nginx refused the configuration or does not listen
        """
        with self._lock:
            before = dict(self._frontends)
            self._frontends.update({frontend.environment: frontend for frontend in frontends})
            if before == self._frontends:
                return
            try:
                self._apply()
            except BalancerError:
                self._frontends = before
                raise
            for frontend in frontends:
                if not self._nginx or not wait_listening(frontend.port, self._nginx):
                    raise BalancerError(
                        f"The load balancer does not listen on port {frontend.port}: {tail(self._log, 5)}"
                    )

    def remove(self, environment: str) -> None:
        with self._lock:
            if self._frontends.pop(environment, None):
                self._apply()
                self._flag(environment).unlink(missing_ok=True)

    def slot(self, environment: str) -> int:
        """Return which of the two slots receives the requests: 0 or 1."""
        return int(self._flag(environment).exists())

    def switch(self, environment: str, slot: int) -> None:
        """Send the next requests to *slot*; requests in progress stay with the other."""
        self._flag(environment).touch() if slot else self._flag(environment).unlink(missing_ok=True)

    def _flag(self, environment: str) -> Path:
        return self._directory / f"{environment}.second"

    @property
    def _log(self) -> Path:
        return self._directory / "error.log"

    def _apply(self) -> None:
        (self._directory / "scratch").mkdir(parents=True, exist_ok=True)
        for frontend in self._frontends.values():
            if frontend.tls:
                self._write(f"{frontend.environment}.crt", frontend.tls.certificate)
                self._write(f"{frontend.environment}.key", frontend.tls.key)
        configuration = self._directory / "nginx.conf"
        tried = self._directory / "tried.conf"
        tried.write_text(self._render())
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        argv = [nginx, "-e", "stderr", "-p", f"{self._directory}/", "-g", "daemon off;", "-c"]
        test = subprocess.run(
            [*argv, str(tried), "-t"], capture_output=True, text=True, check=False, timeout=30
        )
        if test.returncode:
            raise BalancerError(test.stderr.strip())
        tried.rename(configuration)
        if self._nginx and self._nginx.exit_status is None:
            os.kill(self._nginx.pid, signal.SIGHUP)
        else:
            environment = {"PATH": os.environ.get("PATH", os.defpath)}
            self._nginx = ManagedProcess(
                [*argv, str(configuration)], cwd=self._directory, env=environment, log=self._log
            )

    def _write(self, name: str, content: bytes) -> None:
        path = self._directory / name
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(content)

    def _render(self) -> str:
        scratch = "\n".join(
            f"    {kind}_temp_path scratch/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.getuid() == 0 else ""
        servers = "\n".join(self._server(frontend) for frontend in self._frontends.values())
        return f"""
{user}
pid nginx.pid;
error_log error.log warn;
worker_processes auto;
events {{ worker_connections 8192; }}
http {{
{scratch}
    access_log off;
    server_names_hash_bucket_size 128;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
{servers}
}}
"""

    def _server(self, frontend: Frontend) -> str:
        name, (first, second) = frontend.environment, frontend.slots
        tls, listen = "", f"127.0.0.1:{frontend.port}{' ssl' if frontend.tls else ''}"
        if frontend.tls:
            tls = (
                f"ssl_certificate {name}.crt; ssl_certificate_key {name}.key; "
                f"ssl_protocols {protocols(frontend.tls.policy)}; "
                f"ssl_ciphers {ciphers(frontend.tls.policy)}; "
                f"ssl_session_cache shared:{name}:1m; "
            )
            if frontend.redirect_http:
                tls += "error_page 497 =301 https://$http_host$request_uri;"
        headers = "\n".join(
            f'        proxy_hide_header {key}; add_header {key} "{value}" always;'
            for key, value in frontend.headers.items()
        )
        tls_headers = (
            "proxy_set_header X-Amzn-Tls-Version $ssl_protocol;"
            " proxy_set_header X-Amzn-Tls-Cipher-Suite $ssl_cipher;"
            if frontend.adds_tls_headers
            else ""
        )
        default = (
            f"    server {{ listen {listen} default_server; {tls} return {frontend.default_status}; }}"
            if frontend.hosts
            else ""
        )
        names = " ".join(frontend.hosts) or "_"
        # As in AWS, requests are never repeated: one that a deployment loses is visible.
        return f"""
    upstream {name}-0 {{ server 127.0.0.1:{first} max_fails=0; keepalive 64; keepalive_timeout 20s; }}
    upstream {name}-1 {{ server 127.0.0.1:{second} max_fails=0; keepalive 64; keepalive_timeout 20s; }}
{default}
    server {{
        listen {listen}{"" if default else " default_server"};
        server_name {names};
        {tls}
        client_max_body_size 0;
        keepalive_timeout 60s;
        set $target {name}-0;
        if (-f {self._flag(name)}) {{ set $target {name}-1; }}
{headers}
        location / {{
            proxy_pass {"https" if frontend.secure_targets else "http"}://$target;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_next_upstream off;
            proxy_read_timeout 60s;
            proxy_pass_header Server;
            proxy_set_header Host $http_host;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Port $server_port;
            {tls_headers}
        }}
    }}
"""
