"""Open-loop load on the app: requests start on schedule, however slow the responses are.

The load runs in a process of its own, so that it shares no interpreter with the code that rotates and
measures. A client with a fixed number of threads would stop sending while its threads wait, and miss what
later visitors get. Here each request is a task, and its duration counts from the time when it was due.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import ssl
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from ..servers.process import require_tool
from .site import Site

TIMEOUT_SECONDS = 30.0
"""A request without a response by then has failed."""
WRITE_EVERY = 20
"""One request in 20 adds an entry; the others read the newest ones."""
PATH = "/api/entries"


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """The outcome of one request."""

    due: float
    """Its scheduled start, in seconds after the first request's."""
    late: float
    """Seconds by which the client started it too late."""
    seconds: float
    """From its scheduled start to the complete response."""
    problem: str
    """The status, if it was not 2xx, or the class of the network error; empty on success."""


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """The outcomes of all requests in figures; times are in seconds."""

    requests: int
    failed: int
    problems: dict[str, int]
    p50: float
    p99: float
    slowest: float
    late: float
    """99th percentile of the client's own lateness; many milliseconds mean that the machine was busy."""

    @classmethod
    def of(cls, outcomes: Sequence[RequestOutcome]) -> LoadSummary:
        """Summarize *outcomes*, of which there must be at least one."""
        seconds = [outcome.seconds for outcome in outcomes]
        problems = Counter(outcome.problem for outcome in outcomes if outcome.problem)
        return cls(
            len(outcomes),
            problems.total(),
            dict(problems),
            quantile(seconds, 0.5),
            quantile(seconds, 0.99),
            max(seconds),
            quantile([outcome.late for outcome in outcomes], 0.99),
        )


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of *values* that *share* of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


@dataclass(slots=True)
class OpenLoopLoad:
    """A running load; use it in a `with` block, which ends its process."""

    begin: float
    """When the first request was due, on the monotonic clock, which all processes of a machine share."""
    _process: subprocess.Popen[str] = field(repr=False)

    @classmethod
    def start(cls, site: Site, rate: float, seconds: float = math.inf) -> OpenLoopLoad:
        """Send *rate* requests a second for *seconds*, or until `finish`; return when the first is due."""
        command = [require_tool("setpriv"), "--pdeathsig", "KILL", sys.executable, "-m", "testbed.demo.load"]
        arguments = [site.url, site.name, str(site.ca_file), str(rate), str(seconds)]
        process = subprocess.Popen(
            [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None  # noqa: S101 - a pipe
        first = process.stdout.readline()
        if not first:
            raise RuntimeError(f"the load's process ended with status {process.wait()}")
        return cls(float(first), process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # closes the pipes and waits
            self._process.kill()

    def finish(self) -> list[RequestOutcome]:
        """Send no further requests, wait for the outstanding responses and return all outcomes."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        self._process.stdin.close()
        return self.outcomes()

    def outcomes(self) -> list[RequestOutcome]:
        """Wait until the load is over and return all outcomes."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        text = self._process.stdout.read()
        if status := self._process.wait():
            raise RuntimeError(f"the load's process ended with status {status}")
        return [RequestOutcome(*values) for values in json.loads(text)]


class _Visitors:
    def __init__(self, url: str, name: str, ca_file: str) -> None:
        address = urlsplit(url)
        self._host, self._port, self._name = address.hostname, address.port or 443, name
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._outcomes: list[RequestOutcome] = []

    async def visit(self, rate: float, seconds: float) -> list[RequestOutcome]:
        """Send requests for *seconds*, or until standard input ends."""
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()

        def stop() -> None:
            loop.remove_reader(sys.stdin)
            stopped.set()

        loop.add_reader(sys.stdin, stop)
        begin = time.monotonic()
        print(begin, flush=True)
        tasks = []
        for number in itertools.count():
            due = number / rate
            if due >= seconds or await _wait(stopped, begin + due - time.monotonic()):
                break
            tasks.append(asyncio.create_task(self._one(number, begin, due)))
        await asyncio.gather(*tasks)
        for _, writer in self._idle:
            writer.close()
        return self._outcomes

    async def _one(self, number: int, begin: float, due: float) -> None:
        late = time.monotonic() - begin - due
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await self._request(number)
            problem = "" if 200 <= status < 300 else f"HTTP {status}"
        except (OSError, EOFError, ValueError) as error:  # TimeoutError and TLS's errors are OSErrors
            problem = type(error).__name__
        self._outcomes.append(RequestOutcome(due, late, time.monotonic() - begin - due, problem))

    async def _request(self, number: int) -> int:
        reader, writer = await self._connection()
        try:
            writer.write(self._text(number))
            head = await reader.readuntil(b"\r\n\r\n")
            fields = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head.decode("latin-1").splitlines())
            }
            await reader.readexactly(int(fields["content-length"]) if "content-length" in fields else 0)
        except BaseException:
            writer.close()
            raise
        if fields.get("connection") == "close" or "content-length" not in fields:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head[9:12])

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(
            self._host, self._port, ssl=self._tls, server_hostname=self._name
        )

    def _text(self, number: int) -> bytes:
        common = f"Host: {self._host}:{self._port}\r\nAccept: application/json\r\n"
        if number % WRITE_EVERY:
            return f"GET {PATH} HTTP/1.1\r\n{common}\r\n".encode()
        body = json.dumps({"text": f"entry {number}"})
        own = f"Content-Type: application/json\r\nIdempotency-Key: {uuid.uuid4()}\r\n"
        return f"POST {PATH} HTTP/1.1\r\n{common}{own}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def _wait(stopped: asyncio.Event, seconds: float) -> bool:
    """Wait for *seconds* or until *stopped* is set; return whether it is set."""
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), seconds)
    return stopped.is_set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "name", "ca_file"):
        parser.add_argument(name)
    for name in ("rate", "seconds"):
        parser.add_argument(name, type=float)
    given = parser.parse_args()
    visitors = _Visitors(given.url, given.name, given.ca_file)
    outcomes = asyncio.run(visitors.visit(given.rate, given.seconds))
    print(json.dumps([(o.due, o.late, o.seconds, o.problem) for o in outcomes]))


if __name__ == "__main__":
    main()
