"""Delivers a message to an ARN, for the targets and dead letters of Lambda and EventBridge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Clients = Callable[[str], Any]
"""Makes a client of a service, with the permissions of the sender."""

ACTIONS = {
    "lambda": "lambda:InvokeFunction",
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
}
"""The action that a resource's policy must allow for a delivery."""


def send(
    clients: Clients,
    target: str,
    body: str,
    *,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Send *body* to the function, queue or topic *target*; *attributes* are added to a message.

    Raises:
        ClientError: the target's service refused it
        LookupError: the target is of another kind
    """
    service, name = target.split(":")[2], target.rpartition(":")[2]
    if service not in ACTIONS:
        raise LookupError(f"{target}: the local AWS delivers to functions, queues and topics only")
    client = clients(service)
    typed = {
        key: {"DataType": "Number" if value.isdigit() else "String", "StringValue": value}
        for key, value in (attributes or {}).items()
    }
    if service == "lambda":
        client.invoke(FunctionName=target, InvocationType="Event", Payload=body)
    elif service == "sqs":
        url = f"{client.meta.endpoint_url}/{target.split(':')[4]}/{name}"
        client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=typed)
    else:
        client.publish(TopicArn=target, Message=body, MessageAttributes=typed)
