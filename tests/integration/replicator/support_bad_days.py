"""One deployment on a bad day: its handler, with a proxy before Vault and one before AWS."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from replicator.contract.summary import Count, Problem, ProblemKind
from replicator.errors import RunFailed
from replicator.handler import MARGIN_SECONDS, HandlerFunction
from replicator.run import WORK_ENDS_SECONDS
from testbed.servers.proxy import FORWARD, Behaviour, ProxiedCall, Proxy, ProxyAnswer, Rule

from .support_notify import Context, Mailbox, variables

PATHS = ("db", "team/a", "team/b")
WRITES = ("Create", "Put", "Update", "Tag", "Untag", "Restore", "Delete", "Replicate", "Remove")


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one invocation reported: the metrics, the logged problems, the exception, the messages.

    Subjects of problems are without the deployment's mount.
    """

    counts: dict[str, int]
    problems: list[Problem]
    failed: RunFailed | None
    messages: list[str]

    @property
    def errors(self) -> set[str]:
        return {each.error for each in self.problems}


def reads_any(call: ProxiedCall) -> bool:
    """Is the data of any secret asked for?"""
    return "/data/" in call.path


def sometimes(
    matching: Callable[[ProxiedCall], bool], behaviour: Behaviour, times: int | None = None
) -> Rule:
    """Return a rule: calls that match, or the first few of them, meet *behaviour*."""
    met: list[int] = []

    def rule(call: ProxiedCall) -> Behaviour:
        if not matching(call) or (times is not None and len(met) >= times):
            return FORWARD
        met.append(call.index)
        return behaviour

    return rule


def once_each(behaviour: Behaviour) -> Rule:
    """Return a rule: each call meets *behaviour* when it is made for the first time."""
    known: set[tuple[str, str, bytes]] = set()

    def rule(call: ProxiedCall) -> Behaviour:
        made = (call.operation, call.path, call.body)
        if made in known:
            return FORWARD
        known.add(made)
        return behaviour

    return rule


def doing(matching: Callable[[ProxiedCall], bool], deed: Callable[[], object]) -> Rule:
    """Return a rule: *deed* is done just before the first call that matches reaches the server."""
    done: list[int] = []
    lock = threading.Lock()

    def rule(call: ProxiedCall) -> Behaviour:
        if matching(call):
            with lock:  # the other calls wait for it as well
                if not done:
                    done.append(call.index)
                    deed()
        return FORWARD

    return rule


def aws_error(
    code: str, status: int = 400, *, message: str = "canary-of-aws", after: bool = False
) -> ProxyAnswer:
    return ProxyAnswer(status, json.dumps({"__type": code, "message": message}).encode(), after=after)


def vault_error(status: int, *messages: str) -> ProxyAnswer:
    return ProxyAnswer(status, json.dumps({"errors": messages}).encode(), "application/json")


SHORT = (MARGIN_SECONDS + WORK_ENDS_SECONDS) / 2
"""No further change is begun, but calls are still made."""


@dataclass
class Day:
    """A deployment of three paths, and everything that stands between it and its servers."""

    function: HandlerFunction
    bench: Any
    vault: Proxy
    aws: Proxy
    alerts: Mailbox
    monkeypatch: pytest.MonkeyPatch
    caplog: pytest.LogCaptureFixture
    capsys: pytest.CaptureFixture[str]

    def invoke(self, *paths: str, context: Context | None = None) -> Invocation:
        """Run the function; *paths* without the mount."""
        event: dict[str, Any] = {}
        if paths:
            detail = {"paths": [f"{self.bench.mount}/{path}" for path in paths], "reason": "operator"}
            event = {"detail-type": "Replication Requested", "detail": detail}
        return self.handle(event, context or Context())

    def handle(self, event: dict[str, Any], context: Context) -> Invocation:
        for name, value in variables(self.bench.config).items():
            self.monkeypatch.setenv(name, value)
        self.caplog.clear()
        self.capsys.readouterr()
        failed = None
        try:
            self.function.handle(event, context)
        except RunFailed as error:
            failed = error
        lines = self.capsys.readouterr().out.splitlines()
        (metrics,) = [json.loads(line) for line in lines if '"_aws"' in line]
        problems = [vars(record) for record in self.caplog.records if record.message == "problem"]
        result = Invocation(
            {count.value: int(metrics[count.value][0]) for count in Count},
            [
                Problem(
                    each["kind"],
                    each["subject"].removeprefix(f"{self.bench.mount}/"),
                    each["error"],
                    each["cause"],
                )
                for each in problems
            ],
            failed,
            [each["Message"] for each in self.alerts.read()],
        )
        self._consistent(result)
        return result

    def _consistent(self, result: Invocation) -> None:
        """What is reported in one way is reported in every other."""
        assert (result.failed is not None) == bool(result.problems)
        assert result.counts["Failed"] + result.counts["Conflicts"] == len(result.problems)
        if result.failed is not None:
            assert result.problems[0].error in str(result.failed)
        everything = f"{result}{self.caplog.text}"
        assert "canary" not in everything

    def begin(self) -> None:
        """Replicate a first version of each path."""
        self.write(1)
        result = self.invoke()
        assert result.failed is None, result.problems
        assert result.counts["Created"] == len(PATHS)
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
        self.function = replace(self.function, workers=1)
        return Context(lambda: SHORT if "PutSecretValue" in self.writes() else 600.0)

    def recovers(self, updated: int = len(PATHS), *, reported_before: bool = True) -> None:
        """Assert that the next run completes everything, reports that, and leaves nothing to do."""
        self.calm()
        result = self.invoke()
        assert result.failed is None, result.problems
        assert result.counts["Updated"] == updated
        self.shows(2)
        assert [message.splitlines()[0] for message in result.messages] == (
            [f"The replication of {self.bench.mount} is healthy."] if reported_before else []
        )
        self.rests()

    def rests(self, unchanged: int = len(PATHS)) -> None:
        """Assert that another run changes nothing."""
        self.forget()
        result = self.invoke()
        assert (result.failed, result.messages, self.writes()) == (None, [], [])
        assert result.counts["Unchanged"] == unchanged
        assert sum(result.counts.values()) - result.counts["Skipped"] == unchanged

    def assert_reported(self, result: Invocation) -> None:
        (message,) = result.messages
        assert message.startswith(f"The replication of {self.bench.mount} is unhealthy.")
        for problem in result.problems:
            subject = "the run" if problem.kind is ProblemKind.RUN else problem.subject
            assert f"{subject}: {problem.error}: " in message
