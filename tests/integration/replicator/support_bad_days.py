"""One deployment on a bad day: its handler, with a proxy before Vault and one before AWS."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from replicator import handler
from replicator.errors import RunFailed
from replicator.report import COUNTS
from replicator.run import WORK_ENDS_SECONDS
from testbed.servers.proxy import FORWARD, Answer, Behaviour, ProxiedCall, Proxy, Rule

from .support_notify import Context, Mailbox, variables

PATHS = ("db", "team/a", "team/b")
WRITES = ("Create", "Put", "Update", "Tag", "Untag", "Restore", "Delete", "Replicate", "Remove")


@dataclass(frozen=True, slots=True)
class Told:
    """What one invocation told: the metrics, the log's problems, the exception to Lambda, the messages."""

    counts: dict[str, int]
    problems: list[tuple[str, str, str]]
    failed: RunFailed | None
    messages: list[str]

    @property
    def kinds(self) -> set[str]:
        return {kind for _, kind, _ in self.problems}


def reads_any(call: ProxiedCall) -> bool:
    """Is the data of any secret asked for?"""
    return "/data/" in call.path


def sometimes(wanted: Callable[[ProxiedCall], bool], behaviour: Behaviour, times: int | None = None) -> Rule:
    """Return a rule: the calls *wanted*, or the first few of them, meet *behaviour*."""
    met: list[int] = []

    def rule(call: ProxiedCall) -> Behaviour:
        if not wanted(call) or (times is not None and len(met) >= times):
            return FORWARD
        met.append(call.index)
        return behaviour

    return rule


def once_each(behaviour: Behaviour) -> Rule:
    """Return a rule: each call meets *behaviour* when it is made for the first time."""
    seen: set[tuple[str, str, bytes]] = set()

    def rule(call: ProxiedCall) -> Behaviour:
        made = (call.operation, call.path, call.body)
        if made in seen:
            return FORWARD
        seen.add(made)
        return behaviour

    return rule


def doing(wanted: Callable[[ProxiedCall], bool], deed: Callable[[], object]) -> Rule:
    """Return a rule: *deed* is done just before the first of the calls *wanted* reaches the server."""
    done: list[int] = []
    lock = threading.Lock()

    def rule(call: ProxiedCall) -> Behaviour:
        if wanted(call):
            with lock:  # the other calls wait for it as well
                if not done:
                    done.append(call.index)
                    deed()
        return FORWARD

    return rule


def aws_error(code: str, status: int = 400, *, message: str = "canary-of-aws", after: bool = False) -> Answer:
    return Answer(status, json.dumps({"__type": code, "message": message}).encode(), after=after)


def vault_error(status: int, *messages: str) -> Answer:
    return Answer(status, json.dumps({"errors": messages}).encode(), "application/json")


SHORT = (handler.MARGIN_SECONDS + WORK_ENDS_SECONDS) / 2
"""No further change is begun, but calls are still made."""


@dataclass
class Day:
    """A deployment of three paths, and everything that stands between it and its servers."""

    bench: Any
    vault: Proxy
    aws: Proxy
    alerts: Mailbox
    monkeypatch: pytest.MonkeyPatch
    caplog: pytest.LogCaptureFixture
    capsys: pytest.CaptureFixture[str]

    def invoke(self, *paths: str, context: Context | None = None) -> Told:
        """Run the function; *paths* without the mount."""
        event: dict[str, Any] = {}
        if paths:
            detail = {"paths": [f"{self.bench.mount}/{path}" for path in paths], "reason": "operator"}
            event = {"detail-type": "Replication Requested", "detail": detail}
        return self.handle(event, context or Context())

    def handle(self, event: dict[str, Any], context: Context) -> Told:
        for name, value in variables(self.bench.config).items():
            self.monkeypatch.setenv(name, value)
        self.caplog.clear()
        self.capsys.readouterr()
        failed = None
        try:
            handler.handler(event, context)
        except RunFailed as error:
            failed = error
        lines = self.capsys.readouterr().out.splitlines()
        (metrics,) = [json.loads(line) for line in lines if '"_aws"' in line]
        problems = [vars(record) for record in self.caplog.records if record.message == "problem"]
        told = Told(
            {name: int(metrics[name][0]) for name in COUNTS},
            [
                (each["what"].removeprefix(f"{self.bench.mount}/"), each["kind"], each["cause"])
                for each in problems
            ],
            failed,
            [each["Message"] for each in self.alerts.read()],
        )
        self._consistent(told)
        return told

    def _consistent(self, told: Told) -> None:
        """What is told in one way is told in every other."""
        assert (told.failed is not None) == bool(told.problems)
        assert told.counts["Failed"] + told.counts["Conflicts"] == len(told.problems)
        if told.failed is not None:
            assert told.problems[0][1] in str(told.failed)
        everything = f"{told}{self.caplog.text}"
        assert "canary" not in everything

    def begin(self) -> None:
        """Replicate a first version of each path."""
        self.write(1)
        told = self.invoke()
        assert told.failed is None, told.problems
        assert told.counts["Created"] == len(PATHS)
        self.write(2)
        self.forget()

    def write(self, version: int) -> None:
        for path in PATHS:
            self.bench.write(path, password=f"canary-{version}")

    def forget(self) -> None:
        self.vault.forget()
        self.aws.forget()

    def calm(self) -> None:
        self.vault.rule = self.aws.rule = lambda _: FORWARD

    def shows(self, version: int, *paths: str) -> None:
        """Assert that apps read this version of these paths."""
        for path in paths or PATHS:
            assert json.loads(self.bench.value(path)) == {"password": f"canary-{version}"}, path

    def writes(self) -> list[str]:
        """Return the changes that were asked of Secrets Manager, but for notes on the connection secret."""
        connection = self.bench.config.connection_secret.encode()
        return [
            call.operation
            for call in self.aws.calls()
            if call.operation.startswith(WRITES)
            and connection not in call.body
            and call.operation != "PutEvents"
        ]

    def short_after_a_write(self) -> Context:
        """Return a context whose time is short once a value is written; changes are made one by one."""
        self.monkeypatch.setattr("replicator.apply.WORKERS", 1)
        return Context(lambda: SHORT if "PutSecretValue" in self.writes() else 600.0)

    def recovers(self, updated: int = len(PATHS), *, told_before: bool = True) -> None:
        """Assert that the next run completes everything, says so, and leaves nothing to do."""
        self.calm()
        told = self.invoke()
        assert told.failed is None, told.problems
        assert told.counts["Updated"] == updated
        self.shows(2)
        assert [message.splitlines()[0] for message in told.messages] == (
            [f"The replication of {self.bench.mount} is healthy."] if told_before else []
        )
        self.rests()

    def rests(self, unchanged: int = len(PATHS)) -> None:
        """Assert that another run changes nothing."""
        self.forget()
        told = self.invoke()
        assert (told.failed, told.messages, self.writes()) == (None, [], [])
        assert told.counts["Unchanged"] == unchanged
        assert sum(told.counts.values()) - told.counts["Skipped"] == unchanged

    def told_unhealthy(self, told: Told) -> None:
        (message,) = told.messages
        assert message.startswith(f"The replication of {self.bench.mount} is unhealthy.")
        for what, kind, _ in told.problems:
            assert f"{what}: {kind}: " in message
