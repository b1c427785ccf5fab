"""Putting a message where an ARN points: what Lambda, EventBridge and Scheduler do with destinations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Clients = Callable[[str], Any]
"""Makes a client of a service, with the rights under which the message is sent."""

ACTIONS = {
    "lambda": "lambda:InvokeFunction",
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "events": "events:PutEvents",
}
"""What a policy must allow so that a message can be put into a resource of that service."""


def send(
    clients: Clients,
    target: str,
    body: str,
    *,
    attributes: Mapping[str, str] | None = None,
    group: str | None = None,
    event: tuple[str, str] = ("", ""),
) -> None:
    """Put *body* into the function, queue, topic or bus *target*.

    *attributes* go with a message, *group* is a FIFO queue's message group, *event* the source and detail
    type for a bus. Raises ClientError as the target's service does, LookupError for a target of another kind.
    """
    service, name = target.split(":")[2], target.rpartition(":")[2]
    if service not in ACTIONS:
        raise LookupError(f"{target}: the local AWS delivers to functions, queues, topics and buses only")
    client = clients(service)
    typed = {
        key: {"DataType": "Number" if value.isdigit() else "String", "StringValue": value}
        for key, value in (attributes or {}).items()
    }
    if service == "lambda":
        client.invoke(FunctionName=target, InvocationType="Event", Payload=body)
    elif service == "sqs":
        url = f"{client.meta.endpoint_url}/{target.split(':')[4]}/{name}"
        more = {"MessageGroupId": group} if group else {}
        client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=typed, **more)
    elif service == "sns":
        client.publish(TopicArn=target, Message=body, MessageAttributes=typed)
    else:
        source, kind = event
        entry = {"Source": source, "DetailType": kind, "Detail": body, "EventBusName": target}
        client.put_events(Entries=[entry])
