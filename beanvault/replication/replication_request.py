"""Requesting a replication: the `Replication Requested` event on the deployment's bus."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..aws import AwsError

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

RequestReplication = Callable[[str], None]
"""Requests the replication of one source, `<mount>/<path>`."""


def requester(events: EventBridgeClient, bus_name: str) -> RequestReplication:
    """Return a function that requests the operator's replications on *bus_name*."""

    def request(source: str) -> None:
        put_replication_request(events, bus_name, [source], "operator")

    return request


def put_replication_request(
    events: EventBridgeClient, bus_name: str, sources: list[str], reason: str
) -> None:
    """Put one `Replication Requested` event on the bus; no *sources* requests all.

    Raises:
        AwsError: EventBridge rejected the event
    """
    answer = events.put_events(
        Entries=[
            {
                "Source": "beanvault",
                "DetailType": "Replication Requested",
                "Detail": json.dumps({"paths": sources, "reason": reason}),
                "EventBusName": bus_name,
            }
        ]
    )
    if answer.get("FailedEntryCount"):
        raise AwsError(
            f"EventBridge rejected the event on {bus_name} ({answer['Entries'][0].get('ErrorCode')})",
            "see that error code in EventBridge's PutEvents reference, then try again",
        )
