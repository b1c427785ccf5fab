"""Processes of `python -m replicator` that start quickly: forked from an interpreter that has it imported.

Run as a program this is that interpreter. It takes an order a line, a JSON object of the environment's
variables, and answers with the process id, and with the status when the process has ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.project import ROOT


class ForkServer:
    """Starts one process at a time."""

    def __init__(self, log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self._popen = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                text=True,
                bufsize=1,
            )

    def start(self, environment: Mapping[str, str]) -> Forked:
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(dict(environment)) + "\n")
        return Forked(self._line, int(self._line()))

    def _line(self) -> str:
        assert self._popen.stdout is not None
        return self._popen.stdout.readline()

    def close(self) -> None:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.close()
        self._popen.wait(30)
        self._popen.stdout.close()


class Forked:
    """One process, which `kill` really kills."""

    def __init__(self, line: object, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        self._ended = threading.Event()
        self._line = line
        self._thread = threading.Thread(target=self._wait)
        self._thread.start()

    def _wait(self) -> None:
        self.status = int(self._line())  # type: ignore[operator]
        self._ended.set()

    def kill(self) -> None:
        """Send SIGKILL and return when the process is no more."""
        os.kill(self.pid, signal.SIGKILL)
        assert self._ended.wait(30)

    def wait(self, seconds: float = 120) -> int:
        """Return the exit code; that of a killed process is negative."""
        assert self._ended.wait(seconds), "the process did not end"
        self._thread.join()
        assert self.status is not None
        return os.waitstatus_to_exitcode(self.status)


def serve() -> None:
    from replicator.__main__ import main

    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.environ.update(json.loads(line))
            os.dup2(2, 1)  # the report goes to the log; the pipe is the parent's
            sys.argv = ["replicator"]
            try:
                code = main()
                sys.stdout.flush()
            except BaseException:  # noqa: BLE001 - the child must never come back into this loop
                sys.excepthook(*sys.exc_info())
                code = 70
            os._exit(code)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    serve()
