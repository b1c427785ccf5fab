"""Starts the local AWS as a process; imports nothing of it."""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.request
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import boto3
from botocore.config import Config

from .instance_tools import prepare
from .mariadb import MariaDB
from .process import Process

OPERATOR = {"AWS_ACCESS_KEY_ID": "AKIALOCALOPERATOR000", "AWS_SECRET_ACCESS_KEY": "operator"}
"""The operator's credentials: an administrator's."""
REGION: Final = "eu-central-1"
CACHE = Path(__file__).resolve().parents[2] / "build" / "cache"


@dataclass(frozen=True, slots=True)
class LocalAws:
    endpoint: str
    home: Path
    process: Process

    @classmethod
    def start(cls, directory: Path, database: MariaDB | None = None, *, instances: bool = False) -> LocalAws:
        """Start it with its files below *directory*; *database* answers for RDS instances.

        With *instances*, Auto Scaling groups boot theirs, which needs root; otherwise they are refused.
        Only the virtual environments of bundles are kept for the next run, in `build/cache`.
        """
        home = directory / "localaws"
        home.mkdir(parents=True, mode=0o700)
        command: list[str | Path] = [sys.executable, "-m", "testbed.localaws", "--port", "0", "--home", home]
        if database is not None:
            command += ["--database-socket", database.socket]
            command += ["--database-host", database.host, "--database-port", str(database.port)]
        if instances:
            command += ["--instance-tools", prepare(CACHE)]
        log = home / "server.log"
        environment = {**clean_environment(), "LOCALAWS_CACHE": str(CACHE)}
        process = Process.start("the local AWS", command, log, environment)
        process.wait_until(lambda: _endpoint(log) is not None)
        endpoint = _endpoint(log)
        assert endpoint is not None  # noqa: S101 - what was waited for
        return cls(endpoint, home, process)

    def environment(self) -> dict[str, str]:
        """Return the variables with which any AWS SDK or tool uses this server as the operator."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            **OPERATOR,
        }

    def session(self, region: str = REGION) -> boto3.session.Session:
        """Return the operator's session of *region*, which is shared because creating one is slow."""
        return _session(region)

    def client(self, service: str, region: str = REGION) -> Any:
        """Return the operator's client of *service*, which is shared."""
        with _making:
            return _client(self.endpoint, service, region)

    def tell(self, **facts: Any) -> None:
        """Tell it how the world outside is from now on: the fields of its `scenario.py`."""
        told = self.home / "scenario.json"
        unfinished = told.with_suffix(".tmp")
        unfinished.write_text(json.dumps(facts))
        unfinished.replace(told)

    def fail_once(
        self,
        stack: str,
        logical_id: str,
        action: Literal["create", "update", "delete", "rollback"],
        reason: str,
    ) -> None:
        """Have the next *action* on a resource of *stack* fail, as on AWS any can; the one after succeeds."""
        asked = {"stack": stack, "logical_id": logical_id, "action": action, "reason": reason}
        request = urllib.request.Request(  # noqa: S310 - the local AWS's own address
            f"{self.endpoint}/localaws/faults", json.dumps(asked).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - the local AWS's own address
            pass

    def stop(self) -> None:
        self.process.stop(30)


_making = threading.Lock()  # a session is not thread-safe while it creates a client


@cache
def _session(region: str) -> boto3.session.Session:
    return boto3.session.Session(
        aws_access_key_id=OPERATOR["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=OPERATOR["AWS_SECRET_ACCESS_KEY"],
        region_name=region,
    )


@cache
def _client(endpoint: str, service: str, region: str) -> Any:
    config = Config(connect_timeout=5, read_timeout=120, retries={"mode": "standard", "max_attempts": 3})
    return _session(region).client(service, endpoint_url=endpoint, config=config)  # type: ignore[call-overload]  # the stubs list each service by name


def _endpoint(log: Path) -> str | None:
    """Return the endpoint from the server's JSON line on standard output, which the log includes."""
    for line in log.read_text(errors="replace").splitlines() if log.exists() else []:
        if line.startswith('{"endpoint"'):
            address: str = json.loads(line)["endpoint"]
            return address
    return None


def clean_environment() -> dict[str, str]:
    """Return this process's variables without the user's own AWS settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
