"""One warm process of a function: its zip, AWS's runtime client and its role's credentials, nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import math
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..authorization import AssumedRoleSession
from .runtime_api import Event, InvocationOutcome, RuntimeApi

RUNTIME_PACKAGES = (
    *("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3"),
    *("awslambdaric", "runtime_client", "snapshot_restore_py", "simplejson"),
)
"""The packages of AWS's Python runtime. As there, any other must be in the zip, or its import fails."""

INIT_SECONDS = 10
CREDENTIAL_MARGIN = timedelta(minutes=5)
WATCH_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration of a function; a change needs a new process."""

    name: str
    arn: str
    version: str
    region: str
    handler: str
    runtime: str
    role: str
    code_sha256: str
    timeout: int
    """Seconds."""
    memory: int
    """Megabytes."""
    log_group: str
    log_format: str
    environment: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class InvocationReport:
    """One finished invocation."""

    outcome: InvocationOutcome
    log: str
    """START, the function's output, END, REPORT."""


# The kernel ends a sandbox with the *thread* that started it, so one long-lived thread starts them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-starter")


class Sandbox:
    """Runs one invocation at a time, until `alive` is false."""

    def __init__(
        self,
        configuration: Configuration,
        code: bytes,
        session: AssumedRoleSession,
        home: Path,
        endpoint: str,
    ) -> None:
        self.configuration = configuration
        self.session = session
        today = datetime.now(UTC)
        self.log_stream = f"{today:%Y/%m/%d}/[{configuration.version}]{uuid.uuid4().hex}"
        self._directory = home / "sandboxes" / uuid.uuid4().hex
        self._directory.mkdir(parents=True)
        self._api = RuntimeApi()
        self._output = self._directory / "output"
        task_root = _unpacked(home / "code", configuration.code_sha256, code)
        runtime = _runtime_directory(home / "runtime")
        environment = {
            **dict(configuration.environment),
            **_lambda_environment(configuration),
            **session.environment(),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "LAMBDA_TASK_ROOT": str(task_root),
            "LAMBDA_RUNTIME_DIR": str(runtime),
            "PYTHONPATH": f"{task_root}:{runtime}",
            "HOME": str(self._directory),
            "TMPDIR": str(self._directory),
        }
        # -S: neither this environment's packages nor the machine's are visible.
        python = (sys.executable, "-S", "-s", "-m", "awslambdaric", configuration.handler)
        with self._output.open("wb") as output:
            self._process = _starter.submit(
                subprocess.Popen,
                ("setpriv", "--pdeathsig", "KILL", "--", *python),
                cwd=task_root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ).result()
        self._read = 0
        self._peak_kilobytes = 0
        self._started = time.monotonic()
        self._init_milliseconds: float | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs, with credentials that outlive another invocation."""
        left = self.session.expires - datetime.now(UTC)
        return self._process.poll() is None and left > CREDENTIAL_MARGIN + timedelta(
            seconds=self.configuration.timeout
        )

    def invoke(self, event: Event) -> InvocationReport:
        """Run *event*; a time-out, a crash or too much memory ends the process, reported as in Lambda."""
        limit = self.configuration.timeout
        began, init, outcome = time.monotonic(), "", None
        if self._init_milliseconds is None:
            outcome = self._watch(event, self._started + max(INIT_SECONDS, limit))
            began = time.monotonic()
            self._init_milliseconds = (began - self._started) * 1000
            init = f"\tInit Duration: {self._init_milliseconds:.2f} ms"
        if outcome is None:
            self._api.hand_over(event, time.time() + limit)
            outcome = self._watch(event, began + limit)
        assert outcome is not None  # noqa: S101 - the runtime reports only once that it is ready
        milliseconds = (time.monotonic() - began) * 1000
        log = (
            f"START RequestId: {event.request_id} Version: {self.configuration.version}\n{self._printed()}"
            f"END RequestId: {event.request_id}\n"
            f"REPORT RequestId: {event.request_id}\tDuration: {milliseconds:.2f} ms\t"
            f"Billed Duration: {math.ceil(milliseconds)} ms\tMemory Size: {self.configuration.memory} MB\t"
            f"Max Memory Used: {self._memory() // 1024} MB{init}\n"
        )
        return InvocationReport(outcome, log)

    def close(self) -> None:
        """End the process and its children, and remove its directory."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._api.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _watch(self, event: Event, deadline: float) -> InvocationOutcome | None:
        """Return the runtime's next response (None: it is ready), or the error that prevents it."""
        while True:
            with contextlib.suppress(queue.Empty):
                return self._api.outcomes.get(timeout=WATCH_SECONDS)
            if self._process.poll() is not None and self._api.outcomes.empty():
                return _error_outcome(
                    event, "Runtime.ExitError", f"Error: {_exit_reason(self._process.returncode)}"
                )
            if self._memory() > self.configuration.memory * 1024:
                kind, message = "Runtime.OutOfMemory", "Error: Runtime exited with error: signal: killed"
            elif time.monotonic() > deadline:
                kind = "Sandbox.Timedout"
                message = f"Error: Task timed out after {self.configuration.timeout:.2f} seconds"
            else:
                continue
            self._process.kill()
            self._process.wait()
            return _error_outcome(event, kind, message)

    def _memory(self) -> int:
        """Return the process's peak resident memory, in kilobytes."""
        with contextlib.suppress(OSError):  # the process has ended
            status = Path(f"/proc/{self._process.pid}/status").read_text()
            found = re.search(r"VmHWM:\s+(\d+) kB", status)
            self._peak_kilobytes = max(self._peak_kilobytes, int(found[1]) if found else 0)
        return self._peak_kilobytes

    def _printed(self) -> str:
        """Return the output since the last call."""
        with self._output.open("rb") as output:
            output.seek(self._read)
            new = output.read()
        self._read += len(new)
        text = new.decode(errors="replace")
        return text if not text or text.endswith("\n") else text + "\n"


def _error_outcome(event: Event, kind: str, message: str) -> InvocationOutcome:
    error = {"errorType": kind, "errorMessage": f"RequestId: {event.request_id} {message}"}
    return InvocationOutcome(json.dumps(error).encode(), failed=True)


def _exit_reason(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    reason = f"exit status {code}" if code > 0 else f"signal: {(signal.strsignal(-code) or '').lower()}"
    return f"Runtime exited with error: {reason}"


def _lambda_environment(configuration: Configuration) -> dict[str, str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "_HANDLER": configuration.handler,
        "AWS_REGION": configuration.region,
        "AWS_DEFAULT_REGION": configuration.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{configuration.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": configuration.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": configuration.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": configuration.log_group,
        "AWS_LAMBDA_LOG_FORMAT": configuration.log_format,
    }


def _unpacked(below: Path, digest: str, code: bytes) -> Path:
    """Return the directory with the zip's content; each zip is unpacked once."""
    target = below / hashlib.sha256(digest.encode()).hexdigest()[:32]
    if not target.exists():
        scratch = below / uuid.uuid4().hex
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            archive.extractall(scratch)
        try:
            scratch.rename(target)
        except OSError:  # another thread was faster
            shutil.rmtree(scratch)
    return target


def _runtime_directory(target: Path) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    for package in RUNTIME_PACKAGES:
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise ModuleNotFoundError(f"{package}, a part of AWS's Python runtime, is not installed")
        origin = Path(found.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        with contextlib.suppress(FileExistsError):
            (target / source.name).symlink_to(source)
    return target
