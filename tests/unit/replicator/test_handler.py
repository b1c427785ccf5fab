"""The function as Lambda calls it, with no server at its endpoint: how a failure is reported."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.config import Config as ClientConfig

from replicator.aws import CLIENT_CONFIG, Clients
from replicator.contract.events import REPLICATION_REQUESTED, ReplicationRequest
from replicator.contract.summary import Count, ProblemKind, RunSummary
from replicator.errors import ConfigError, RunFailed
from replicator.handler import HandlerFunction, handler
from tests.unit.replicator.test_config import LEAST


class Context:
    aws_request_id = "1"

    def get_remaining_time_in_millis(self) -> int:
        return 600_000


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> HandlerFunction:
    for name, value in {**LEAST, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    once = CLIENT_CONFIG.merge(ClientConfig(retries={"total_max_attempts": 1}))
    return HandlerFunction(Clients(boto3.session.Session("id", "key", region_name="eu-central-1"), once))


def test_a_run_that_cannot_begin_is_logged_counted_and_raised(
    function: HandlerFunction, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunFailed, match="1 problems; the first: the run: TargetUnavailable: GetSecretValue"):
        function.handle({}, Context())
    (problem,) = [vars(record) for record in caplog.records if record.message == "problem"]
    assert (problem["kind"], problem["subject"], problem["error"]) == (
        ProblemKind.RUN,
        "",
        "TargetUnavailable",
    )
    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert {count for count in Count if metrics[count.value] != [0]} == {Count.FAILED}


def test_a_dry_run_answers_with_its_summary_and_raises_nothing(
    function: HandlerFunction, capsys: pytest.CaptureFixture[str]
) -> None:
    event = REPLICATION_REQUESTED.event(ReplicationRequest(dry_run=True).detail())
    summary = RunSummary.from_json(json.loads(json.dumps(function.handle(event, Context()))))
    assert [problem.kind for problem in summary.problems] == [ProblemKind.RUN]
    assert '"_aws"' not in capsys.readouterr().out


def test_an_event_that_cannot_be_read_is_raised(function: HandlerFunction) -> None:
    with pytest.raises(ConfigError, match="has a dry_run"):
        function.handle(REPLICATION_REQUESTED.event({"dry_run": "no"}), Context())


def test_lambda_calls_the_function() -> None:
    assert handler.__func__ is HandlerFunction.handle  # type: ignore[attr-defined]  # a bound method
