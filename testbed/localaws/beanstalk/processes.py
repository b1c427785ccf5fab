"""The processes and ports of environments.

Nothing started here outlives the server, not even after kill -9: a *watchdog*, a small process in its own
session, reads a pipe and ends every registered process group when the writing end is closed.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_WATCHDOG = """
import contextlib, os, signal, sys, time
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
def send(number):
    for group in list(groups):
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            groups.discard(group)
send(signal.SIGTERM)
until = time.monotonic() + 5
while groups and time.monotonic() < until:
    time.sleep(0.05)
    send(0)
send(signal.SIGKILL)
"""


class _Watchdog:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[bytes] | None = None
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self.closed = False

    def _send(self, command: str) -> None:
        if self._popen is None:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", _WATCHDOG], stdin=subprocess.PIPE, start_new_session=True
            )
        assert self._popen.stdin is not None  # noqa: S101 - it was made with a pipe
        self._popen.stdin.write(command.encode() + b"\n")
        self._popen.stdin.flush()

    def start(self, argv: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        with self._lock:  # a process is registered before the watchdog can be closed
            if self.closed:
                raise OSError("the local AWS is stopping and starts no more processes")
            popen = subprocess.Popen(argv, start_new_session=True, **options)  # type: ignore[call-overload]
            self._children[popen.pid] = popen
            self._send(f"+{popen.pid}")
        return popen  # type: ignore[no-any-return]

    def forget(self, pid: int) -> None:
        with self._lock:
            self._children.pop(pid, None)
            if not self.closed:
                self._send(f"-{pid}")

    def close(self) -> None:
        with self._lock:
            self.closed = True
            popen, self._popen = self._popen, None
        if popen and popen.stdin:
            popen.stdin.close()
            while popen.poll() is None:  # zombies count as alive until they are waited for
                for child in list(self._children.values()):
                    child.poll()
                time.sleep(0.02)
        self._children.clear()

    def open(self) -> None:
        self.closed = False


_watchdog = _Watchdog()
open_all = _watchdog.open
end_all = _watchdog.close
"""Sends SIGTERM to all processes and SIGKILL five seconds later; none starts until `open_all`."""


class ManagedProcess:
    """A command in its own process group; its output is appended to *log*."""

    def __init__(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._popen = _watchdog.start(
                argv, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.pid = self._popen.pid

    @property
    def exit_status(self) -> int | None:
        return self._popen.poll()

    def wait(self, seconds: float) -> int:
        """Return the exit status; raise subprocess.TimeoutExpired."""
        status = self._popen.wait(seconds)
        if not self._signal(0):
            _watchdog.forget(self.pid)
        return status

    def stop(self, number: int = signal.SIGTERM, grace: float = 30.0) -> None:
        """Signal the whole group, as systemd does, and kill it after *grace* seconds."""
        self._signal(number)
        until = time.monotonic() + grace
        while self._popen.poll() is None or self._signal(0):
            if time.monotonic() > until:
                self._signal(signal.SIGKILL)
                break
            time.sleep(0.02)
        self._popen.wait()
        _watchdog.forget(self.pid)

    def _signal(self, number: int) -> bool:
        """Send a signal; return whether the group still has a process."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        return True


_reserved_ports: set[int] = set()


def free_port() -> int:
    """Return a free loopback port below the range of ports for outgoing connections.

    An outgoing connection could take a port of that range between two deployments.
    """
    while True:
        port = random.randint(18000, 32000)  # noqa: S311 - not for security
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            if port not in _reserved_ports:
                _reserved_ports.add(port)
                return port


def wait_listening(port: int, process: ManagedProcess, seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.exit_status is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.02)
    return False


def tail(log: Path, lines: int) -> str:
    """Return the last *lines* of a log, or an empty text if there is no such file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.is_file() else ""
