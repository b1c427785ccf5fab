"""Around the function: queues behind its topic and bus, its variables, its context."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from replicator.config import Config

Clients = Callable[[str], Any]
"""Makes a client of a service, by its name."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A queue that a topic or a bus delivers to."""

    sqs: Any
    url: str
    arn: str

    @classmethod
    def open(cls, client: Clients, name: str) -> Mailbox:
        sqs = client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        deliverers = {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]}
        allow = {"Effect": "Allow", "Principal": deliverers, "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        return cls(sqs, url, arn)

    def read(self) -> list[dict[str, Any]]:
        """Take what has arrived; delivery happens before the sender is answered here."""
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return found


def subscribe(client: Clients, topic: str, name: str) -> Mailbox:
    """Return a queue called *name* that gets what is published to *topic*."""
    mailbox = Mailbox.open(client, name)
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=mailbox.arn)
    return mailbox


def overhear(client: Clients, bus: str, name: str) -> Mailbox:
    """Return a queue called *name* that gets every event of ours on *bus*."""
    mailbox = Mailbox.open(client, name)
    events = client("events")
    pattern = json.dumps({"source": ["beanvault", "beanvault.replicator"]})
    events.put_rule(Name=name, EventBusName=bus, EventPattern=pattern)
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": mailbox.arn}])
    return mailbox


def variables(config: Config) -> dict[str, str]:
    """Return the function's variables that mean *config*."""
    return {
        "BEANVAULT_CONNECTION_SECRET": config.connection_secret,
        "BEANVAULT_MOUNT": ",".join(f"{mount.kind}:{mount.path}" for mount in config.mounts),
        "BEANVAULT_PREFIX": config.prefix,
        "BEANVAULT_OWNER": config.owner,
        "BEANVAULT_KMS_KEY_ID": ",".join(
            dict.fromkeys([*filter(None, [config.kms_key]), *sorted(config.kms_keys_allowed)])
        ),
        "BEANVAULT_DELETION": f"schedule:{config.deletion_days}" if config.deletion_days else "retain",
        "BEANVAULT_MAX_DELETE_SHARE": str(config.max_delete_share),
        "BEANVAULT_ADOPT": ",".join(sorted(config.adopt)),
        "BEANVAULT_REPLICA_REGIONS": ",".join(each.region for each in config.replica_regions),
        "BEANVAULT_TOPIC_ARN": config.topic_arn or "",
        "BEANVAULT_BUS_NAME": config.bus_name or "",
    }


class Context:
    """Lambda's context object, with the time that *seconds* says is left."""

    aws_request_id = "8d0f6cd2-0000-0000-0000-000000000000"

    def __init__(self, seconds: Callable[[], float] = lambda: 600.0) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds() * 1000)
