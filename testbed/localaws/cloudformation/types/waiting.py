"""Wait conditions: a stack waits for signals, which are PUT to a URL of this server.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html. The texts of the
events are those of public reports (github.com/aws-samples/vpn-gateway-strongswan issue 28,
github.com/aws-samples/immersive-media-refarch issue 7).
"""

from __future__ import annotations

import json
import queue
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ResourceFailed
from ..resource import Resource
from ..resource_type import ResourceType

ROUTE = "/localaws/wait-condition/"
LIMIT_BYTES = 4096
LONGEST_SECONDS = 43_200


@dataclass(frozen=True, slots=True)
class Signal:
    succeeded: bool
    unique_id: str
    reason: str


_signals: dict[str, queue.Queue[Signal]] = {}
_endpoint = ""


def serve_at(endpoint: str) -> None:
    """Set the endpoint that signals are sent to; it routes ROUTE to `application`."""
    global _endpoint
    _endpoint = endpoint


def application(environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
    """Take a signal; S3 refuses one with a content type, because the URL is signed without."""
    waiting = _signals.get(environ["PATH_INFO"].removeprefix(ROUTE))
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if environ["REQUEST_METHOD"] != "PUT" or waiting is None or environ.get("CONTENT_TYPE"):
        status = "403 Forbidden"
    elif (signal := _parsed(body)) is None:
        status = "400 Bad Request"
    else:
        waiting.put(signal)
        status = "200 OK"
    start_response(status, [("Content-Length", "0")])
    return []


def _parsed(body: bytes) -> Signal | None:
    try:
        fields = json.loads(body[: LIMIT_BYTES + 1])
        status, unique_id = fields["Status"], fields["UniqueId"]
        if status not in ("SUCCESS", "FAILURE") or not unique_id:
            return None
        return Signal(status == "SUCCESS", str(unique_id), str(fields.get("Reason", "")))
    except (ValueError, KeyError, TypeError):
        return None


def _create_handle(handle: Resource) -> None:
    token = str(uuid.uuid4())
    _signals[token] = queue.Queue()
    handle.physical_id = f"{_endpoint}{ROUTE}{token}"


def _delete_handle(handle: Resource) -> None:
    _signals.pop(handle.physical_id.rpartition("/")[2], None)


def _wait(condition: Resource) -> None:
    properties = condition.properties
    seconds, count = int(properties["Timeout"]), int(properties.get("Count", 1))
    if not 1 <= seconds <= LONGEST_SECONDS:
        raise ResourceFailed(f"Timeout must be between 1 and {LONGEST_SECONDS} seconds")
    signals = _signals[properties["Handle"].rpartition("/")[2]]
    condition.physical_id = f"{condition.scope.stack_id}/{condition.logical_id}"
    condition.answer = dict(properties)
    deadline, received = time.monotonic() + seconds, set[str]()
    while len(received) < count:
        try:
            signal = signals.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            raise ResourceFailed(
                f"WaitCondition timed out. Received {len(received)} conditions when expecting {count}"
            ) from None
        if not signal.succeeded:
            raise ResourceFailed(
                f"WaitCondition received failed message: '{signal.reason}' for uniqueId: {signal.unique_id}"
            )
        received.add(signal.unique_id)


def _refuse_update(condition: Resource, _old: Mapping[str, Any]) -> None:
    if condition.properties != condition.answer:  # a roll-back returns to these
        raise ResourceFailed("Update to resource type AWS::CloudFormation::WaitCondition is not supported.")


TYPES = (
    ResourceType(
        name="AWS::CloudFormation::WaitConditionHandle",
        service="cloudformation",
        create=_create_handle,
        known=frozenset(),
        delete=_delete_handle,
    ),
    ResourceType(
        name="AWS::CloudFormation::WaitCondition",
        service="cloudformation",
        create=_wait,
        known=frozenset({"Count", "Handle", "Timeout"}),
        update=_refuse_update,
        mutable=None,
    ),
)
