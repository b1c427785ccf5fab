"""The real EB CLI, called as in a project's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class EbFailed(Exception):
    """The EB CLI failed; the message has its last lines and its log's path."""


@dataclass(frozen=True, slots=True)
class EbCli:
    directory: Path
    """The working directory, with `.elasticbeanstalk/config.yml`."""
    home: Path
    """Its home directory, so that it reads and writes no settings of the current user."""
    environment: Mapping[str, str]
    log: Path

    def command(self, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).parent / "eb"), *arguments]

    def variables(self) -> dict[str, str]:
        """Return its environment variables."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            **self.environment,
        }

    def run(self, *arguments: str, seconds: float = 300) -> str:
        """Run `eb` with *arguments* and return what it printed.

        Raises:
            EbFailed: it failed or did not end within *seconds*
        """
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            done = subprocess.run(
                self.command(*arguments),
                cwd=self.directory,
                env=self.variables(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EbFailed(f"eb {arguments[0]} did not end within {seconds:g} s; log: {self.log}") from error
        with self.log.open("a") as log:
            log.write(f"$ eb {' '.join(arguments)}\n{done.stdout}\n")
        # `eb deploy` sometimes reports a failed deployment with status 0, but with ERROR in its output.
        if done.returncode or "ERROR" in done.stdout:
            tail = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-12:])
            raise EbFailed(f"eb {arguments[0]} ended with status {done.returncode}:\n{tail}\nlog: {self.log}")
        return done.stdout
