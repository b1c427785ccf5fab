"""Putting a message where an ARN points: what Lambda and EventBridge do with targets and dead letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Clients = Callable[[str], Any]
"""Makes a client of a service, with the rights under which the message is sent."""

ACTIONS = {
    "lambda": "lambda:InvokeFunction",
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
}
"""What a policy must allow so that a message can be put into a resource of that service."""


def send(
    clients: Clients,
    target: str,
    body: str,
    *,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Put *body* into the function, queue or topic *target*; *attributes* go with a message.

    Raises ClientError as the target's service does, LookupError for a target of another kind.
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
