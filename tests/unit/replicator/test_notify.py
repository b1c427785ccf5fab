"""Notifications: an event that the bus refused is sent once more; a subject always names the state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from replicator.aws import Clients
from replicator.changes import Applied, Create
from replicator.config import Config
from replicator.contract.events import ReplicationRequest
from replicator.errors import TargetError
from replicator.model import DesiredSecret, Revision
from replicator.notify import Bus, publish_health_change
from replicator.report import RunReport

ACCEPTED = {"EventId": "1"}
THROTTLED = {"ErrorCode": "ThrottlingException", "ErrorMessage": "canary"}
BROKEN = {"ErrorCode": "InternalFailure", "ErrorMessage": "canary"}
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alerts"


@pytest.fixture
def clients() -> Clients:
    return Clients(boto3.session.Session("canary-id", "canary-key", region_name="eu-central-1"))


@pytest.fixture
def answers(clients: Clients) -> Iterator[Stubber]:
    """EventBridge's answer to each expected call; each call has to be made."""
    with Stubber(clients.events) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def publish(bus: Bus, *names: str) -> list[dict[str, Any]]:
    """Publish the creation of a secret of each name; return the entries for that."""
    entries = []
    for name in names:
        desired = DesiredSecret(
            name, Revision(f"kv/{name}", 1, "2026-11-23T10:00:00Z"), "v", "json", None, ()
        )
        bus.publish(Applied(Create(desired), "arn", "v"))
        detail = {"source": f"kv/{name}", "name": name, "arn": "arn", "version_id": "v", "change": "created"}
        entries.append(
            {
                "Source": "beanvault.replicator",
                "DetailType": "Secret Replicated",
                "Detail": json.dumps(detail),
                "EventBusName": "bus",
            }
        )
    return entries


def answer(*results: dict[str, str]) -> dict[str, Any]:
    return {"FailedEntryCount": sum("ErrorCode" in each for each in results), "Entries": list(results)}


def test_events_that_the_bus_refused_are_sent_once_more_and_no_others(
    clients: Clients, answers: Stubber
) -> None:
    bus = Bus(clients, "bus")
    entries = publish(bus, "a", "b", "c")
    answers.add_response("put_events", answer(THROTTLED, ACCEPTED, BROKEN), {"Entries": entries})
    answers.add_response("put_events", answer(ACCEPTED, ACCEPTED), {"Entries": [entries[0], entries[2]]})
    bus.flush()
    bus.flush()  # nothing is left


def test_what_is_refused_the_second_time_too_is_reported_and_dropped(
    clients: Clients, answers: Stubber
) -> None:
    bus = Bus(clients, "bus")
    publish(bus, "a", "b", "c")
    answers.add_response("put_events", answer(THROTTLED, ACCEPTED, BROKEN), {"Entries": ANY})
    answers.add_response("put_events", answer(THROTTLED, BROKEN), {"Entries": ANY})
    with pytest.raises(TargetError) as caught:
        bus.flush()
    expected = "PutEvents on the bus bus: 2 events were not accepted (InternalFailure, ThrottlingException)"
    assert str(caught.value) == expected
    bus.flush()


def test_events_for_which_there_is_no_time_while_working_are_sent_afterwards(clients: Clients) -> None:
    """No later run would publish these changes: to it these secrets are unchanged."""
    bus = Bus(clients, "bus")
    clients.in_time = lambda: False
    entries = publish(bus, *(f"n{number:02}" for number in range(12)))
    clients.in_time = lambda: True
    with Stubber(clients.events) as answers:
        answers.add_response("put_events", answer(*[ACCEPTED] * 10), {"Entries": entries[:10]})
        answers.add_response("put_events", answer(*[ACCEPTED] * 2), {"Entries": entries[10:]})
        bus.flush()
        answers.assert_no_pending_responses()


@pytest.mark.parametrize("owner", ["shop", "o" * 128])
def test_a_subject_names_the_state_however_long_the_owners_name_is(clients: Clients, owner: str) -> None:
    config = Config("shop-connection", (), "shop", owner, topic_arn=TOPIC)
    subject = f"beanvault: replication is unhealthy for {owner}"[:100]
    published = {"TopicArn": TOPIC, "Subject": subject, "Message": ANY}
    with Stubber(clients.secretsmanager) as secrets, Stubber(clients.sns) as sns:
        secrets.add_response("describe_secret", {"ARN": "a" * 20}, {"SecretId": "shop-connection"})
        sns.add_response("publish", {"MessageId": "1"}, published)
        secrets.add_response("tag_resource", {}, {"SecretId": "shop-connection", "Tags": ANY})
        publish_health_change(
            RunReport(complete=True, errors=[TargetError("x")]), clients, config, ReplicationRequest()
        )
        sns.assert_no_pending_responses()
