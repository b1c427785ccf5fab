"""Visitors who don't wait for each other: requests start on schedule, however slow the answers are.

A process of its own, so that it shares no interpreter with what rotates and watches. A client with a fixed
number of threads would stop asking while its threads wait, and so never see what the next visitors would get;
here each request is a task of its own, and its time counts from the moment when it was due.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import ssl
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from testbed.demo.load import Site

TIMEOUT = 30.0
"""Seconds after which a visitor gives up."""
WRITE_EVERY = 20
"""One request in so many adds an entry; the others read the newest ones."""
PATH = "/api/entries"


@dataclass(frozen=True, slots=True)
class TimedOutcome:
    """What became of one request."""

    due: float
    """When it was to start, in seconds after the first."""
    late: float
    """Seconds by which the client itself was behind its schedule."""
    seconds: float
    """From when it was due until its answer was there."""
    problem: str
    """Empty when the answer was 2xx; else the status, or the class of the network error."""


@dataclass(frozen=True, slots=True)
class TimedTally:
    """Outcomes, counted; all times in seconds."""

    requests: int
    failed: int
    problems: dict[str, int]
    p50: float
    p99: float
    slowest: float
    late: float
    """99th percentile of how far the client was behind; many ms mean that the machine was busy."""

    @classmethod
    def of(cls, outcomes: Sequence[TimedOutcome]) -> TimedTally:
        """Count *outcomes*, of which there must be some."""
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
    """Return the smallest of *values* that *share* of them don't exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


@dataclass(slots=True)
class OpenLoopLoad:
    """Visitors at work."""

    begin: float
    """When the first request was due, on the monotonic clock, which all processes of a machine share."""
    _process: subprocess.Popen[str] = field(repr=False)

    @classmethod
    def start(cls, site: Site, rate: float, seconds: float) -> OpenLoopLoad:
        """Start *rate* requests a second for so many *seconds*; returns as soon as the first one is due."""
        command = [sys.executable, "-m", "testbed.benchmarks.load", site.url, site.name, str(site.ca_file)]
        process = subprocess.Popen(
            [*command, str(rate), str(seconds)], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        if not first:
            raise RuntimeError(f"the visitors' process ended with status {process.wait()}")
        return cls(float(first), process)

    def outcomes(self) -> list[TimedOutcome]:
        """Wait for the last answer and return all."""
        text, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"the visitors' process ended with status {self._process.returncode}")
        return [TimedOutcome(*values) for values in json.loads(text)]

    def stop(self) -> None:
        """End it, also before its time."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


class _Visitors:
    def __init__(self, url: str, name: str, ca_file: str) -> None:
        address = urlsplit(url)
        self._host, self._port, self._name = address.hostname, address.port or 443, name
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._outcomes: list[TimedOutcome] = []

    async def visit(self, rate: float, seconds: float) -> list[TimedOutcome]:
        begin = time.monotonic()
        print(begin, flush=True)
        tasks = []
        for number in range(round(rate * seconds)):
            due = number / rate
            if (left := begin + due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            tasks.append(asyncio.create_task(self._one(number, begin, due)))
        await asyncio.gather(*tasks)
        for _, writer in self._idle:
            writer.close()
        return self._outcomes

    async def _one(self, number: int, begin: float, due: float) -> None:
        late = time.monotonic() - begin - due
        try:
            async with asyncio.timeout(TIMEOUT):
                status = await self._request(number)
            problem = "" if 200 <= status < 300 else f"HTTP {status}"
        except (OSError, EOFError, ValueError) as error:  # TimeoutError and TLS's errors are OSErrors
            problem = type(error).__name__
        self._outcomes.append(TimedOutcome(due, late, time.monotonic() - begin - due, problem))

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "name", "ca_file"):
        parser.add_argument(name)
    for name in ("rate", "seconds"):
        parser.add_argument(name, type=float)
    asked = parser.parse_args()
    outcomes = asyncio.run(_Visitors(asked.url, asked.name, asked.ca_file).visit(asked.rate, asked.seconds))
    print(json.dumps([(o.due, o.late, o.seconds, o.problem) for o in outcomes]))


if __name__ == "__main__":
    main()
