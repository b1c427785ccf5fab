"""Bad days: which calls fail, and how, decided by what a call is about and not by when it happens to come."""

from __future__ import annotations

import json
import threading
import zlib
from collections import Counter
from typing import Any

from testbed.servers.proxy import FORWARD, Behaviour, Cut, Drop, ProxiedCall, ProxyAnswer, Rule

AWS_FAULTS: tuple[Behaviour, ...] = (
    ProxyAnswer(400, b'{"__type":"ThrottlingException","message":"Rate exceeded"}'),
    ProxyAnswer(500, b'{"__type":"InternalServiceError","message":"try again"}'),
    ProxyAnswer(500, b'{"__type":"InternalServiceError","message":"it was done"}', after=True),
    Drop(),
    Drop(after=True),
    Cut(),
)
VAULT_FAULTS: tuple[Behaviour, ...] = (
    ProxyAnswer(429, b'{"errors":["request path kv: rate limit quota exceeded"]}', "application/json"),
    ProxyAnswer(500, b'{"errors":["internal error"]}', "application/json"),
    ProxyAnswer(403, b'{"errors":["permission denied"]}', "application/json"),
    Drop(),
    Cut(),
)


def about(call: ProxiedCall, name: str) -> str:
    """Return what *call* does to what, without what is random in it; *name* is the deployment's."""
    if call.path.startswith("/v1/"):
        return f"{call.method} {call.path.partition('?')[0].replace(name, 'MOUNT')}"
    try:
        body: dict[str, Any] = json.loads(call.body)
    except ValueError:
        return call.operation
    target = str(body.get("SecretId") or body.get("Name") or body.get("ResourceARN") or "")
    if target.startswith("arn:"):
        target = target.rpartition(":")[2].rpartition("-")[0]  # without the suffix that AWS adds
    return f"{call.operation} {target.removeprefix(f'{name}/').replace(name, 'NAME')}".rstrip()


def bad_day(seed: int, percent: int, name: str, faults: tuple[Behaviour, ...]) -> Rule:
    """Return a rule by which *percent* of the calls fail, each attempt of a call decided for itself."""
    attempts: Counter[str] = Counter()
    lock = threading.Lock()

    def rule(call: ProxiedCall) -> Behaviour:
        label = about(call, name)
        with lock:
            attempts[label] += 1
            number = attempts[label]
        draw = zlib.crc32(f"{seed} {label} {number}".encode())
        return faults[draw // 100 % len(faults)] if draw % 100 < percent else FORWARD

    return rule


def retry_at_once(client: Any) -> None:
    """Take away the pauses between a client's retries; how often it tries is botocore's decision still."""

    def pause(attempts: int, response: Any, caught_exception: Exception | None, **_: Any) -> float | None:
        if attempts >= client.meta.config.retries["total_max_attempts"]:
            return None
        failed = caught_exception is not None or (
            response is not None
            and (
                response[0].status_code >= 500
                or response[1].get("Error", {}).get("Code") == "ThrottlingException"
            )
        )
        return 0.0 if failed else None

    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"needs-retry.{service}", pause)
