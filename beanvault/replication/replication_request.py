"""Requesting a replication: the `Replication Requested` event on the deployment's bus."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from replicator.contract.events import REPLICATION_REQUESTED, ReplicationRequest, RequestReason

from ..aws import AwsError

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

RequestReplication = Callable[[str], None]
"""Requests the replication of one source, `<mount>/<path>`."""


def requester(events: EventBridgeClient, bus_name: str) -> RequestReplication:
    """Return a function that requests the operator's replications on *bus_name*."""

    def request(source: str) -> None:
        put_replication_request(events, bus_name, [source], RequestReason.OPERATOR)

    return request


def put_replication_request(
    events: EventBridgeClient, bus_name: str, sources: list[str], reason: RequestReason
) -> None:
    """Put one `Replication Requested` event on the bus; no *sources* requests all.

    Raises:
        AwsError: EventBridge rejected the event
    """
    request = ReplicationRequest(tuple(sources) or None, reason)
    entry = REPLICATION_REQUESTED.entry(request.detail(), bus_name)
    answer = events.put_events(Entries=[cast("PutEventsRequestEntryTypeDef", entry)])
    if answer.get("FailedEntryCount"):
        raise AwsError(
            f"EventBridge rejected the event on {bus_name} ({answer['Entries'][0].get('ErrorCode')})",
            "see that error code in EventBridge's PutEvents reference, then try again",
        )
