"""nginx on an instance: the platform's own configuration, merged with the bundle's.

The platform's files are written after those of Amazon Linux 2023's Python platform: `nginx.conf` includes
`conf.d/*.conf` inside `http` and `conf.d/elasticbeanstalk/*.conf` inside the server on port 80
(https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/platforms-linux-extend.proxy.html).
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
from collections.abc import Callable
from pathlib import Path

APP_PORT = 8000
"""The platform's proxy forwards to 127.0.0.1:8000."""

_OWNED = re.compile(
    r"(?<![\w./~})-])"  # the beginning of a path
    r"/(?:etc/(?:pki|nginx|logrotate\.d|systemd)|usr/share/nginx|var/(?:app|lib/(?:nginx|logrotate)|log|pids|run)"
    r"|run|opt/elasticbeanstalk)"
    r"(?![\w.-])"
)

_PLATFORM = {
    "nginx.conf": r"""
user nginx;
error_log /var/log/nginx/error.log warn;
pid /var/run/nginx.pid;
worker_processes auto;

events {
    worker_connections 1024;
}

http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;

    log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                    '"$http_referer" "$http_user_agent" "$http_x_forwarded_for"';

    include conf.d/*.conf;

    map $http_upgrade $connection_upgrade {
        default "upgrade";
    }

    server {
        listen 80 default_server;
        access_log /var/log/nginx/access.log main;

        client_header_timeout 60;
        client_body_timeout 60;
        keepalive_timeout 60;
        gzip off;

        include conf.d/elasticbeanstalk/*.conf;
    }
}
""",
    "conf.d/healthd_logformat.conf": r"""
log_format healthd '$msec"$uri"$status"$request_time"$upstream_response_time"$http_x_forwarded_for';
""",
    "conf.d/elasticbeanstalk/healthd.conf": r"""
if ($time_iso8601 ~ "^(\d{4})-(\d{2})-(\d{2})T(\d{2})") {
    set $year $1;
    set $month $2;
    set $day $3;
    set $hour $4;
}
access_log /var/log/nginx/healthd/application.log.$year-$month-$day-$hour healthd;
""",
    "conf.d/elasticbeanstalk/00_application.conf": r"""
location / {
    proxy_pass http://127.0.0.1:8000;
    proxy_http_version 1.1;

    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
}
""",
}


def instance_paths(text: str, root: Path) -> str:
    """Return *text* with the platform's absolute paths moved below an instance's *root*.

    An instance here has no machine of its own. So hook scripts, `.ebextensions`, the Procfile, nginx files
    and environment properties are staged with these paths prefixed: /etc/logrotate.d, /etc/nginx, /etc/pki,
    /etc/systemd, /usr/share/nginx, /var/app, /var/lib/logrotate, /var/lib/nginx, /var/log, /var/pids,
    /var/run, /run, /opt/elasticbeanstalk. Only the staged copies are rewritten. A path inside another path is
    left alone, so rewriting twice is harmless.
    """
    return _OWNED.sub(lambda found: f"{root}{found[0]}", text)


def app_port(text: str, port: int) -> str:
    """Return *text* with the platform's port replaced in addresses (`:8000`) and options (`--port 8000`)."""
    return re.sub(rf"(?:(?<=:)|(?<=--port[ =])){APP_PORT}\b", str(port), text)


def nginx_file(text: str, root: Path, app: int, listening: Callable[[int], int]) -> str:
    """Return an nginx file for an unprivileged instance: its own paths, app port and ports to listen on.

    *listening* returns the loopback port that stands for a port of the instance. IPv6 listeners are dropped,
    and `user` becomes the current user.
    """

    def listen(found: re.Match[str]) -> str:
        return f"{found[1]}listen 127.0.0.1:{listening(int(found[2]))}{found[3]};"

    user = pwd.getpwuid(os.getuid()).pw_name
    group = grp.getgrgid(os.getgid()).gr_name
    text = re.sub(r"(?m)^\s*listen\s+\[.*?;[^\S\n]*$", "", text)
    text = re.sub(r"(?m)^(\s*)listen\s+(?:[\d.*]+:)?(\d+)((?:\s[^;]*)?);", listen, text.replace("\r\n", "\n"))
    text = re.sub(r"(?m)^\s*user\s+[^;]+;", f"user {user} {group};", text)
    scratch = "".join(
        f"\n    {kind}_temp_path {root}/var/lib/nginx/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = re.sub(r"(?m)^(\s*http\s*\{)", lambda found: found[1] + scratch, text)
    return app_port(instance_paths(text, root), app)


def write_configuration(staged: Path, root: Path, app: int, listening: Callable[[int], int]) -> Path:
    """Write the platform's nginx files, overridden by the bundle's (*staged*, `.platform/nginx`).

    Returns the main file, `etc/nginx/nginx.conf` below *root*.
    """
    target = root / "etc/nginx"
    for folder in ("conf.d/elasticbeanstalk", "../../usr/share/nginx/html", "../../var/lib/nginx"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    (root / "var/log/nginx/healthd").mkdir(parents=True, exist_ok=True)
    shutil.copy("/etc/nginx/mime.types", target / "mime.types")
    sources = dict(_PLATFORM)
    for path in sorted(staged.rglob("*")) if staged.is_dir() else []:
        if path.is_file():
            sources[str(path.relative_to(staged))] = path.read_text()
    for name, text in sources.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(nginx_file(text, root, app, listening))
    return target / "nginx.conf"


def command(configuration: Path, root: Path, *more: str) -> list[str]:
    """Return the command that runs nginx in the foreground with an instance's configuration."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    prefix = root / "usr/share/nginx"
    return [nginx, "-e", "stderr", "-p", f"{prefix}/", "-c", str(configuration), "-g", "daemon off;", *more]
