"""Ctrl-C at a chosen call of AWS, for a command in a process of its own."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.servers.proxy import FORWARD, Behaviour, Drop, ProxiedCall, Proxy

SECONDS = 300


@dataclass(frozen=True, slots=True)
class Pressed:
    """How the command ended."""

    call: ProxiedCall | None
    """At which call it was interrupted; None: it made no such call, and ended."""
    status: int
    printed: str


def ctrl_c(
    command: Sequence[str],
    environment: Mapping[str, str],
    at: Callable[[ProxiedCall], bool],
    *,
    after: bool,
    stdin: str = "",
    directory: Path | None = None,
) -> Pressed:
    """Run *command* and interrupt it at the first call of AWS that *at* picks.

    The call is not sent on, or, with *after*, it takes effect and only its answer is lost.
    """
    proxy = Proxy(environment["AWS_ENDPOINT_URL"])
    met: list[ProxiedCall] = []
    started: list[subprocess.Popen[str]] = []

    def rule(call: ProxiedCall) -> Behaviour:
        if met or not at(call):
            return FORWARD
        met.append(call)
        return Drop(after=after, first=lambda: started[0].send_signal(signal.SIGINT))

    proxy.rule = rule
    with subprocess.Popen(
        command,
        env={**environment, "AWS_ENDPOINT_URL": proxy.address},
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        started.append(process)  # long before it has made a call
        try:
            printed, _ = process.communicate(stdin, timeout=SECONDS)
        finally:
            process.kill()
            proxy.close()
    assert "Traceback" not in printed
    return Pressed(met[0] if met else None, process.returncode, printed)
