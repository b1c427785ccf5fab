"""The server process: moto's dispatcher with our packages installed into it, and a log of requests.

It prints its endpoint as one line of JSON when it accepts requests, and ends on SIGTERM, on SIGINT and with
its parent. `requests.jsonl` in the home directory has a line for each call: the operation, never its content.
"""

from __future__ import annotations

import importlib
import io
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from .settings import DatabaseAddress, LocalAwsSettings

PACKAGES = ("services", "cloudformation", "beanstalk", "functions", "instances", "authorization")
"""The packages installed into moto, in this order; those with a `close` are closed in reverse order."""

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class RequestLog:
    """WSGI middleware that records service, operation, status and duration of each call."""

    def __init__(self, application: Application, path: Path) -> None:
        self._application = application
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        started = time.monotonic()
        service, operation = _operation(environ)
        record: dict[str, Any] = {"time": datetime.now(UTC).isoformat()}
        record |= {"service": service, "operation": operation}

        def start(status: str, headers: Any, *more: Any) -> Any:
            record["status"] = int(status.split()[0])
            return start_response(status, headers, *more)

        try:
            return self._application(environ, start)
        finally:
            record["ms"] = round((time.monotonic() - started) * 1000)
            with self._lock:
                self._file.write(json.dumps(record) + "\n")


def _operation(environ: dict[str, Any]) -> tuple[str, str]:
    """Return service and operation of a request; for a REST call, its method and path as operation."""
    service = _service(environ)
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return service, target.rpartition(".")[2]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded") and service != "s3":
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if action := parse_qs(body.decode("utf-8", "replace")).get("Action"):
            return service, action[0]
    return service, f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"


def _service(environ: dict[str, Any]) -> str:
    """Return the service in a request's signature."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
    return scope[3] if len(scope) > 3 else ""


def run(home: Path, port: int, database: DatabaseAddress | None, instance_tools: Path | None = None) -> None:
    """Serve until SIGTERM, SIGINT or the end of the parent; *port* 0 takes a free one."""
    _end_with_parent()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, _end)
    home.mkdir(parents=True, exist_ok=True)
    os.environ["MOTO_ACM_VALIDATION_WAIT"] = (
        "0"  # issue certificates at once: nothing answers their challenge
    )
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    from . import cloudformation
    from .cloudformation import faults
    from .cloudformation.types import custom, waiting

    aws: Application = DomainDispatcherApplication(create_backend_app)
    stacks: Application = cloudformation.application()

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(custom.ROUTE):
            return custom.application(environ, start_response)
        if environ["PATH_INFO"] == faults.ROUTE:
            return faults.application(environ, start_response)
        if environ["PATH_INFO"].startswith(waiting.ROUTE):
            return waiting.application(environ, start_response)
        served = stacks if _service(environ) == "cloudformation" else aws
        return served(environ, start_response)

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    recorded = RequestLog(application, home / "requests.jsonl")
    server = make_server("127.0.0.1", port, recorded, threaded=True, request_handler=MotoRequestHandler)
    endpoint = f"http://127.0.0.1:{server.server_port}"
    with ExitStack() as closing:
        for part in _install(LocalAwsSettings(home, endpoint, database, instance_tools)):
            if hasattr(part, "close"):
                closing.callback(part.close)
        print(json.dumps({"endpoint": endpoint}), flush=True)
        server.serve_forever()


def _end(*_: Any) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)  # a second signal must not interrupt the clean-up
    sys.exit(0)


def _install(settings: LocalAwsSettings) -> list[Any]:
    parts = [importlib.import_module(f"{__package__}.{name}") for name in PACKAGES]
    for part in parts:
        part.install(settings)
    return parts


def _end_with_parent() -> None:
    """End this process when its parent has ended.

    The kernel's own signal for that (PR_SET_PDEATHSIG) also comes when only the parent's *thread* ends.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.25)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="parent watch").start()
