"""Invoking functions: warm sandboxes, concurrency, retries and dead letters."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from botocore.exceptions import ClientError

from ..authorization import AssumedRoleSession, NotTrustedError, assume_role
from ..services.delivery import send
from .logs import deliver
from .runtime_api import Event
from .sandbox import Configuration, InvocationReport, Sandbox

UNRESERVED_CONCURRENCY = 10
"""A new account's quota, applied to each function without reserved concurrency."""

RETRY_SECONDS = (1, 2)
"""The delays before asynchronous retries (one and two minutes in Lambda)."""


class ThrottledError(Exception):
    """The function's concurrency is used up."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function's configuration at the time of an invocation."""

    configuration: Configuration
    code: bytes = field(repr=False)
    reserved: int | None
    """Reserved concurrent executions."""
    retries: int = 2
    maximum_age: int = 21600
    """Seconds that an asynchronous event can wait."""
    dead_letters: str | None = None
    """ARN of a queue or topic for failed events."""


LookUp = Callable[[], Function | None]
"""Returns a function with its current configuration, or None if it was deleted."""


@dataclass(slots=True)
class _Pool:
    idle: list[Sandbox] = field(default_factory=list)
    running: int = 0


class Invoker:
    """Runs functions for one server; `close` ends every process it started."""

    def __init__(self, home: Path, endpoint: str) -> None:
        self._home = home / "functions"
        self._home.mkdir(parents=True, exist_ok=True)
        self._endpoint = endpoint
        self._pools: defaultdict[str, _Pool] = defaultdict(_Pool)
        self._alive: set[Sandbox] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def invoke(self, function: Function, event: Event) -> InvocationReport:
        """Run *event* now.

        Raises:
            ThrottledError: the function's concurrency is used up
            NotTrustedError: Lambda cannot assume the function's role
        """
        with self._slot(function) as pool:
            sandbox = self._warm(pool, function.configuration) or self._start(function)
            try:
                report = sandbox.invoke(event)
                deliver(sandbox, report.log, self._home, self._endpoint)
            finally:
                self._give_back(pool, sandbox)
        return report

    def invoke_later(self, look_up: LookUp, event: Event) -> None:
        """Run *event* in the background, with the function's retries."""
        threading.Thread(target=self._run_with_retries, args=(look_up, event), daemon=True).start()

    def forget(self, arn: str) -> None:
        """End the idle processes of a deleted function."""
        with self._lock:
            pool = self._pools.pop(arn, _Pool())
            idle, pool.idle = pool.idle, []
        self._end(idle)

    def close(self) -> None:
        with self._lock:
            self._closed.set()
            alive = list(self._alive)
        self._end(alive)

    @contextlib.contextmanager
    def _slot(self, function: Function) -> Iterator[_Pool]:
        limit = UNRESERVED_CONCURRENCY if function.reserved is None else function.reserved
        with self._lock:
            pool = self._pools[function.configuration.arn]
            if pool.running >= limit or self._closed.is_set():
                raise ThrottledError(function.configuration.name)
            pool.running += 1
        try:
            yield pool
        finally:
            with self._lock:
                pool.running -= 1

    def _warm(self, pool: _Pool, configuration: Configuration) -> Sandbox | None:
        with self._lock:
            idle, pool.idle = pool.idle, []
            usable = [one for one in idle if one.configuration == configuration and one.alive]
            pool.idle = usable[1:]
        self._end([one for one in idle if one not in usable])
        return usable[0] if usable else None

    def _start(self, function: Function) -> Sandbox:
        session = self._session(function, {"lambda:SourceFunctionArn": function.configuration.arn})
        sandbox = Sandbox(function.configuration, function.code, session, self._home, self._endpoint)
        with self._lock:
            self._alive.add(sandbox)
        return sandbox

    def _give_back(self, pool: _Pool, sandbox: Sandbox) -> None:
        arn = sandbox.configuration.arn
        with self._lock:
            keep = sandbox.alive and not self._closed.is_set() and self._pools.get(arn) is pool
            if keep:
                pool.idle.append(sandbox)
        if not keep:
            self._end([sandbox])

    def _end(self, sandboxes: list[Sandbox]) -> None:
        for sandbox in sandboxes:
            sandbox.close()
        with self._lock:
            self._alive.difference_update(sandboxes)

    def _session(self, function: Function, context: Mapping[str, str] | None = None) -> AssumedRoleSession:
        made = function.configuration
        return assume_role(made.role, "lambda.amazonaws.com", made.name, made.region, made.arn, context)

    # --- asynchronous ---------------------------------------------------------------------------------------

    def _run_with_retries(self, look_up: LookUp, event: Event) -> None:
        received, attempts = time.monotonic(), 0
        while not self._closed.is_set():
            function = look_up()
            if function is None:
                return
            try:
                report = self.invoke(function, event)
            except ThrottledError:
                if time.monotonic() - received > function.maximum_age:
                    self._send_to_dead_letters(function, event, "EventAgeExceeded")
                    return
                self._closed.wait(0.2)
                continue
            except NotTrustedError as error:
                self._log_line(function, f"(not invoked: {error})")
                return
            attempts += 1
            if not report.outcome.failed:
                return
            if attempts > function.retries:
                self._send_to_dead_letters(
                    function, event, json.loads(report.outcome.payload).get("errorMessage", "")
                )
                return
            self._closed.wait(RETRY_SECONDS[attempts - 1])

    def _send_to_dead_letters(self, function: Function, event: Event, error: str) -> None:
        """Send a failed event to the dead letters, with the function's role, which needs permission."""
        target = function.dead_letters
        if not target:
            return
        attributes = {"RequestID": event.request_id, "ErrorCode": "200", "ErrorMessage": error[:1024]}
        try:
            clients = partial(
                self._session(function).client, region=function.configuration.region, endpoint=self._endpoint
            )
            send(clients, target, event.payload.decode(), attributes=attributes)
        except (ClientError, NotTrustedError, LookupError) as error_of_sending:
            self._log_line(function, f"(not delivered to {target}: {error_of_sending})")

    def _log_line(self, function: Function, line: str) -> None:
        with (self._home / f"{function.configuration.name}.log").open("a") as file:
            file.write(line + "\n")
