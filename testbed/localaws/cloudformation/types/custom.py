"""Custom resources: a Lambda function does the work and PUTs its response to a URL of this server.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import json
import queue
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ResourceFailed
from ..resource import Resource
from ..resource_type import ResourceType, names

ROUTE = "/localaws/custom-resource/"
ANSWER_WITHIN_SECONDS = 300.0
"""How long a stack waits if the template has no ServiceTimeout (an hour in CloudFormation)."""

_waiting: dict[str, queue.Queue[dict[str, Any]]] = {}
_endpoint = ""


def serve_at(endpoint: str) -> None:
    """Set the endpoint that functions answer to; it routes ROUTE to `application`."""
    global _endpoint
    _endpoint = endpoint


def application(environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
    """Take the response of a custom resource's function."""
    waiting = _waiting.get(environ["PATH_INFO"].removeprefix(ROUTE))
    if environ["REQUEST_METHOD"] != "PUT" or waiting is None:
        start_response("404 Not Found", [("Content-Length", "0")])
        return []
    waiting.put(json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))))
    start_response("200 OK", [("Content-Length", "0")])
    return []


def _request(kind: str, resource: Resource, old: Mapping[str, Any] | None = None) -> None:
    token, answers = str(uuid.uuid4()), queue.Queue[dict[str, Any]]()
    properties = {key: value for key, value in resource.properties.items() if key != "ServiceTimeout"}
    event = {
        "RequestType": kind,
        "RequestId": token,
        "ResponseURL": f"{_endpoint}{ROUTE}{token}",
        "ResourceType": resource.type_name,
        "LogicalResourceId": resource.logical_id,
        "StackId": resource.scope.stack_id,
        "ResourceProperties": _as_text(properties),
    }
    if resource.physical_id:
        event["PhysicalResourceId"] = resource.physical_id
    if old is not None:
        event["OldResourceProperties"] = _as_text(dict(old))
    _waiting[token] = answers
    try:
        resource.call(
            "invoke",
            FunctionName=properties["ServiceToken"],
            InvocationType="Event",
            Payload=json.dumps(event),
        )
        answer = answers.get(timeout=float(resource.properties.get("ServiceTimeout", ANSWER_WITHIN_SECONDS)))
    except queue.Empty:
        raise ResourceFailed(
            "CloudFormation did not receive a response from your Custom Resource."
            f" Please check your logs for requestId [{token}]."
        ) from None
    finally:
        del _waiting[token]
    if answer.get("Status") != "SUCCESS":
        raise ResourceFailed(
            "Received response status [FAILED] from custom resource."
            f" Message returned: {answer.get('Reason', '')}"
        )
    if kind != "Delete":
        resource.physical_id = answer["PhysicalResourceId"]
        resource.answer = answer.get("Data") or {}


def _as_text(value: Any) -> Any:
    """Return properties as functions receive them: numbers and booleans as text."""
    if isinstance(value, Mapping):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


CUSTOM = ResourceType(
    name="AWS::CloudFormation::CustomResource",
    service="lambda",
    create=lambda resource: _request("Create", resource),
    update=lambda resource, old: _request("Update", resource, old),
    mutable=None,  # the function decides what an update does
    replace=names("ServiceToken"),
    delete=lambda resource: _request("Delete", resource),
    attributes=None,
)

TYPES = (CUSTOM,)
