"""One instance: a directory in place of a machine, on which a bundle is deployed as on Amazon Linux 2023.

The steps are those of the platform, in its order
(https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/platforms-linux-extend.html). Every deployment is
*immutable*: it launches a new instance beside the old one, so `.platform/confighooks` never have to run.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import proxy
from .bundle import PROPERTIES, BundleRejected, Extension, Options, extensions, procfile, unpack
from .environment_secrets import read_environment_secrets
from .health_check import HealthCheck
from .metadata import InstanceMetadata, MetadataService
from .processes import ManagedProcess, free_port, tail, wait_listening
from .python_environment import find_python, virtual_environment
from .systemd import install_systemctl

PROCESS = "aws:elasticbeanstalk:environment:process:default"
LAUNCH = "aws:autoscaling:launchconfiguration"
COMMAND_TIMEOUT_SECONDS = 300.0
_IDLE_STOP_SECONDS = 5.0  # the app's, once the proxy sends it no more requests
LOGS = (
    "var/log/eb-engine.log",
    "var/log/web.stdout.log",
    "var/log/nginx/access.log",
    "var/log/nginx/error.log",
)


@dataclass(frozen=True, slots=True)
class Launch:
    """The parameters of launching an instance."""

    root: Path
    metadata: InstanceMetadata
    bundle: bytes
    defaults: Options
    settings: Options
    """The environment's option settings: they override `.ebextensions`, which override *defaults*."""
    python: str
    """The platform branch's version of Python, such as 3.14."""
    fallback_python: str
    """The interpreter to use if this machine has no such version."""
    cache: Path
    """The directory of virtual environments."""
    endpoint: str
    ports: Mapping[int, int]
    """The instance's ports 80 and 443 → their loopback ports."""
    add_event: Callable[[str], None] = field(repr=False)
    """Adds an event to the environment's."""
    aborted: threading.Event = field(repr=False)


class Instance:
    def __init__(self, launch: Launch) -> None:
        self._launch, self.root = launch, launch.root
        self.id = launch.metadata.instance_id
        self.extension_options: Options = {}
        self.options: Options = {**launch.defaults, **launch.settings}
        self._ports = dict(launch.ports)
        self._named_ports: set[int] = set()  # those that nginx listens on
        self._app_port = free_port()
        self._processes: dict[str, ManagedProcess] = {}
        self._proxy: ManagedProcess | None = None
        self._metadata: MetadataService | None = None
        self._secrets: dict[str, str] = {}
        self._log = self.root / LOGS[0]
        self._commands_folder = install_systemctl(self.root)

    @property
    def secure(self) -> bool:
        """Whether the load balancer connects by HTTPS."""
        return self.options.get((PROCESS, "Protocol"), "HTTP").upper() == "HTTPS"

    @property
    def deregistration_delay(self) -> float:
        """Return for how many seconds the load balancer lets its requests in progress finish."""
        return float(self.options[PROCESS, "DeregistrationDelay"])

    @property
    def causes(self) -> list[str]:
        """The causes that enhanced health shows for an unhealthy instance."""
        causes = [
            f"Process {name} exited with status {process.exit_status}."
            for name, process in self._processes.items()
            if process.exit_status is not None
        ]
        if self._proxy is None or self._proxy.exit_status is not None:
            causes.append("The proxy server (nginx) is not running.")
        return causes

    def deploy(self) -> None:
        """Start the bundle and wait until the health check passes.

        Raises:
            BundleRejected: a step failed
        """
        staging, current = self.root / "var/app/staging", self.root / "var/app/current"
        for folder in ("var/log/nginx", "var/pids", "run", "var/run", "home/webapp", "tmp", "etc/pki/tls"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        unpack(self._launch.bundle, staging)
        self._rewrite(staging)
        found = extensions(staging)
        for extension in found:
            self.extension_options = {**self.extension_options, **extension.options}
        self.options = {**self._launch.defaults, **self.extension_options, **self._launch.settings}
        self._metadata = MetadataService(
            self._launch.metadata,
            token_required=self.options.get((LAUNCH, "DisableIMDSv1"), "true") == "true",
        )
        self._secrets = read_environment_secrets(self.options, self._launch.metadata, self._launch.endpoint)
        for extension in found:
            self._write_files(extension)
            self._commands(extension.commands, self.root, self._environment(properties=False))
        self._hooks("prebuild", staging)
        self._install(staging)
        for extension in found:
            self._commands(extension.container_commands, staging, self._environment())
        configuration = proxy.write_configuration(
            staging / ".platform/nginx", self.root, self._app_port, self._listening
        )
        self._hooks("predeploy", staging)
        staging.rename(current)
        self._start(current, configuration)
        self._hooks("postdeploy", current)
        self._wait_healthy()

    def stop(self, *, grace: float) -> None:
        """Let the proxy finish requests for *grace* seconds, cut off the others, and remove the directory.

        A target group ends the connections to a target that is still in use after its deregistration delay.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
        """
        if self._proxy:
            self._proxy.stop(signal.SIGQUIT, grace)
        for process in self._processes.values():
            process.stop(signal.SIGTERM, _IDLE_STOP_SECONDS)
        if self._metadata:
            self._metadata.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def logs(self, lines: int) -> str:
        """Return the last lines of the platform's logs and the bundle's, as `eb logs` prints them."""
        named = (self.root / "opt/elasticbeanstalk/tasks/taillogs.d").glob("*.conf")
        patterns = [line.strip() for conf in sorted(named) for line in conf.read_text().splitlines()]
        below = [pattern.removeprefix(f"{self.root}/") for pattern in patterns if pattern]
        own = [path for pattern in below if pattern[0] != "/" for path in sorted(self.root.glob(pattern))]
        rule = "-" * 40
        return "".join(
            f"{rule}\n/{path.relative_to(self.root)}\n{rule}\n{tail(path, lines)}\n\n"
            for path in (*(self.root / name for name in LOGS), *own)
        )

    # The steps of deploy

    def _listening(self, port: int) -> int:
        self._named_ports.add(port)
        if port not in self._ports:
            self._ports[port] = free_port()
        return self._ports[port]

    def _log_line(self, text: str) -> None:
        with self._log.open("a") as log:
            log.write(f"{time.strftime('%Y/%m/%d %H:%M:%S')} [INFO] {text}\n")

    def _rewrite(self, staging: Path) -> None:
        """Rewrite the platform's paths (proxy.instance_paths) in all files but nginx's, written later."""
        hooks = [path for path in (staging / ".platform").rglob("*") if "nginx" not in path.parts]
        for path in [*hooks, *(staging / ".ebextensions").glob("*.config"), staging / "Procfile"]:
            if path.is_file():
                with contextlib.suppress(UnicodeDecodeError):
                    path.write_text(proxy.instance_paths(path.read_text(), self.root))
        if (staging / "Procfile").is_file():
            text = (staging / "Procfile").read_text()
            (staging / "Procfile").write_text(proxy.app_port(text, self._app_port))

    def _environment(self, *, properties: bool = True) -> dict[str, str]:
        """Return the processes' environment; of the server's own it has only PATH and LANG.

        The app listens on a free port instead of 8000: the Procfile is changed, and PORT and
        GUNICORN_CMD_ARGS are set. The latter overrides a gunicorn configuration file.
        """
        assert self._metadata is not None  # noqa: S101 - deploy starts it first
        own = {name: value for (space, name), value in self.options.items() if space == PROPERTIES}
        given = (
            {name: proxy.instance_paths(value, self.root) for name, value in own.items()} | self._secrets
            if properties
            else {}
        )
        region = self._launch.metadata.region
        bind = f"--bind=127.0.0.1:{self._app_port}"
        return {
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": self._launch.endpoint,
            **given,
            "HOME": str(self.root / "home/webapp"),
            "TMPDIR": str(self.root / "tmp"),
            "PATH": os.pathsep.join(
                [
                    f"{self.root}/var/app/venv/staging-LQM1lest/bin",
                    str(self._commands_folder),
                    os.environ.get("PATH", os.defpath),
                ]
            ),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self._metadata.endpoint,
            "PORT": str(self._app_port),
            "GUNICORN_CMD_ARGS": f"{given.get('GUNICORN_CMD_ARGS', '')} {bind}".strip(),
        }

    def _run(self, name: str, argv: list[str], cwd: Path, env: Mapping[str, str]) -> int:
        if self._launch.aborted.is_set():
            raise BundleRejected("The deployment was aborted.")
        self._log_line(f"Running {name}")
        try:
            process = ManagedProcess(argv, cwd=cwd, env=env, log=self._log)
        except OSError as error:
            raise BundleRejected(f"{name} could not be started: {error}") from None
        try:
            return process.wait(COMMAND_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.stop(grace=5)
            raise BundleRejected(f"{name} did not end within {COMMAND_TIMEOUT_SECONDS:.0f} s.") from None

    def _failed(self, message: str, log: Path | None = None) -> BundleRejected:
        return BundleRejected(f"{message}\n{tail(log or self._log, 12)}")

    def _hooks(self, kind: str, cwd: Path) -> None:
        for hook in sorted((cwd / ".platform/hooks" / kind).glob("*")):
            if hook.is_file():
                hook.chmod(0o755)  # as the platform does since 2022
                what = f"hook .platform/hooks/{kind}/{hook.name}"
                if status := self._run(what, [str(hook)], cwd, self._environment()):
                    raise self._failed(f"The {what} ended with status {status}.")

    def _write_files(self, extension: Extension) -> None:
        for name, entry in extension.files.items():
            if "source" in entry:
                raise BundleRejected(
                    f".ebextensions/{extension.name}: {name} has a source; only content is supported here."
                )
            target = Path(name) if Path(name).is_relative_to(self.root) else self.root / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            content = str(entry.get("content", ""))
            encoded = entry.get("encoding") == "base64"
            target.write_bytes(b64decode(content) if encoded else content.encode())
            target.chmod(int(str(entry.get("mode", "000644"))[-3:], 8))

    def _commands(self, commands: Mapping[str, Mapping[str, Any]], cwd: Path, env: dict[str, str]) -> None:
        """Run `commands` or `container_commands` in the order of their names; this instance is the leader."""
        for name, entry in sorted(commands.items()):
            own = {**env, **{key: str(value) for key, value in (entry.get("env") or {}).items()}}
            where = cwd / str(entry.get("cwd", ""))
            if "test" in entry and self._run(
                f"test of {name}", ["/bin/sh", "-c", str(entry["test"])], where, own
            ):
                self._log_line(f"{name} is skipped: its test failed")
                continue
            line = entry["command"]
            argv = [str(word) for word in line] if isinstance(line, list) else ["/bin/sh", "-c", str(line)]
            if (status := self._run(f"command {name}", argv, where, own)) and not entry.get("ignoreErrors"):
                raise self._failed(f"The command {name} ended with status {status}.")

    def _install(self, staging: Path) -> None:
        python = find_python(self._launch.python)
        if python is None:
            python = self._launch.fallback_python
            self._launch.add_event(
                f"Python {self._launch.python} is not installed here; {python} runs the application."
            )
        self._log_line("Installing dependencies")
        made = virtual_environment(staging / "requirements.txt", python, self._launch.cache, self._log)
        link = self.root / "var/app/venv/staging-LQM1lest"
        link.parent.mkdir(parents=True)
        link.symlink_to(made)

    def _start(self, current: Path, configuration: Path) -> None:
        for name, line in procfile(current, self.options).items():
            simple = not re.search(r"[;&|]|^(cd|export) ", line)  # then `exec` replaces the shell
            argv = ["/bin/sh", "-c", f"exec env {line}" if simple else line]
            log = self.root / f"var/log/{name}.stdout.log"
            self._processes[name] = ManagedProcess(argv, cwd=current, env=self._environment(), log=log)
        test = proxy.command(configuration, self.root, "-t")
        if self._run("nginx -t", test, self.root, self._environment(properties=False)):
            raise self._failed("nginx -t refused the proxy server's configuration.")
        target = 443 if self.secure else 80
        if target not in self._named_ports:
            raise self._failed(
                f"The target group uses port {target}, but the proxy server does not listen on it."
            )
        log = self.root / "var/log/nginx/error.log"
        argv = proxy.command(configuration, self.root)
        self._proxy = ManagedProcess(argv, cwd=self.root, env=self._environment(properties=False), log=log)
        if not wait_listening(self._ports[target], self._proxy):
            raise self._failed("The proxy server (nginx) does not listen.", log)

    def _wait_healthy(self) -> None:
        check = HealthCheck(
            self._ports[443 if self.secure else 80],
            self.secure,
            self.options.get((PROCESS, "HealthCheckPath")) or "/",
            self.options.get((PROCESS, "MatcherHTTPCode")) or "200",
        )
        problem = check.wait(self._processes["web"], self._launch.aborted)
        if self._launch.aborted.is_set():
            raise BundleRejected("The deployment was aborted.")
        if problem:
            raise self._failed(f"The health check failed: {problem}.", self.root / LOGS[1])
