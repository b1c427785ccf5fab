"""A session that plays AWS's answers without a network; all else is the real SDK."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from beanvault.aws import Aws


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service that speaks JSON answers."""

    body: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    error: str = ""
    """The code of a refusal."""


def playing(**operations: list[Answer | BaseException]) -> Aws:
    """Return a session that answers each operation (`lambda_Invoke=[…]`) with its list, in order."""
    session = boto3.session.Session(
        aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-central-1"
    )

    def player(answers: list[Answer | BaseException]) -> Any:
        def play(request: Any, **_: Any) -> AWSResponse:
            answer = answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            body = {**answer.body, **({"__type": answer.error} if answer.error else {})}
            headers = HTTPHeaders()
            if answer.error:
                headers["x-amzn-ErrorType"] = answer.error
            raw = HTTPResponse(io.BytesIO(json.dumps(body).encode()), preload_content=False)
            return AWSResponse(request.url, answer.status, headers, raw)

        return play

    for name, answers in operations.items():
        service, _, operation = name.rpartition("_")
        session.events.register(f"before-send.{service.replace('_', '-')}.{operation}", player(answers))
    return Aws(session)
