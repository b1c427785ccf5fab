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
"""How much of a log an error shows."""


class ServerError(Exception):
    """A server did not start, or ended on its own; the message ends with its log's last lines and path."""


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require_tool(name: str) -> str:
    """Return the path of the program *name*, also from this virtual environment and from root's directories.

    Raises:
        ServerError: it is not installed
    """
    beside_python = str(Path(sys.executable).parent)
    path = os.pathsep.join(
        [beside_python, os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    )
    found = shutil.which(name, path=path)
    if found is None:
        raise ServerError(f"{name} is not there; ./scripts/setup installs what isn't named by a variable")
    return found


@dataclass(frozen=True, slots=True)
class Process:
    """A server's process and its log."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    log_begins: int = 0
    """How long the log was before: a server that is started again goes on with it."""

    @classmethod
    def start(
        cls, name: str, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start *command* in a session of its own, so that a Ctrl-C at the terminal reaches only us.

        The kernel ends it when the calling thread ends (setpriv, util-linux): a crash leaves nothing.
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
        """Return as soon as *ready* says so.

        Raises:
            ServerError: the process ended, or the time was over; the process is stopped then
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self.popen.poll() is not None:
                raise ServerError(self._told(f"ended with status {self.popen.returncode} while starting"))
            if time.monotonic() > deadline:
                self.stop()
                raise ServerError(self._told(f"did not answer within {seconds:g} s"))
            time.sleep(0.05)

    def require_running(self) -> None:
        """Check that the process runs.

        Raises:
            ServerError: the process has ended, though nobody stopped it
        """
        if self.popen.poll() is not None:
            raise ServerError(self._told(f"ended by itself with status {self.popen.returncode}"))

    def stop(self, seconds: float = 15) -> None:
        """End the process; kill it and what it started when it takes longer than *seconds*."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()

    def _told(self, what: str) -> str:
        lines = self.log.read_bytes()[self.log_begins :].decode(errors="replace").splitlines()
        # A Go program that panics writes why it does, and then a thousand lines about where everything was.
        panics = [number for number, line in enumerate(lines) if line.startswith(("panic:", "fatal error:"))]
        lines = lines[panics[-1] :][:SHOWN_LINES] if panics else lines[-SHOWN_LINES:]
        return "\n".join([f"{self.name} {what}", *(f"  {line}" for line in lines), f"log: {self.log}"])
