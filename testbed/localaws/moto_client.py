"""boto3 clients that call moto's backends in this process, without sockets, signatures or policies."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from moto.core.botocore_stubber import BotocoreStubber

from .settings import ACCOUNT

ENGINE_KEY_ID = "LOCALAWSENGINE000000"
"""The access key of these clients; authorization allows all its calls."""

_stubber = BotocoreStubber()
_stubber.enabled = True
_lock = threading.RLock()


def client(service: str, region: str, account: str = ACCOUNT) -> Any:
    """Return a client of *service* that calls moto's backends in this process."""
    with _lock:  # making clients from one session is not thread safe
        return _client(service, region, account)


@cache
def _session() -> Any:  # the stubs require the service's name as a literal
    return boto3.session.Session(aws_access_key_id=ENGINE_KEY_ID, aws_secret_access_key="engine")


@cache
def _client(service: str, region: str, account: str) -> Any:
    config: dict[str, Any] = {"retries": {"max_attempts": 0}, "ignore_configured_endpoint_urls": True}
    made = _session().client(
        service, region, config=Config(**config)
    )  # the second key is unknown to the stubs
    made.meta.events.register("before-send", _stubber)
    made.meta.events.register(
        "before-sign", lambda request, **_: request.headers.add_header("x-moto-account-id", account)
    )
    return made
