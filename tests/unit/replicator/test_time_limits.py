"""Story of replicator/handler.py, replicator/run.py and replicator/vault.py.

`run.py`, `aws.py`, `vault.py`: slow calls end in time for notifications before Lambda ends the run.
"""

from __future__ import annotations

import boto3
import pytest

from replicator import aws, handler, run, vault
from replicator.aws import Clients
from replicator.changes import Deferred
from replicator.contract.connection import VaultAddress
from replicator.errors import OutOfTime
from replicator.replicate import RunClock
from templates.deployment import Replicator
from tests.unit.replicator.conftest import NOW, Deployment
from tests.unit.replicator.memory import MemoryTarget


def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")  # no server listens there
    return Clients(boto3.session.Session("id", "key", region_name="eu-central-1"))


def test_the_longest_wait_and_the_notifications_fit_into_the_margin() -> None:
    slow = max(vault.TIMEOUTS.longest_seconds, aws.LONGEST_SECONDS)
    assert slow + aws.LONGEST_SECONDS < run.WORK_ENDS_SECONDS < handler.MARGIN_SECONDS
    (shortest,) = (
        each.ge for each in Replicator.model_fields["timeout_seconds"].metadata if hasattr(each, "ge")
    )
    assert shortest > handler.MARGIN_SECONDS


def test_no_request_is_sent_to_aws_when_it_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    late = clients(monkeypatch)
    late.in_time = lambda: False
    for client in (late.secretsmanager.list_secrets, late.sns.list_topics, late.sts.get_caller_identity):
        with pytest.raises(OutOfTime, match="no time was left for"):
            client()


def test_no_request_is_repeated_when_it_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    late = clients(monkeypatch)
    answers = iter([True])
    late.in_time = lambda: next(answers, False)
    with pytest.raises(OutOfTime):
        late.events.list_event_buses()


def test_no_request_to_vault_is_repeated_when_it_is_too_late() -> None:
    answers = iter([True])
    pauses: list[float] = []
    late = vault.Vault(VaultAddress("http://127.0.0.1:1"), lambda: next(answers, False), sleep=pauses.append)
    with pytest.raises(OutOfTime, match="kv/data/db"):
        late.read("kv/data/db")
    assert len(pauses) == 1


def test_a_change_that_runs_out_of_time_is_deferred(deployment: Deployment) -> None:
    class Slow(MemoryTarget):
        def create(self, name: str, *rest: object) -> str:
            if name == "shop/slow":
                raise OutOfTime(f"no time was left for CreateSecret of {name}")
            return super().create(name, *rest)  # type: ignore[arg-type]  # handed on as they came

    deployment.target = Slow()
    for path in ("db", "slow"):
        deployment.source.write(path, {"password": "canary"})
    report = deployment.run(clock=RunClock(lambda: NOW))
    assert [type(each) for each in report.outcomes if isinstance(each, Deferred)] == [Deferred]
    assert report.healthy
    assert list(deployment.values()) == ["shop/db"]
