"""Start a server, wait until it answers, and end it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SHOWN_LINES = 15
"""Lines of the log in an error."""


class ServerError(Exception):
    """A server did not start or exited; the message ends with its log's last lines and path."""


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require_tool(name: str) -> str:
    """Return the path of the program *name*, from PATH, this virtual environment or root's directories.

    Raises:
        ServerError: it is not installed
    """
    beside_python = str(Path(sys.executable).parent)
    path = os.pathsep.join(
        [beside_python, os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    )
    found = shutil.which(name, path=path)
    if found is None:
        raise ServerError(
            f"{name} is not installed. Run ./scripts/setup, or correct the variable that names it"
        )
    return found


@dataclass(frozen=True, slots=True)
class Process:
    """A server's process and its log."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    log_begins: int = 0
    """The log's size at the start: a restarted server appends to its log."""

    @classmethod
    def start(
        cls, name: str, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start *command* in its own session, so that a Ctrl-C at the terminal does not reach it.

        The kernel ends it when the calling thread ends (setpriv, util-linux), even after a crash.
        """
        wrapped = [require_tool("setpriv"), "--pdeathsig", "TERM", *map(str, command)]
        with log.open("ab") as out:
            begins = out.tell()
            popen = subprocess.Popen(
                wrapped,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                start_new_session=True,
            )
        return cls(name, popen, log, begins)

    def wait_until(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        """Return as soon as *ready* returns True.

        Raises:
            ServerError: the process exited, or *seconds* are over, after which it is stopped
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self.popen.poll() is not None:
                raise ServerError(self._message(f"exited with status {self.popen.returncode} while starting"))
            if time.monotonic() > deadline:
                self.stop()
                raise ServerError(self._message(f"did not answer within {seconds:g} s"))
            time.sleep(0.05)

    def require_running(self) -> None:
        """Check that the process runs.

        Raises:
            ServerError: the process has exited
        """
        if self.popen.poll() is not None:
            raise ServerError(self._message(f"exited unexpectedly with status {self.popen.returncode}"))

    def stop(self, seconds: float = 15) -> None:
        """End the process; kill it and its children if that takes longer than *seconds*."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()

    def _message(self, problem: str) -> str:
        lines = self.log.read_bytes()[self.log_begins :].decode(errors="replace").splitlines()
        # A Go program that panics writes the reason, then a thousand lines of stack traces.
        panics = [number for number, line in enumerate(lines) if line.startswith(("panic:", "fatal error:"))]
        lines = lines[panics[-1] :][:SHOWN_LINES] if panics else lines[-SHOWN_LINES:]
        return "\n".join([f"{self.name} {problem}", *(f"  {line}" for line in lines), f"log: {self.log}"])
