"""Story of replicator/run.py and replicator/vault_login.py and templates/triggers.py.

A deployment's first hours: the schedule runs before anybody has stored a connection to Vault.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from beanvault.aws import Aws
from beanvault.replication import status
from beanvault.replication.function import FunctionFailed
from beanvault.replication.replication_request import put_replication_request
from beanvault.verify.account.state import AccountState
from beanvault.verify.checks import CONTROLS
from beanvault.verify.model import Status
from beanvault.verify.run import run_control
from replicator.contract.events import RequestReason
from replicator.contract.summary import Count
from replicator.contract.tags import TAG_HEALTH
from templates.triggers import dead_letter_queue_name, schedule_name
from tests.polling import until

from .support_deployed import Deployed, deployed
from .support_notify import Mailbox


@pytest.fixture(scope="module")
def place(openbao: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(f"new-{uuid.uuid4().hex[:6]}", tmp_path_factory.mktemp("new"), openbao) as place:
        yield place


def runs(place: Deployed) -> list[Mapping[str, Any]]:
    """Return the metrics of each run that the function has completed, from its log."""
    log = place.aws.home / "functions" / f"{place.deployment.function_name}.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{") and '"_aws"' in line]


def scheduled(place: Deployed) -> Mapping[str, Any]:
    """Let the deployed schedule fire once and return the metrics of that run."""
    events, name, before = place.operator("events"), schedule_name(place.deployment), len(runs(place))
    # The local AWS finds a rate of 0 minutes due at every check.
    events.put_rule(Name=name, ScheduleExpression="rate(0 minutes)", State="ENABLED")
    try:
        until(lambda: len(runs(place)) > before, 30)
    finally:
        events.put_rule(Name=name, ScheduleExpression=place.deployment.replicator.schedule, State="DISABLED")
    return runs(place)[before]


def dead_letters(place: Deployed) -> int:
    sqs = place.operator("sqs")
    url = sqs.get_queue_url(QueueName=dead_letter_queue_name(place.deployment))["QueueUrl"]
    names = ["ApproximateNumberOfMessages"]
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"][names[0]])


def settled(place: Deployed) -> None:
    """Wait until no more run is completed: a failed one would be repeated after one and two seconds."""
    count, quiet = len(runs(place)), 0
    while quiet < 8:
        time.sleep(0.5)
        quiet, count = (quiet + 1, count) if len(runs(place)) == count else (0, len(runs(place)))


def test_before_vault_is_connected_runs_are_counted_and_told_once(place: Deployed) -> None:
    """No run fails, so nothing is repeated, no event becomes a dead letter, and no alarm starts."""
    metrics = scheduled(place)
    assert (metrics["NotConnected"], metrics["Failed"], metrics["Runs"]) == ([1], [0], [1])
    settled(place)
    before = len(runs(place))
    for reason in (RequestReason.PUSH, RequestReason.DEMAND, RequestReason.OPERATOR):
        put_replication_request(
            place.operator("events"), place.deployment.bus_name, [f"{place.name}/app"], reason
        )
    until(lambda: len(runs(place)) == before + 3, 30)
    settled(place)
    assert dead_letters(place) == 0
    (message,) = place.alerts.read()
    assert message["Subject"] == f"beanvault: replication is not connected for {place.name}"
    assert "`beanvault vault init`" in message["Message"]


def test_an_operator_who_asks_before_vault_is_connected_is_told_what_to_do(place: Deployed) -> None:
    with pytest.raises(FunctionFailed, match="no connection to Vault is stored") as caught:
        place.function.replicate()
    assert "`beanvault vault init`" in str(caught.value.remedy)
    summary = place.function.dry_run()
    assert not summary.healthy
    aws = Aws(place.aws.session(), place.aws.endpoint)
    (line,) = status.secret_statuses(aws, place.name, place.name, summary)
    assert "`beanvault vault init`" in line.state
    control = next(each for each in CONTROLS if each.id == "BV.SM2")
    (finding,) = run_control("Replication", control, AccountState(place.deployment, aws))
    assert finding.status is Status.UNKNOWN
    assert "`beanvault vault init`" in finding.evidence


def test_once_connected_all_is_as_usual(place: Deployed) -> None:
    place.write("app", password="canary-first")
    place.connect(place.app_role())
    metrics = scheduled(place)
    assert (metrics["NotConnected"], metrics["Created"], metrics["Failed"]) == ([0], [1], [0])
    settled(place)
    (message,) = place.alerts.read()
    assert message["Subject"] == f"beanvault: replication is healthy for {place.name}"
    assert dead_letters(place) == 0


def test_a_connection_that_was_emptied_is_a_failure(place: Deployed) -> None:
    kept = place.kept()
    secrets, name = place.operator("secretsmanager"), place.deployment.connection_secret
    secrets.put_secret_value(SecretId=name, SecretString="{}")
    with pytest.raises(FunctionFailed, match="ConfigError"):
        place.function.invoke({})
    (message,) = place.alerts.read()
    assert "is unhealthy" in message["Message"]
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps(kept))
    place.function.invoke({})
    assert "is healthy" in place.alerts.read()[0]["Message"]


@pytest.mark.parametrize("evidence", ["its tag", "its secrets"])
def test_a_connection_secret_that_was_made_again_is_a_failure(
    bench: Any, alerts: Mailbox, evidence: str
) -> None:
    """Not a new deployment: Vault was connected before."""
    bench.write("app", password="canary")
    assert bench.run().healthy
    bench.aws.delete_secret(SecretId=bench.config.connection_secret, ForceDeleteWithoutRecovery=True)
    tags = []
    if evidence == "its tag":
        bench.aws.delete_secret(SecretId=bench.name("app"), ForceDeleteWithoutRecovery=True)
        tags = [{"Key": TAG_HEALTH, "Value": "healthy"}]
    bench.aws.create_secret(Name=bench.config.connection_secret, Tags=tags)
    report = bench.run()
    assert not report.not_connected
    ((problem),) = report.problems()
    assert problem.error == "TargetMissing"
    assert "`beanvault connect`" in problem.cause
    ((message),) = alerts.read()
    assert "is unhealthy" in message["Message"]
    assert report.counts()[Count.FAILED] == 1


def test_the_controls_of_the_test_above(bench: Any, alerts: Mailbox) -> None:
    """Without either evidence it is a new deployment; a missing secret is none."""
    bench.aws.delete_secret(SecretId=bench.config.connection_secret, ForceDeleteWithoutRecovery=True)
    assert "unhealthy" in (bench.run(), alerts.read())[1][0]["Message"]
    bench.aws.create_secret(Name=bench.config.connection_secret)
    assert bench.run().not_connected
    assert [each["Subject"].split()[3:5] for each in alerts.read()] == [["not", "connected"]]
