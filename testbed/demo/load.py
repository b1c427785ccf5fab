"""Visitors: requests at a steady rate in the background, each outcome kept."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter

THREADS = 8


class _NamedServer(HTTPAdapter):
    """Holds the certificate against a name that DNS doesn't know, as there is none of it on one machine."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
        super().init_poolmanager(
            *arguments, **settings, assert_hostname=self._name, server_hostname=self._name
        )


@dataclass(frozen=True, slots=True)
class Site:
    """The page's address, and how a visitor knows that it is the right one."""

    url: str
    name: str
    """Whose certificate the load balancer has to show."""
    ca_file: Path

    def visitor(self) -> requests.Session:
        """Return a session that verifies the certificate; the machine's own settings don't matter to it."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.ca_file)
        session.mount("https://", _NamedServer(self.name))
        return session


@dataclass(frozen=True, slots=True)
class VisitOutcome:
    """What became of one request."""

    at: float
    """When it ended, on the monotonic clock."""
    seconds: float
    problem: str | None
    """None when the answer was 2xx; else the status, or the class of the network error."""


@dataclass(frozen=True, slots=True)
class VisitTally:
    """Outcomes, counted."""

    requests: int
    failed: int
    problems: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0
    """Seconds."""


class VisitorLoad:
    """Sends `GET` for *path* some *rate* times a second while its `with` block runs.

    Requests keep their schedule: a slow answer delays only its own thread, and what was missed is caught up,
    as visitors who don't know of each other would.
    """

    def __init__(self, site: Site, path: str, rate: float = 100.0) -> None:
        self._site, self._path, self._rate = site, path, rate
        self._outcomes: list[VisitOutcome] = []
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._visit, args=(number,), name=f"visitor-{number}")
            for number in range(THREADS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def tally(self) -> VisitTally:
        """Count what has ended until now."""
        outcomes = tuple(self._outcomes)
        problems = Counter(outcome.problem for outcome in outcomes if outcome.problem is not None)
        slowest = max((outcome.seconds for outcome in outcomes), default=0.0)
        return VisitTally(len(outcomes), sum(problems.values()), dict(problems), slowest)

    def _visit(self, number: int) -> None:
        gap = THREADS / self._rate
        due = time.monotonic() + number * gap / THREADS
        with self._site.visitor() as session:
            while not self._stopped.wait(max(0.0, due - time.monotonic())):
                due += gap
                self._outcomes.append(_request(session, self._site.url + self._path))


def _request(session: requests.Session, url: str) -> VisitOutcome:
    start = time.monotonic()
    try:
        answer = session.get(url, timeout=30)
        problem = None if answer.ok else f"HTTP {answer.status_code}"
    except requests.RequestException as error:
        problem = type(error).__name__
    end = time.monotonic()
    return VisitOutcome(end, end - start, problem)
